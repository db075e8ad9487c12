"""Runs one test for all rows of a table, for rows that take less time than pytest needs to set up a test.

Owns: running a test for each row, and failing with all rows for which it failed. Must not: be used for rows that need
their own fixture.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable

import pytest

_Test = Callable[..., None]


def each(names: str | tuple[str, ...], rows: Iterable[object]) -> Callable[[_Test], _Test]:
    """Return a decorator like ``pytest.mark.parametrize``, except that all rows are one test."""
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

        assert table, "the table has no rows"
        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in named]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return over
