"""One test over the rows of a table, where a row takes less time than pytest needs for a test.

Owns: running a test for each row, and failing with every row that it does not hold for. Must not: be used where rows
need a fixture each.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable

import pytest

_Test = Callable[..., None]


def each(names: str | tuple[str, ...], rows: Iterable[object]) -> Callable[[_Test], _Test]:
    """Give a test its parameters as ``pytest.mark.parametrize`` does; all rows are one test."""
    several, table = not isinstance(names, str), list(rows)
    named = (names,) if isinstance(names, str) else names

    def over(test: _Test) -> _Test:
        @functools.wraps(test)
        def run(**fixtures: object) -> None:
            failed = []
            for row in table:
                values: Iterable[object] = row if several else (row,)  # type: ignore[assignment]
                try:
                    test(**fixtures, **dict(zip(named, values, strict=True)))
                except (Exception, pytest.fail.Exception, BaseExceptionGroup) as error:
                    error.add_note(f"the row: {row!r:.200}")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(table)} rows", failed)

        assert table, "no row would be no test"
        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in named]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return over
