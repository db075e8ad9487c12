"""``kojikey sandbox --tour``: add, test, rotate and remove a key in a throwaway store, showing each command."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from typing import NamedTuple

from kojikey.cli.context import Context
from kojikey.model.next_step import Hint, next_step
from kojikey.testing import Sandbox, SandboxKey

_PROVIDER = "elevenlabs"


class Step(NamedTuple):
    """A command of the tour: a sentence about it, its arguments, the key on its stdin, and its expected exit code."""

    about: str
    arguments: tuple[str, ...]
    key: SandboxKey | None = None
    code: int = 0


def tour(context: Context, playing: Sandbox) -> int:
    """Run every step; return 0 if each had its expected exit code, 1 after the first that had not."""
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    say = _say_nothing if context.terminal.quiet else page.line
    say("A tour of kojikey against a made-up provider on this machine: no account, no network.", style="bold")
    kek = base64.urlsafe_b64encode(os.urandom(32)).decode()
    with tempfile.TemporaryDirectory(prefix="kojikey-tour-") as home:
        for number, step in enumerate(_steps(playing), 1):
            say()
            say(f"{number}. {step.about}", style="bold")
            page.line("$ " + _typed(step), style="cyan")
            sys.stdout.flush()
            code = _run(step, home, kek, context)
            if code != step.code:
                page.line(f"this step ended with exit {code} instead of {step.code}; the tour stops here")
                return 1
            if code:
                page.line(f"(exit {code})", style="dim")
    say()
    say(Hint("The throwaway store is gone. With a key of your own: ", next_step("add", "google_gemini")), style="bold")
    return 0


def _say_nothing(text: str = "", *, style: str = "") -> None:
    """Replace ``page.line`` under ``--quiet``, which shows only the commands and their results."""


def _steps(playing: Sandbox) -> tuple[Step, ...]:
    first, second, refused = (playing.key(_PROVIDER, name) for name in ("ok", "ok_2", "invalid_key"))
    url = playing.base_url(_PROVIDER)
    return (
        Step("Add a key: it is tested before it is saved.", ("add", _PROVIDER, "--base-url", url), first),
        Step("Test it again, whenever you like.", ("test", _PROVIDER)),
        Step("A rotation to a key that the provider refuses changes nothing.", ("rotate", _PROVIDER), refused, 3),
        Step("A rotation to a good one: staged, tested, promoted.", ("rotate", _PROVIDER), second),
        Step("Undo it: the previous key is still there.", ("rotate", _PROVIDER, "--rollback")),
        Step("The saved keys, masked. This never opens a key.", ("list",)),
        Step("What happened, and whether anybody changed this record.", ("audit", "--verify")),
        Step("Remove it: the account falls back to the built-in allocation.", ("remove", _PROVIDER, "--yes")),
    )


def _typed(step: Step) -> str:
    words = " ".join(("kojikey", *step.arguments))
    return f"{words} --stdin < the-key.txt" if step.key else words


def _run(step: Step, home: str, kek: str, context: Context) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KOJIKEY_")}
    environ |= {"KOJIKEY_HOME": home, "KOJIKEY_KEK": kek, "KOJIKEY_NO_INPUT": "1"}
    arguments = [*step.arguments, *(["--stdin"] if step.key else [])]
    arguments += ["--no-color"] if context.terminal.plain else []
    arguments += ["--quiet"] if context.terminal.quiet else []
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "kojikey", *arguments],
        input=step.key.key.encode() if step.key else b"",
        env=environ,
        check=False,
    )
    return finished.returncode
