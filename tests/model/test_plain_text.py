"""Small forms of text for people."""

from __future__ import annotations

import pytest

from kojikey.model.plain_text import counted, shortened


@pytest.mark.parametrize(("number", "text"), [(0, "0 keys"), (1, "1 key"), (2, "2 keys")])
def test_a_counted_noun_is_plural_except_for_one(number: int, text: str) -> None:
    assert counted(number, "key") == text


@pytest.mark.parametrize(("length", "text"), [(9, "abcdefghi"), (8, "abc…fghi"), (7, "abc…ghi"), (3, "a…i")])
def test_a_shortened_text_keeps_both_ends(length: int, text: str) -> None:
    assert shortened("abcdefghi", length) == text
    assert len(shortened("abcdefghi", length)) == length
