"""Small forms of text for people."""

from __future__ import annotations

import pytest

from kojikey.model.errors import AuditBroken
from kojikey.model.plain_text import counted, shortened, shown


@pytest.mark.parametrize(("number", "text"), [(0, "0 keys"), (1, "1 key"), (2, "2 keys")])
def test_a_counted_noun_is_plural_except_for_one(number: int, text: str) -> None:
    assert counted(number, "key") == text


@pytest.mark.parametrize(("length", "text"), [(9, "abcdefghi"), (8, "abc…fghi"), (7, "abc…ghi"), (3, "a…i")])
def test_a_shortened_text_keeps_both_ends(length: int, text: str) -> None:
    assert shortened("abcdefghi", length) == text
    assert len(shortened("abcdefghi", length)) == length


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        ("max.muster+koji@example.org", "max.muster+koji@example.org"),
        (7, "7"),
        ("Acme", "'Acme'"),
        ("a b", "'a b'"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
        ("ä", r"'\xe4'"),
        (True, "'True'"),
        ("", "''"),
        ("sk-proj-" + "A1b2C3d4" * 8, "'' (not repeated, in case it is a key)"),
    ],
)
def test_what_has_not_the_form_of_a_name_is_quoted(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_broken_trail_shows_its_account_as_every_other_message_does() -> None:
    account = "of acme is whole\x07"
    assert str(AuditBroken(account, 3, "is missing")) == f"event 3 of account {shown(account)} is missing"
