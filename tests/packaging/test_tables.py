"""A test over a table runs every row and fails with each wrong one; a test over examples has no deadline."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.each import each

TESTS = Path(__file__).parents[1]


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


def over_examples() -> Iterator[tuple[str, list[str]]]:
    """Yield each function that hypothesis gives examples, with its decorators."""
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "from hypothesis" in text else ():
            decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
            if any(text.startswith("given(") for text in decorators):
                yield f"{path.name}: {getattr(node, 'name', '')}", decorators


def test_no_example_is_held_to_a_time() -> None:
    """Hypothesis fails an example that takes 200 ms unless told otherwise, as any may on a busy machine."""
    found = {name: " ".join(decorators) for name, decorators in over_examples()}
    assert len(found) > 20
    assert {name for name, decorators in found.items() if "deadline=None" not in decorators} == set()
