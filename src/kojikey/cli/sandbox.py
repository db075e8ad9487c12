"""``kojikey sandbox``: plays the providers on a loopback port, for trying kojikey without an account or a network."""

from __future__ import annotations

import threading

from kojikey.cli.command import OUTPUT, Call, Command, Option
from kojikey.cli.desk import Desk, desk_of
from kojikey.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.testing import Sandbox


def sandbox(call: Call) -> int:
    """Carry out ``kojikey sandbox``: serve until Ctrl-C, or show the tour."""
    from kojikey.testing import Sandbox

    desk = desk_of(call)
    port = call.number("port") or 0
    if not 0 <= port <= 65535:
        raise UsageError("--port takes a number from 1 to 65535")
    if call.flag("tour"):
        from kojikey.cli.tour import tour

        with Sandbox(port=int(port)) as playing:
            return tour(desk, playing)
    try:
        playing = Sandbox(port=int(port))
        playing.start()
    except OSError as error:
        raise UsageError(
            f"the port can not be used ({error.strerror})", hint="kojikey sandbox without --port"
        ) from None
    try:
        _announce(desk, playing)
        threading.Event().wait()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the sandbox is closed; its keys were made up and open nothing") from None
    finally:
        playing.stop()
    return 0


def _announce(desk: Desk, playing: Sandbox) -> None:
    from kojikey.cli import documents

    if desk.terminal.json:
        fields = ("provider", "reason", "outcome", "base_url", "key", "note")
        rows = [{name: getattr(key, name) for name in fields} for key in playing.keys]
        documents.write("sandbox", 0, rows)
        import sys

        sys.stdout.flush()
        return
    from kojikey.cli.render import Page

    page = Page(desk.terminal)
    providers = list(dict.fromkeys(key.provider for key in playing.keys))
    page.pairs([(provider, playing.base_url(provider)) for provider in providers])
    page.line("made-up keys: each gives the outcome beside it", style="bold")
    cells = [(key.provider, str(key.outcome), str(key.reason), key.key) for key in playing.keys]
    page.table(("PROVIDER", "OUTCOME", "REASON", "KEY"), cells)
    other = [key for key in playing.keys if key.base_url != playing.base_url(key.provider)]
    for key in other:
        page.line(f"{key.provider} {key.reason} needs --base-url {key.base_url}", indent=2)
    first = providers[0]
    page.line(f"try: kojikey add {first} --base-url {playing.base_url(first)}")
    desk.terminal.note("serving on loopback; Ctrl-C ends it")


COMMANDS = (
    Command(
        "sandbox",
        "play the providers on a loopback port, to try kojikey without an account",
        sandbox,
        options=(
            *OUTPUT,
            Option(("--port",), "the port (default: a free one)", "integer", "N"),
            Option(("--tour",), "run the whole loop against it in a throwaway store, and show each command"),
        ),
        description="Prints base URLs and one made-up key for every reason that a test can find. "
        "Nothing leaves this machine.",
        examples=("kojikey sandbox --tour", "kojikey sandbox --port 8765"),
    ),
)
