"""``kojikey sandbox``: plays the providers on a loopback port, for trying kojikey without an account or a network."""

from __future__ import annotations

import sys
import threading

from kojikey.cli.command import Call, Command, Flag, Integer
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import OUTPUT
from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.output.page import Page
    from kojikey.testing import Sandbox, SandboxKey

PORT = Integer("--port", help="the port (default: a free one)", metavar="N")
TOUR = Flag("--tour", help="run the whole loop against it in a throwaway store, showing each command")


def sandbox(call: Call) -> int:
    """Run ``kojikey sandbox``, until Ctrl-C or the end of the tour, and return the exit code."""
    from kojikey.testing import Sandbox

    context = context_of(call, config={})  # it works with a config.toml that has mistakes
    port = call[PORT] or 0
    if not 0 <= port <= 65535:
        raise UsageError(
            "--port takes a number from 0, which is a free one, to 65535",
            hint=Hint(next_step("sandbox"), " chooses a free one"),
        )
    if call[TOUR] and context.terminal.json:
        raise UsageError("--tour is for people: it cannot be combined with --json", hint=next_step("sandbox", "--tour"))
    with Sandbox(port=port) as playing:
        if call[TOUR]:
            from kojikey.cli.commands.sandbox.tour import tour

            return tour(context, playing)
        return _serve(context, playing)


def _serve(context: Context, playing: Sandbox) -> int:
    playing.manage_made_up_keys()
    try:
        _announce(context, playing)
        threading.Event().wait()
    except KeyboardInterrupt:
        # A note, not an error: with --json the document is already written.
        context.terminal.note("the sandbox is closed; its keys were made up and open nothing")
    return int(Exit.INTERRUPTED)


def _announce(context: Context, playing: Sandbox) -> None:
    from kojikey.cli.output import documents

    if context.terminal.json:
        fields = ("provider", "name", "reason", "outcome", "base_url", "key", "note")
        rows = [{name: getattr(key, name) for name in fields} | {"options": list(key.options)} for key in playing.keys]
        documents.write("sandbox", 0, rows)
        sys.stdout.flush()
        return
    from kojikey.cli.output.page import Page
    from kojikey.testing.sandbox.management import GOOGLE_TOKEN

    page = Page(context.terminal)
    providers = tuple(dict.fromkeys(key.provider for key in playing.keys))
    for provider in BUILT_IN:
        keys = [key for key in playing.keys if _is_listed(key, provider)]
        _show_keys(page, provider, playing.base_url(provider), keys)
    others = [(name, playing.base_url(name), playing.key(name, "ok").key) for name in providers if name not in BUILT_IN]
    page.table(("PROVIDER", "BASE URL", "A KEY THAT WORKS"), others)
    google = f"KOJIKEY_GOOGLE_APIKEYS_URL={playing.google_apikeys_url} GOOGLE_OAUTH_ACCESS_TOKEN={GOOGLE_TOKEN}"
    page.line(f"keys can be created at the providers too (rotate --mint); for google_gemini: {google}")
    page.line(Hint("try: ", next_step("add", providers[0], "--base-url", playing.base_url(providers[0]))), style="bold")
    context.terminal.note(
        "more keys, and those of every provider for each reason: --json; serving on loopback until Ctrl-C"
    )
    sys.stdout.flush()


def _show_keys(page: Page, provider: str, base_url: str, keys: list[SandboxKey]) -> None:
    """Print the keys of a provider, each on one line that can be copied."""
    from rich.text import Text

    from kojikey.model.verdict import Outcome

    page.line(Text(f"{provider}  ", style="bold").append(base_url, style="default"))
    for key in keys:
        line = Text("  ").append_text(page.marked(Outcome(key.outcome)))
        page.line(line.append(f"{key.name:<20}  {key.key}", style="default"))
        if key.base_url != base_url or key.options:
            needs = [*(["--base-url", key.base_url] if key.base_url != base_url else []), *key.options]
            page.line("with " + " ".join(needs), indent=26, style="dim")
    page.line()


def _is_listed(key: SandboxKey, provider: str) -> bool:
    """Return whether a key is the provider's first one with its reason, or its second good one, to rotate to."""
    return key.provider == provider and key.name in (str(key.reason), "ok_2")


COMMANDS = (
    Command(
        "sandbox",
        "play the providers on a loopback port, to try kojikey without an account",
        sandbox,
        options=(
            *OUTPUT,
            PORT,
            TOUR,
        ),
        description="Prints base URLs and one made-up key for every reason that a test can find. "
        "Nothing leaves this machine.",
        examples=("kojikey sandbox --tour", "kojikey sandbox --port 8765"),
    ),
)
