"""Output for people other than results: messages, questions and the status line. Decides colour and bullets.

Owns: stderr, and asking. Must not: read a key or a passphrase (``prompts.py``) or print a result (``page.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kojikey.cli.command import Call
from kojikey.cli.options import GITHUB, JSON, NO_COLOR, QUIET
from kojikey.cli.output.failure import say
from kojikey.cli.output.stdout import Stdout
from kojikey.config.settings import Settings
from kojikey.model.errors import Effect, InputNeeded, UsageError
from kojikey.model.masking import ASCII_BULLET, BULLET, mask
from kojikey.model.next_step import Hint
from kojikey.model.plain_text import one_line

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

TRIES = 3
"""So often a person is asked for the same."""


class Terminal:
    """The terminal of one command: what may be asked, what is said, and how it looks."""

    def __init__(self, call: Call, settings: Settings) -> None:
        self.call, self.settings = call, settings
        self.json, self.quiet = call.get(JSON), call.get(QUIET)
        self.plain = call.get(NO_COLOR)
        self.environ = settings.environ
        self._warnings: list[str] = []
        self.out = Stdout(settings.environ, is_on_github=call.get(GITHUB))
        self.interactive = not settings.no_input and _is_terminal(sys.stdin)

    def unsaid(self, text: str) -> str:
        """Return a text without the sentence at its end that was said as a warning already."""
        said = next((warning for warning in self._warnings if text.endswith(warning)), "")
        return text.removesuffix(said).removesuffix("; ")

    @property
    def may_ask_passphrase(self) -> bool:
        """Whether the passphrase of a store may be asked for: also where only standard input is no terminal."""
        if self.interactive:
            return True
        from kojikey.cli import controlling_terminal

        return not self.settings.no_input and _is_terminal(sys.stderr) and controlling_terminal.exists()

    @property
    def why_unasked(self) -> str:
        """Why nobody may be asked, where that is so."""
        by = self.settings.ruled_out_by
        return f"{by} forbids questions" if by else "there is no terminal"

    def note(self, text: str) -> None:
        """Say something worth knowing, unless quiet was asked for."""
        if not self.quiet:
            say(f"kojikey: {self.completed(text)}")

    def warn(self, text: str) -> None:
        """Say something that may need doing."""
        self._warnings.append(text)
        say(f"kojikey: warning: {self.completed(text)}")

    def completed(self, text: str, *, account: str | None = None) -> str:
        """Return a hint in which the commands that it suggests name the account and the store of this one."""
        if not isinstance(text, Hint):
            return text
        from kojikey.cli.output import next_steps

        return next_steps.completed(text, self.call, self.settings, account=account)

    def masked(self, tail: str, stream: TextIO | None = None) -> str:
        """Return the masked form, with bullets where the stream's encoding has them; never with ``--json``.

        What a message says is in the document too.
        """
        has_bullets = not self.json and encodes(stream or sys.stdout, BULLET)
        return mask(tail, bullet=BULLET if has_bullets else ASCII_BULLET)

    def confirm(self, question: str, *, otherwise: str) -> bool:
        """Ask yes or no, no being the default.

        Raises:
            InputNeeded: nobody may be asked; ``otherwise`` says how to answer beforehand.
        """
        if not self.interactive:
            raise InputNeeded(f"this needs an answer: {question}", hint=otherwise)
        return (self.answer(f"{question} [y/N] ") or "").lower() in ("y", "yes")

    def answer(self, question: str) -> str | None:
        """Ask for a line of text, and return it without the white space around it; None at the end of input."""
        from kojikey.cli import controlling_terminal

        try:
            return controlling_terminal.ask(one_line(question), hidden=False).strip()
        except EOFError:
            return None
        except UnicodeDecodeError:
            return ""

    def choose(self, question: str, options: Mapping[str, str], *, again: Hint) -> str:
        """Offer options by number, each with what it is, and return the one that was chosen by number or by name.

        Letters that are in the name of one option alone choose it; where they are in several, those are shown.

        Raises:
            InputNeeded: the input ended. UsageError: no answer was one of them; ``again`` is the command to type.
        """
        from kojikey.cli import controlling_terminal

        names = list(options)
        _show_options(options, names)
        for left in reversed(range(TRIES)):
            answer = self.answer(f"{question} [1-{len(names)}] ")
            if answer is None:
                raise InputNeeded("nothing was chosen", hint=again, effect=Effect.NOTHING_CHANGED)
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(names):
                return names[int(answer) - 1]
            found = _matching(answer, names)
            if len(found) == 1:
                return found[0]
            if found:
                _show_options(options, found)
            if left:
                what = "several have that" if found else _none_of(answer)
                say(f"kojikey: {what}; type a number from 1 to {len(names)}, or more of the name")
        controlling_terminal.discard_typed()
        raise UsageError(
            "that is not one of them",
            hint=Hint(
                again, " (do not paste a key before kojikey asks for it: the shell would keep it in its history)"
            ),
            effect=Effect.NOTHING_CHANGED,
        )

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

    @property
    def has_bar(self) -> bool:
        """Whether a progress bar may be drawn: on a terminal that can, unless quiet was asked for."""
        return not self.quiet and _is_terminal(sys.stderr) and self.environ.get("TERM") != "dumb"

    def console(self, stream: TextIO) -> Console:
        """Return rich's console for a stream, with colour as the user's variables and options have it."""
        from kojikey.cli.output.console import PatientConsole
        from kojikey.cli.output.github_escape import InertStream

        colour = self.is_coloured(stream)
        terminal = _is_terminal(stream)
        shown_on = cast("TextIO", InertStream(stream)) if self.out.is_on_github else stream
        return PatientConsole(
            file=shown_on, no_color=not colour, force_terminal=terminal or colour, highlight=False, markup=False,
            emoji=False, soft_wrap=not terminal, color_system="auto" if colour else None, legacy_windows=False,
            width=None if terminal else 200, safe_box=not encodes(stream, "─"),
        )  # fmt: skip

    def is_coloured(self, stream: TextIO) -> bool:
        """Return whether a stream gets colour: as the user's variables and options have it, else on a terminal."""
        if self.plain or self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return _is_terminal(stream) and self.environ.get("TERM") != "dumb"


def _show_options(options: Mapping[str, str], shown: list[str]) -> None:
    """Write some of the options, each under the number that it has among all."""
    width, digits = max(map(len, options)), len(str(len(options)))
    for number, (name, what) in enumerate(options.items(), 1):
        if name in shown:
            say(f"  {number:>{digits}}  {name:<{width}}  {what}")


def _matching(answer: str, names: list[str]) -> list[str]:
    """Return the name that was typed, else those that have the letters in them."""
    typed = answer.lower()
    return [typed] if typed in names else [name for name in names if len(typed) > 1 and typed in name]


def _none_of(answer: str) -> str:
    from kojikey.model.key_detection import looks_like_key

    if looks_like_key(answer):
        return "that looks like a key, and is on the screen now; the hidden prompt for it comes later"
    return "that is not one of them"


def encodes(stream: TextIO, text: str) -> bool:
    """Return whether a stream's encoding has these characters."""
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
