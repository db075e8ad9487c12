"""On GitHub: what is written is text, and no command to the runner, whatever text is in it.

The runner reads every line of standard output and standard error: ``::`` at its beginning (white space is skipped)
and ``##[`` anywhere in it make a command, see actions/runner, src/Runner.Common/ActionCommand.cs. On the hot path.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

_AT_THE_BEGINNING = re.compile(r"(^|(?<=[\r\n]))([^\S\r\n]*)::")


def inert(text: str) -> str:
    """Return a text in which no line is a command."""
    return inert_anywhere(_AT_THE_BEGINNING.sub(r"\2: :", text))


def inert_anywhere(text: str) -> str:
    """Return a text that is no command in the middle of a line either, where ``##[`` alone makes one."""
    return text.replace("##[", "# #[")


def inert_json(text: str) -> str:
    """Return JSON that says the same, in which no command can stand: none of its lines begins with a text."""
    return text.replace("##[", "\\u0023\\u0023[")


class InertStream:
    """A stream on which no line is a command. Each write begins at the beginning of a line, as far as it matters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(inert(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
