"""Reads names and values for ``kojikey import`` from ``.env`` files, JSON objects, standard input and the environment.

Owns: opening without blocking, size limits, and the position of each statement in its file. Must not: know the meaning
of a name, or keep a value as anything other than a secret.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import StringIO
from typing import Any, NamedTuple

from kojikey.model.errors import Effect, UsageError
from kojikey.model.home import expanded
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_file import open_plain
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.model.text_file import decoded

LARGEST = 4 * 1024 * 1024
LONGEST_LINE = 16 * 1024
STDIN = "-"
DEFAULT_FILES = (".env", ".env.local")

_LINE_END = re.compile(r"\r\n|\r|\n")
_MANY_BLANKS = re.compile(r"[^\S\r\n]{256}")
_STATEMENT = re.compile(r"\s*(?:export[^\S\r\n]+)?'?([A-Za-z_][A-Za-z0-9_.-]*)'?[^\S\r\n]*=")
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?', re.DOTALL)


class Span(NamedTuple):
    """The position of a statement in a file's text, in characters, from its first line to the end of its last one."""

    start: int
    end: int


class Binding(NamedTuple):
    """A name and its value. ``file`` and ``line`` are None in the environment.

    ``value`` is None if it is not text or could not be read. ``group`` is the name of the JSON object that contains the
    name. ``span`` is the position of a statement that can be replaced. ``is_kept`` is False if the source is read only
    once, as a pipe and the environment are, and so holds no key afterwards.
    """

    file: str | None
    line: int | None
    name: str
    value: Secret | None
    group: str = ""
    span: Span | None = None
    is_kept: bool = True


class Source(NamedTuple):
    """A source that was read. ``problems`` are sentences about lines that were skipped.

    ``digest`` is the SHA-256 of a file whose lines can be replaced, ``""`` for another source.
    """

    file: str | None
    kind: str
    bindings: tuple[Binding, ...]
    problems: tuple[str, ...] = ()
    digest: str = ""


class Unread(NamedTuple):
    """A source that could not be read, the reason, and what to do about it."""

    file: str
    reason: str
    hint: str


def default_files() -> tuple[str, ...]:
    """Return the default files that exist. A folder named ``.env`` is probably a virtual environment."""
    return tuple(name for name in DEFAULT_FILES if os.path.lexists(name) and not os.path.isdir(name))


def read_file(path: str) -> Source | Unread:
    """Return the content of a file, or of standard input for ``-``.

    Raises:
        UsageError: standard input is a terminal, or ``path`` is not a path.
    """
    try:
        data, is_regular = _standard_input() if path == STDIN else _content(path)
    except (OSError, ValueError) as error:
        return Unread(path, *_reason(error))
    if len(data) > LARGEST:
        reason = f"it has more than {LARGEST // 1024**2} MiB, which is too much for a file of settings"
        return Unread(path, reason, "put the keys into a file of their own")
    text = decoded(data)
    if text is None or "\0" in text:
        return Unread(path, "it is not UTF-8 text", "save it as UTF-8, then run the command again")
    if path.endswith(".json") or text.lstrip().startswith("{"):
        source = _json_bindings(path, text)
    else:
        bound, problems = _env_bindings(path, text)
        source = Source(path, "env", bound, problems, sha256(data).hexdigest() if is_regular else "")
    if source is None:
        reason = "it is not a JSON object of names and values"
        return Unread(path, reason, "correct it, then run the command again")
    if is_regular:
        return source
    return source._replace(bindings=tuple(binding._replace(is_kept=False) for binding in source.bindings))


def read_environment(environ: Mapping[str, str]) -> Source:
    """Return the environment as a source."""
    bindings = (Binding(None, None, name, Secret(environ[name]), is_kept=False) for name in environ)
    return Source(None, "environment", tuple(bindings))


def _standard_input() -> tuple[HiddenBytes, bool]:
    if sys.stdin.isatty():
        raise UsageError(
            "- reads names and values from a pipe, not from a terminal",
            effect=Effect.NOTHING_CHANGED,
            hint=Hint(next_step("import", "FILE"), ", or ", next_step("add", "PROVIDER"), " to type a key"),
        )
    return HiddenBytes(sys.stdin.buffer.read(LARGEST + 1)), False


