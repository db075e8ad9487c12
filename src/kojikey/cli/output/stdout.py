"""Standard output for everything except keys: text, JSON, and annotations of a workflow run.

Owns: escaping workflow commands in all of it where a runner of GitHub reads it (``github_escape.py``). Must not: decide
what a result contains.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TextIO


class Stdout:
    """Standard output of one command, which knows whether a runner of GitHub reads it."""

    __slots__ = ("is_on_github",)

    def __init__(self, environ: Mapping[str, str], *, is_on_github: bool = False) -> None:
        """Set ``is_on_github`` for the option ``--github``; in a workflow the runner's variable says it too."""
        self.is_on_github = is_on_github or runner_reads(environ)

    def text(self, text: str) -> None:
        """Write text for people, with "?" for characters that the encoding lacks; it has to be whole lines."""
        sys.stdout.write(encodable(self._escaped(text), sys.stdout))

    def json(self, text: str) -> None:
        """Write JSON, or a part of a document."""
        if self.is_on_github:
            from kojikey.cli.output.github_escape import escaped_json

            text = escaped_json(text)
        sys.stdout.write(text)

    def annotations(self, lines: Iterable[str], *, to_stderr: bool) -> None:
        """Write workflow commands, to standard error if a JSON document occupies standard output."""
        stream = sys.stderr if to_stderr else sys.stdout
        sys.stdout.flush()  # both streams may go to one log; hence also the line end before the first annotation
        before = "\n"
        for line in lines:
            stream.write(before + line + "\n")
            before = ""
        stream.flush()

    def report(self, pieces: Iterable[str]) -> None:
        """Write a report for which ``-`` is given as its file, in UTF-8, which its header names."""
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(self._escaped(piece).encode("utf-8"))
        sys.stdout.buffer.flush()

    def flush(self) -> None:
        """Flush standard output."""
        sys.stdout.flush()

    def _escaped(self, text: str) -> str:
        if not self.is_on_github:
            return text
        from kojikey.cli.output.github_escape import escaped

        return escaped(text)


def takes_more() -> bool:
    """Return whether standard output takes a line now, so that writing it does not wait for a slow reader."""
    if os.name != "posix":
        return True
    import select

    try:
        return bool(select.select((), (sys.stdout,), (), 0)[1])
    except (OSError, ValueError):
        return True  # it has no descriptor, or writing says what is wrong with it


def encodable(text: str, stream: TextIO) -> str:
    """Return the text with "?" for the characters that the encoding of a stream lacks."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


def has_dumb_terminal(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal cannot move its cursor or show colour: TERM is ``dumb``, ``unknown`` or not set."""
    name = environ.get("TERM", "")
    return name in ("dumb", "unknown") or (not name and os.name == "posix")


def runner_reads(environ: Mapping[str, str]) -> bool:
    """Return whether a runner of GitHub Actions reads the output."""
    return environ.get("GITHUB_ACTIONS") == "true"


def write_json(document: dict[str, Any]) -> None:
    """Write the JSON document of a command."""
    import json

    _write(Stdout(os.environ).json, json.dumps(document, indent=1, ensure_ascii=True))


def write_line(line: str) -> None:
    """Write a line of a result, without control characters: the last line of defence after the checks at reading."""
    from kojikey.model.plain_text import one_line

    _write(Stdout(os.environ).text, one_line(line))


def write_value(value: str) -> None:
    """Write a value that a script reads, for example a path: in its own bytes, even if the encoding lacks a character.

    On a terminal and in a workflow it is a line as any other. Windows has no bytes of its own for a path.
    """
    if os.name != "posix" or sys.stdout.isatty() or runner_reads(os.environ):
        write_line(value)
    else:
        _write(_write_bytes, value)


def _write_bytes(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(text))
    sys.stdout.buffer.flush()


def _write(write: Callable[[str], None], text: str) -> None:
    """Write a line; a pipe that its reader closed is no failure, and discards all further output."""
    try:
        write(text + "\n")
    except BrokenPipeError:
        from kojikey.cli.output.streams import silence

        silence(sys.stdout.fileno())
