"""What a person sees beside results: messages, questions and the status line. Decides colour and bullets.

Owns: stderr, and asking. Must not: read a key or a passphrase (``prompts.py``) or print a result (``render.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kojikey.cli.command import Call
from kojikey.cli.report import is_on_github, say
from kojikey.cli.settings import Settings
from kojikey.model.errors import InputNeeded
from kojikey.model.masking import ASCII_BULLET, BULLET, mask
from kojikey.model.plain_text import one_line

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console


class Terminal:
    """The terminal of one command: what may be asked, what is said, and how it looks."""

    def __init__(self, call: Call, settings: Settings) -> None:
        self.call, self.settings = call, settings
        self.json, self.quiet = call.flag("json"), call.flag("quiet")
        self.plain = call.flag("no_color")
        self.environ = settings.environ
        self._warnings: list[str] = []
        self.is_on_github = call.flag("github") or is_on_github(settings.environ)
        self.interactive = not settings.no_input and _is_terminal(sys.stdin)

    def unsaid(self, text: str) -> str:
        """Return a text without the sentence at its end that was said as a warning already."""
        said = next((warning for warning in self._warnings if text.endswith(warning)), "")
        return text.removesuffix(said).removesuffix("; ")

    @property
    def why_unasked(self) -> str:
        """Why nobody may be asked, where that is so."""
        by = self.settings.ruled_out_by
        return f"{by} rules out asking" if by else "there is no terminal to ask on"

    def note(self, text: str) -> None:
        """Say something worth knowing, unless quiet was asked for."""
        if not self.quiet:
            say(f"kojikey: {self.completed(text)}")

    def warn(self, text: str) -> None:
        """Say something that may need doing."""
        self._warnings.append(text)
        say(f"kojikey: warning: {self.completed(text)}")

    def completed(self, text: str, *, account: str | None = None) -> str:
        """Return a text in which the commands that it suggests say the account and the store of this one."""
        if "kojikey " not in text:
            return text
        from kojikey.cli import hints

        return hints.completed(text, hints.chosen(self.call, self.settings, account=account))

    def masked(self, tail: str, stream: TextIO | None = None) -> str:
        """Return the masked form, with bullets where the stream's encoding has them."""
        return mask(tail, bullet=BULLET if encodes(stream or sys.stdout, BULLET) else ASCII_BULLET)

    def confirm(self, question: str, *, otherwise: str) -> bool:
        """Ask yes or no, no being the default.

        Raises:
            InputNeeded: nobody may be asked; ``otherwise`` says how to answer beforehand.
        """
        if not self.interactive:
            raise InputNeeded(f"this needs an answer: {question}", hint=otherwise)
        return self.answer(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    def answer(self, question: str) -> str:
        """Ask for a line of text; the end of input is an empty answer."""
        sys.stderr.write(one_line(question))
        sys.stderr.flush()
        text = sys.stdin.readline()
        if not text.endswith("\n"):
            say("")  # Ctrl-D leaves the cursor behind the question
        return text

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Show that something is under way: a spinner on a terminal, a line elsewhere, nothing when quiet."""
        if self.quiet or (self.json and not _is_terminal(sys.stderr)):
            yield
        elif not _is_terminal(sys.stderr) or self.environ.get("TERM") == "dumb":
            say(f"kojikey: {text}")
            yield
        else:
            with self.console(sys.stderr).status(text, spinner="dots" if encodes(sys.stderr, "⠋") else "line"):
                yield

    def console(self, stream: TextIO) -> Console:
        """Return rich's console for a stream, with colour as the user's variables and options have it."""
        from kojikey.cli.console import PatientConsole
        from kojikey.cli.inert import InertStream

        colour = self.is_coloured(stream)
        terminal = _is_terminal(stream)
        shown_on = cast("TextIO", InertStream(stream)) if self.is_on_github else stream
        return PatientConsole(
            file=shown_on, no_color=not colour, force_terminal=terminal or colour, highlight=False, markup=False,
            emoji=False, soft_wrap=not terminal, color_system="auto" if colour else None, legacy_windows=False,
            width=None if terminal else 200, safe_box=not encodes(stream, "─"),
        )  # fmt: skip

    def is_coloured(self, stream: TextIO) -> bool:
        """Tell whether a stream gets colour: as the user's variables and options have it, else on a terminal."""
        if self.plain or self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return _is_terminal(stream) and self.environ.get("TERM") != "dumb"


def encodes(stream: TextIO, text: str) -> bool:
    """Tell whether a stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
