"""Finds the line of a mistake in a definition's text: TOML's own reader does not report lines.

Pure. Must not: validate the text; it may have any mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEAD = re.compile(r"[ \t]*(\[\[?)[ \t]*([^\]#]+?)[ \t]*\]\]?")
_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = re.compile(rf"[ \t]*({_NAME}(?:[ \t]*\.[ \t]*{_NAME})*)[ \t]*=")
_TEXTS = (r'"""(?:[^\\]|\\.)*?"""', r"'''.*?'''", r'"(?:[^"\\\n]|\\.)*"', r"'[^'\n]*'")
_VALUE = re.compile("|".join((*_TEXTS, r"#[^\n]*", r"[\[\]{}\n]", r"[^\"'#\[\]{}\n]+")), re.DOTALL)
_SYNTAX = re.compile(r"\(at line ([0-9]+),")
_PLACE = re.compile(r"[A-Za-z0-9_.\[\]-]+")


def with_lines(text: str, problems: Sequence[str]) -> list[tuple[int, str]]:
    """Return the mistakes of a definition with their lines, sorted by line."""
    lines = _lines(text)
    found = [(_line(problem, lines, text), problem) for problem in problems]
    return sorted(found, key=lambda item: item[0])


def _line(problem: str, lines: dict[str, int], text: str) -> int:
    syntax = _SYNTAX.search(problem)
    if syntax:
        return int(syntax[1])
    if "(at end of document)" in problem:
        return text.count("\n") + 1
    match = _PLACE.match(problem)
    place = match[0] if match else ""
    while place and place not in lines:
        place = re.sub(r"(?:\.[^.\[\]]+|\[[0-9]+\]|^[^.\[\]]+)$", "", place)
    return lines.get(place, 1)


def _lines(text: str) -> dict[str, int]:
    """Return the line of each table and key by its path in the form of messages: ``checks[2].path``."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, position = "", 0
    while position < len(text):
        number = text.count("\n", 0, position) + 1
        head, key = _HEAD.match(text, position), _KEY.match(text, position)
        if head:
            table = _table(head[2], counts, is_list=head[1] == "[[")
            lines.setdefault(table, number)
            lines.setdefault(re.sub(r"\[[0-9]+\]$", "", table), number)
            position = _end_of_line(text, head.end())
        elif key:
            lines.setdefault(f"{table}.{_plain(key[1])}" if table else _plain(key[1]), number)
            position = _end_of_value(text, key.end())
        else:
            position = _end_of_line(text, position)
    return lines


def _table(name: str, counts: dict[str, int], *, is_list: bool) -> str:
    """Return the path of a table, with the current number of each list in it."""
    path, parts = "", _plain(name).split(".")
    for number, part in enumerate(parts, 1):
        path = f"{path}.{part}" if path else part
        if number == len(parts) and is_list:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path


def _plain(name: str) -> str:
    return re.sub(r"[\s\"']", "", name)


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _end_of_value(text: str, position: int) -> int:
    """Return where the statement ends: at the end of its line, or of the last line of its list, table or text."""
    depth = 0
    while position < len(text):
        match = _VALUE.match(text, position)
        if match is None:
            return _end_of_line(text, position)
        position, token = match.end(), match[0]
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        if token == "\n" and depth <= 0:
            return position
    return position
