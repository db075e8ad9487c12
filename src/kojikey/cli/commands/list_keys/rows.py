"""Selects, orders and counts the rows of ``kojikey list``, from the records alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kojikey.cli.command import Call
from kojikey.cli.commands.list_keys.options import CSV, DUE, FAILING, OUTCOME, SORT, UNTESTED
from kojikey.cli.options import JSON
from kojikey.model.errors import UsageError
from kojikey.model.next_step import next_step
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed
from kojikey.model.verdict import Outcome
from kojikey.operations.results import ListRow

_Filter = Callable[[ListRow], bool]


def check_options(call: Call) -> None:
    """Check the options that format rows.

    Raises:
        UsageError: two of them exclude each other.
    """
    if call[CSV] and call[JSON]:
        raise UsageError("--csv and --json are two forms of one output: choose one", hint=next_step("list", "--csv"))


def chosen_rows(call: Call, rows: Iterable[ListRow]) -> Iterator[ListRow]:
    """Yield the rows that match all filters, in the order of ``--sort``; without that option, in the given order."""
    filters = _filters(call)
    matching = (row for row in rows if all(matches(row) for matches in filters))
    order = call[SORT]
    return iter(sorted(matching, key=_ORDERS[order])) if order else matching


def _filters(call: Call) -> list[_Filter]:
    filters: list[_Filter] = []
    if call[FAILING]:
        filters.append(_is_failing)
    if call[DUE]:
        filters.append(lambda row: row.is_due)
    outcome = call[OUTCOME]
    if outcome is not None:
        filters.append(lambda row: row.key is not None and _outcome(row) == outcome)
    return filters


def has_expired(row: ListRow) -> bool:
    """Return whether the key of a row, if it has one, has expired."""
    expires = row.key.current.expires_at if row.key else None
    return expires is not None and parsed(expires) <= row.moment


def _is_failing(row: ListRow) -> bool:
    return has_expired(row) or _outcome(row) in (Outcome.LIMITED.value, Outcome.REJECTED.value)


def _outcome(row: ListRow) -> str:
    test = row.key.current.last_test if row.key else None
    return test.outcome if test else UNTESTED


_LAST = (1,)  # rows without a key have no age and come last


def _by_age(row: ListRow) -> tuple[object, ...]:
    if row.key is None:
        return (*_LAST, *_names(row))
    return (0, -row.key.age_days(row.moment), row.key.current.created_at, *_names(row))


def _by_test(row: ListRow) -> tuple[object, ...]:
    test = row.key.current.last_test if row.key else None
    return (0, test.tested_at if test else "", *_names(row)) if row.key else (*_LAST, *_names(row))


def _names(row: ListRow) -> tuple[str, str]:
    return row.account, row.provider


_ORDERS: dict[str, Callable[[ListRow], tuple[object, ...]]] = {
    "age": _by_age,  # oldest first
    "tested": _by_test,  # never tested first, then the longest ago
    "account": _names,
    "provider": lambda row: (row.provider, row.account),
}


class Totals:
    """Counts the rows as they are written; it keeps none in memory."""

    def __init__(self) -> None:
        self._accounts: set[str] = set()
        self._outcomes = dict.fromkeys(OUTCOME.choices, 0)
        self.keys = self._due = 0

    def counted(self, rows: Iterable[ListRow]) -> Iterator[ListRow]:
        """Yield the rows, and count those with a key."""
        for row in rows:
            if row.key is not None:
                self.keys += 1
                self._accounts.add(row.account)
                self._outcomes[_outcome(row)] += 1
                self._due += row.is_due
            yield row

    def as_document(self) -> Document:
        """Return the member ``summary`` of the JSON document."""
        return {"keys": self.keys, "accounts": len(self._accounts), **self._outcomes, "due": self._due}

    def as_line(self) -> str:
        """Return the counts as a line for people."""
        accounts = f" of {len(self._accounts)} accounts" if len(self._accounts) > 1 else ""
        parts = [f"{count} {name}" for name, count in self._outcomes.items() if count]
        parts += [f"{self._due} due for rotation"] if self._due else []
        return f"{counted(self.keys, 'key')}{accounts}" + (f": {', '.join(parts)}" if parts else "")
