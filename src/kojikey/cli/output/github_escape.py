"""Escapes text so that a runner of GitHub Actions finds no workflow command in it.

The runner reads every line of standard output and standard error: ``::`` at the beginning (after white space) or
``##[`` anywhere begins a command (actions/runner, src/Runner.Common/ActionCommand.cs). On the hot path.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

_AT_THE_BEGINNING = re.compile(r"(^|(?<=[\r\n]))([^\S\r\n]*)::")


def escaped(text: str) -> str:
    """Return the text with both forms of a command broken up by a space."""
    return escaped_anywhere(_AT_THE_BEGINNING.sub(r"\2: :", text))


def escaped_anywhere(text: str) -> str:
    """Return the text for the middle of a line, where only ``##[`` begins a command."""
    return text.replace("##[", "# #[")


def escaped_json(text: str) -> str:
    """Return equal JSON without a command. ``::`` needs no escape: no line of JSON begins with a string's content."""
    return text.replace("##[", "\\u0023\\u0023[")


class EscapingStream:
    """A stream that escapes commands. It treats the start of each write as the start of a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the escaped text, and return how many characters the stream wrote."""
        return self._stream.write(escaped(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
