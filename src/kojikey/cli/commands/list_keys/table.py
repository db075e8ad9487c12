"""The table of ``kojikey list``. A narrow terminal gets a narrower one, which still has the names for a command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from rich.text import Text

from kojikey.cli.commands.list_keys.rows import has_expired
from kojikey.cli.output.page import Cells, Page
from kojikey.cli.output.verdict_page import last_test_cell
from kojikey.model.key import Key, Stage
from kojikey.model.plain_text import shortened
from kojikey.operations.results import ListRow

_ACCOUNT_WIDTHS = (128, 40, 24, 12)  # characters of an account's name: all, then fewer for a narrower table
_LABEL_WORD = 16  # columns of a word of a label in a narrower table


def show_keys(page: Page, rows: Iterable[ListRow], *, with_account: bool) -> int:
    """Print the keys as a table, and return the number of rows."""
    listed = list(rows)
    if not listed:
        return 0
    tables = _tables(page, listed, with_account=with_account)
    widest = next(tables)
    page.table(*next((table for table in chain([widest], tables) if not page.is_too_wide(*table)), widest))
    return len(listed)


def _tables(page: Page, rows: Sequence[ListRow], *, with_account: bool) -> Iterator[tuple[list[str], list[Cells]]]:
    """Yield variants of the table (columns and cells), each narrower than the one before."""
    columns = ["PROVIDER", "KEY", "VER", "LAST TEST", "NOTE"]
    for is_brief in (False, True):
        cells = [_cells(page, row, is_brief=is_brief) for row in rows]
        if not with_account:
            yield columns, cells
            continue
        for most in _ACCOUNT_WIDTHS:
            named: list[Cells] = [[shortened(row.account, most), *cell] for row, cell in zip(rows, cells, strict=True)]
            yield ["ACCOUNT", *columns], named
    if with_account:
        yield ["ACCOUNT", *columns[:2], *columns[3:]], [[*cell[:3], *cell[4:]] for cell in named]


def _cells(page: Page, row: ListRow, *, is_brief: bool) -> Cells:
    if row.key is None:
        note = "built-in allocation" if row.source == "built_in" else "no key"
        return [row.provider, Text(page.plain("–"), style="dim"), "", "", Text(note, style="dim")]
    current = row.key.current
    notes = _notes(row, row.key, is_brief=is_brief)
    if row.disabled:
        used = ", built-in allocation" if row.source == "built_in" else ""
        notes = f"own keys are disabled{used}; {notes}"
    test = last_test_cell(page, current.last_test, is_brief=is_brief)
    return [row.provider, page.terminal.masked(current.tail), str(current.number), test, notes]


def _notes(row: ListRow, key: Key, *, is_brief: bool) -> str:
    staged = key.version(Stage.STAGED)
    label = key.label or ""
    notes = [
        f"version {staged.number} staged" if staged else "",
        "a new key is being created" if key.minting else "",
        "rotation due" if row.is_due else f"{key.age_days(row.moment)} d old",
        _expiry(row, key.current.expires_at) if key.current.expires_at else "",
        _with_short_words(label) if is_brief else label,
    ]
    return ", ".join(note for note in notes if note)


def _with_short_words(label: str) -> str:
    """Return a label without the ends of long words: no word is broken, so one would take the place of the table."""
    words = [Text(word) for word in label.split(" ")]
    for word in words:
        word.truncate(_LABEL_WORD, overflow="ellipsis")
    return " ".join(word.plain for word in words)


def _expiry(row: ListRow, expires_at: str) -> str:
    return f"{'expired' if has_expired(row) else 'expires'} {expires_at[:10]}"
