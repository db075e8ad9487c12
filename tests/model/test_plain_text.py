"""Small forms of text for people."""

from __future__ import annotations

import pytest

from kojikey.model.plain_text import counted, shortened


@pytest.mark.parametrize(("number", "text"), [(0, "0 keys"), (1, "1 key"), (2, "2 keys")])
def test_what_is_counted_is_in_the_plural_but_for_one(number: int, text: str) -> None:
    assert counted(number, "key") == text


@pytest.mark.parametrize(("length", "text"), [(9, "abcdefghi"), (8, "abc…fghi"), (7, "abc…ghi"), (3, "a…i")])
def test_both_ends_of_a_long_text_stay(length: int, text: str) -> None:
    assert shortened("abcdefghi", length) == text
    assert len(shortened("abcdefghi", length)) == length
