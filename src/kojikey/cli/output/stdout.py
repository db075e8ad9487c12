"""Standard output for everything except keys: text, JSON, and annotations of a workflow run.

Owns: that what is written is no command to a runner of GitHub (``github_escape.py``), whatever text is in it.
Imported by commands that print a result. Must not: decide what a result contains.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class Stdout:
    """Standard output of one command. It is decided once whether a runner of GitHub reads it."""

    __slots__ = ("is_on_github",)

    def __init__(self, environ: Mapping[str, str], *, is_on_github: bool = False) -> None:
        """``is_on_github`` where an option says so; in a workflow the runner's own variable does."""
        self.is_on_github = is_on_github or runner_reads(environ)

    def text(self, text: str) -> None:
        """Write text for people: whole lines."""
        sys.stdout.write(self._inert(text))

    def json(self, text: str) -> None:
        """Write JSON, or a part of it."""
        if self.is_on_github:
            from kojikey.cli.output.github_escape import inert_json

            text = inert_json(text)
        sys.stdout.write(text)

    def annotations(self, lines: Iterable[str], *, is_taken: bool) -> None:
        """Write workflow commands, on standard error where a document has standard output to itself."""
        stream = sys.stderr if is_taken else sys.stdout
        sys.stdout.flush()  # where both streams are one, half a line of results may be written before the first of them
        before = "\n"
        for line in lines:
            stream.write(before + line + "\n")
            before = ""
        stream.flush()

    def report(self, pieces: Iterable[str]) -> None:
        """Write a report instead of a file: in UTF-8, as the report itself says."""
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(self._inert(piece).encode("utf-8"))
        sys.stdout.buffer.flush()

    def flush(self) -> None:
        """Hand on what was written so far."""
        sys.stdout.flush()

    def _inert(self, text: str) -> str:
        if not self.is_on_github:
            return text
        from kojikey.cli.output.github_escape import inert

        return inert(text)


def runner_reads(environ: Mapping[str, str]) -> bool:
    """Return whether a runner of GitHub Actions reads what is written."""
    return environ.get("GITHUB_ACTIONS") == "true"


def write_json(document: dict[str, Any]) -> None:
    """Write the one document of a command."""
    import json

    _write(Stdout(os.environ).json, json.dumps(document, indent=1, ensure_ascii=True))


def write_line(line: str) -> None:
    """Write a line of a result. What comes from a store or a provider was checked where it was read: this is the last
    line of defence.
    """
    from kojikey.model.plain_text import one_line

    _write(Stdout(os.environ).text, one_line(line))


def _write(write: Callable[[str], None], text: str) -> None:
    """Write a line; a reader that went away changes neither what was done nor its exit code."""
    try:
        write(text + "\n")
    except BrokenPipeError:
        from kojikey.cli.output.streams import silence

        silence(sys.stdout.fileno())
