"""Output for people beside results: messages, questions and the status line. Decides colour and bullets.

Owns: stderr, and questions. Must not: read a key or a passphrase (``prompts.py``) or print a result (``page.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kojikey.cli.command import Call
from kojikey.cli.options import GITHUB, JSON, NO_COLOR, QUIET
from kojikey.cli.output.failure import say, wrapped
from kojikey.cli.output.stdout import Stdout, has_dumb_terminal
from kojikey.config.settings import Settings
from kojikey.model.errors import Effect, InputNeeded, UsageError
from kojikey.model.masking import ASCII_BULLET, BULLET, mask
from kojikey.model.next_step import Hint, typed_commands
from kojikey.model.plain_text import one_line

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

TRIES = 3
"""How often the same question is asked."""


class Terminal:
    """The terminal of one command: whether it may ask, and how its messages and results look."""

    def __init__(self, call: Call, settings: Settings) -> None:
        self.call, self.settings = call, settings
        self.json, self.quiet = call.get(JSON), call.get(QUIET)
        self.plain = call.get(NO_COLOR)
        self.environ = settings.environ
        self._warnings: list[str] = []
        self.out = Stdout(settings.environ, is_on_github=call.get(GITHUB))
        self.interactive = not settings.no_input and _is_terminal(sys.stdin)

    def without_warning(self, text: str) -> str:
        """Return a text without a sentence at its end that was already printed as a warning."""
        repeated = next((warning for warning in self._warnings if text.endswith(warning)), "")
        return text.removesuffix(repeated).removesuffix("; ")

    @property
    def may_ask_passphrase(self) -> bool:
        """Whether the passphrase of a store may be asked for, also on the controlling terminal if stdin is a pipe."""
        if self.interactive:
            return True
        from kojikey.cli import controlling_terminal

        return not self.settings.no_input and _is_terminal(sys.stderr) and controlling_terminal.exists()

    @property
    def why_unasked(self) -> str:
        """Why no question is allowed, if that is so."""
        by = self.settings.ruled_out_by
        return f"{by} forbids questions" if by else "there is no terminal"

    def note(self, text: str) -> None:
        """Print a note, unless the command line has ``--quiet``."""
        if not self.quiet:
            self._say("", text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._warnings.append(text)
        self._say("warning: ", text)

    def _say(self, kind: str, text: str) -> None:
        completed = self.completed(text)
        say(f"kojikey: {kind}{completed}", unbroken=typed_commands(completed))

    def completed(self, text: str, *, account: str | None = None) -> str:
        """Return a hint whose commands name the account and the store of this command line, where needed."""
        if not isinstance(text, Hint):
            return text
        from kojikey.cli.output import next_steps

        return next_steps.completed(text, self.call, self.settings, account=account)

    def masked(self, tail: str, stream: TextIO | None = None) -> str:
        """Return the masked form of a key. ``tail`` are its last characters, ``stream`` is where it is printed.

        It has bullets if the stream's encoding has them, and asterisks with ``--json``, as in the document.
        """
        has_bullets = not self.json and encodes(stream or sys.stdout, BULLET)
        return mask(tail, bullet=BULLET if has_bullets else ASCII_BULLET)

    def confirm(self, question: str, *, otherwise: str) -> bool:
        """Ask a question, and return whether the answer is yes. The default is no.

        Raises:
            InputNeeded: no question is allowed; its hint is ``otherwise``, which names an option that answers.
        """
        if not self.interactive:
            raise InputNeeded(f"this needs an answer: {question}", hint=otherwise)
        return (self.ask_line(f"{question} [y/N] ") or "").lower() in ("y", "yes")

    def ask_line(self, question: str) -> str | None:
        """Ask for a line, and return it without white space around it; "" if it is unusable, None at end of input."""
        from kojikey.cli import controlling_terminal

        try:
            return controlling_terminal.ask(wrapped(one_line(question).rstrip()) + " ", hidden=False).strip()
        except EOFError:
            return None
        except (UnicodeDecodeError, controlling_terminal.LineTooLong):
            return ""

    def choose(self, question: str, options: Mapping[str, str], *, again: Hint) -> str:
        """Show ``options`` (names and descriptions) with numbers, and return the name of the chosen one.

        An answer is a number, a name, or a part of exactly one name; if several names match, they are shown again.

        Raises:
            InputNeeded: the input ended. UsageError: no answer matched. ``again`` is the command to type next.
        """
        from kojikey.cli import controlling_terminal

        names = list(options)
        _show_options(options, names)
        for left in reversed(range(TRIES)):
            answer = self.ask_line(f"{question} [1-{len(names)}] ")
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
                what = "several names have that" if found else _no_match(answer)
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
        """Show ``text`` while the block runs: beside a spinner on a terminal, else as a line; not with ``--quiet``."""
        if self.quiet or (self.json and not _is_terminal(sys.stderr)):
            yield
        elif not _is_terminal(sys.stderr) or has_dumb_terminal(self.environ):
            say(f"kojikey: {text}")
            yield
        else:
            with self.console(sys.stderr).status(text, spinner="dots" if encodes(sys.stderr, "⠋") else "line"):
                yield

    @property
    def has_bar(self) -> bool:
        """Whether a progress bar may be drawn: on a terminal that can move its cursor, without ``--quiet``."""
        return not self.quiet and _is_terminal(sys.stderr) and not has_dumb_terminal(self.environ)

    def console(self, stream: TextIO) -> Console:
        """Return rich's console for a stream."""
        from shutil import get_terminal_size

        from kojikey.cli.output.console import PatientConsole
        from kojikey.cli.output.github_escape import EscapingStream

        colour = self.is_coloured(stream)
        terminal = _is_terminal(stream)
        shown_on = cast("TextIO", EscapingStream(stream)) if self.out.is_on_github else stream
        # rich takes every dumb terminal for one of 80 columns
        size = get_terminal_size() if terminal and has_dumb_terminal(self.environ) else None
        return PatientConsole(
            file=shown_on, no_color=not colour, force_terminal=terminal or colour, highlight=False, markup=False,
            emoji=False, soft_wrap=not terminal, color_system="auto" if colour else None, legacy_windows=False,
            width=size.columns if size else None if terminal else 200, height=size.lines if size else None,
            safe_box=not encodes(stream, "─"),
        )  # fmt: skip

    def is_coloured(self, stream: TextIO) -> bool:
        """Return whether a stream gets colour: options and variables decide, else whether it is a terminal."""
        if self.plain or self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return _is_terminal(stream) and not has_dumb_terminal(self.environ)


def _show_options(options: Mapping[str, str], shown: list[str]) -> None:
    """Print the options that are in ``shown``, with their numbers among all options."""
    width, digits = max(map(len, options)), len(str(len(options)))
    for number, (name, what) in enumerate(options.items(), 1):
        if name in shown:
            say(f"  {number:>{digits}}  {name:<{width}}  {what}")


def _matching(answer: str, names: list[str]) -> list[str]:
    """Return the name that was typed, else all names that contain the answer."""
    typed = answer.lower()
    return [typed] if typed in names else [name for name in names if len(typed) > 1 and typed in name]


def _no_match(answer: str) -> str:
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
