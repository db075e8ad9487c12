"""A test over a table runs every row, and fails with each that it does not hold for."""

from __future__ import annotations

import pytest

from support.each import each


def test_every_row_is_run_and_every_wrong_row_is_reported() -> None:
    seen = []

    @each("first", [1, 2, 3])
    @each(("second", "third"), [(4, 5), (6, 7)])
    def over(first: int, second: int, third: int, fixture: str) -> None:
        seen.append((first, second, third, fixture))
        assert first != 2
        if third == 7:
            with pytest.raises(ValueError, match="never"):
                pass

    with pytest.raises(BaseExceptionGroup) as caught:
        over(fixture="given")
    assert seen == [(first, *rest, "given") for first in (1, 2, 3) for rest in ((4, 5), (6, 7))]
    of_rows = [group.exceptions for group in caught.value.exceptions]
    assert [[error.__notes__ for error in errors] for errors in of_rows] == [
        [["the row: (6, 7)"]], [["the row: (4, 5)"], ["the row: (6, 7)"]], [["the row: (6, 7)"]],
    ]  # fmt: skip
    assert [group.__notes__ for group in caught.value.exceptions] == [["the row: 1"], ["the row: 2"], ["the row: 3"]]


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no row"):
        each("row", [])(lambda row: None)
