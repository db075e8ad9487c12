"""``kojikey list --csv``: the members of the JSON, one row per key; names of nested members are joined by ``_``.

A spreadsheet runs a cell that begins with ``=`` or a similar sign as a formula, so such a cell gets a leading
``'`` (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from kojikey.cli.output.documents import LISTED_FIELDS, VERSION_FIELDS, list_fields
from kojikey.model.ref import Document
from kojikey.operations.results import ListRow

_TEST = ("outcome", "reason", "tested_at", "last_valid_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns() -> list[str]:
    """Return the names of all columns; they do not depend on the keys."""
    return [column for name in LISTED_FIELDS for column in _columns_of(name)]


def _columns_of(name: str) -> Iterator[str]:
    if name == "last_test" or name.endswith("_last_test"):
        yield from (f"{name}_{part}" for part in _TEST)
    elif name in ("staged", "previous"):
        for part in VERSION_FIELDS:
            yield from _columns_of(f"{name}_{part}")
    else:
        yield name


def lines(rows: Iterable[ListRow]) -> Iterator[str]:
    """Yield the line with the column names, then a line for each row."""
    names = columns()
    yield _line(names)
    for row in rows:
        flat = dict(_flat(list_fields(row)))
        yield _line([_cell(flat.get(name)) for name in names])


def _flat(document: Document, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield prefix + name, value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