def _content(path: str) -> tuple[HiddenBytes, bool]:
    with open_plain(expanded(path, what="the file")) as file:
        return HiddenBytes(file.read(LARGEST + 1)), stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _reason(error: OSError | ValueError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "there is no such file", "name a file that exists"
    reason = getattr(error, "strerror", None)
    return reason or "it is not a regular file", "name a file that can be read, or - for standard input"


# --- .env ---


def _env_bindings(path: str, text: str) -> tuple[tuple[Binding, ...], tuple[str, ...]]:
    """Return the statements of a ``.env`` file as python-dotenv reads them, and sentences about skipped lines.

    Line numbers are counted here: python-dotenv's begin at the blank lines before a statement, and after a mistake it
    counts a line end of Windows twice.
    """
    from dotenv.parser import parse_stream

    starts = _line_starts(text)
    bindings: list[Binding] = []
    text, passed_over = _without_long_lines(text)
    problems = [f"line {number} is too long, and was skipped" for number in passed_over]
    offset = 0
    for found in parse_stream(StringIO(text)):
        statement = found.original.string
        at = offset + len(statement) - len(statement.lstrip())
        offset += len(statement)
        line = bisect_right(starts, at)
        span = Span(starts[line - 1], offset - len(statement) + len(_without_line_end(statement)))
        if found.error:
            named = _STATEMENT.match(statement)
            problems.append(f"line {line} cannot be read (is a quote not closed?)")
            bindings += [Binding(path, line, named[1], None, span=span)] if named else []
        elif found.key is not None:
            bindings.append(Binding(path, line, found.key, Secret(found.value or ""), span=span))
    return tuple(bindings), tuple(problems)


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in _LINE_END.finditer(text))]


def _without_long_lines(text: str) -> tuple[str, list[int]]:
    """Return a text of the same length with a comment in place of each line that is too long, and their numbers.

    No key is that long, and python-dotenv's time grows with the square of the blanks in a line.
    """
    numbers: list[int] = []
    pieces = re.split(r"(\r\n|\r|\n)", text)
    for index in range(0, len(pieces), 2):
        if len(pieces[index]) > LONGEST_LINE or _MANY_BLANKS.search(pieces[index]):
            pieces[index] = "#" * len(pieces[index])
            numbers.append(index // 2 + 1)
    return "".join(pieces), numbers


def _without_line_end(statement: str) -> str:
    return statement.removesuffix("\n").removesuffix("\r")


# --- JSON ---


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in order; a name may occur twice."""


def _json_bindings(path: str, text: str) -> Source | None:
    """Return the members of a JSON object, and those of the objects in it; None if the text is not a JSON object."""
    try:
        document = json.loads(text, object_pairs_hook=_Members)
        bindings = tuple(_members(path, document, _lines(text))) if isinstance(document, _Members) else None
    except (ValueError, RecursionError):
        return None  # the error holds the text, which may have keys: do not raise from it
    return None if bindings is None else Source(path, "json", bindings)


def _lines(text: str) -> Iterator[int]:
    """Yield the line number of each name in a JSON text, in order."""
    starts = _line_starts(text)
    return (bisect_right(starts, found.start()) for found in _JSON_TEXT.finditer(text) if found[1])


def _members(path: str, document: _Members, lines: Iterator[int]) -> Iterator[Binding]:
    for name, value in document:
        line = next(lines)
        if not isinstance(value, _Members):
            _skip_names(value, lines)
            yield _member(path, line, name, value)
            continue
        for inner, held in value:
            inner_line = next(lines)
            _skip_names(held, lines)
            yield _member(path, inner_line, inner, held, group=name)


def _member(path: str, line: int, name: str, value: Any, *, group: str = "") -> Binding:
    text = "" if value is None else value if isinstance(value, str) else None
    return Binding(path, line, name, None if text is None else Secret(text), group)


def _skip_names(value: Any, lines: Iterator[int]) -> None:
    """Consume the line numbers of the names in a value that is nested too deep to be a key."""
    if isinstance(value, _Members):
        for _, inner in value:
            next(lines)
            _skip_names(inner, lines)
    elif isinstance(value, list):
        for inner in value:
            _skip_names(inner, lines)
