"""The forms of a header and of an account's document: what has not the form is refused, and its place is named."""

from __future__ import annotations

from typing import Any

import pytest

from kojikey.model.errors import RecordChanged, RecordUnsupported, StoreVersion
from kojikey.model.ref import account_ref
from kojikey.operations.record_checks import check_account, checked_header, is_seq, is_well_formed
from kojikey.stores.base import Stored
from support.each import each

HEADER: dict[str, Any] = {"format": 1, "store_id": "s", "created_at": "2026-11-23T04:47:00Z", "kek": {}}
AUDIT: dict[str, Any] = {"seq": 1, "mac": "m", "head": None}
ACCOUNT: dict[str, Any] = {"account": "acme", "wrapped": "w", "audit": AUDIT}


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in document.items() if member != name}


def stored(account: str = "acme", **changed: Any) -> Stored:
    return Stored(account_ref(account), {**ACCOUNT, "account": account, **changed}, "r")


@pytest.mark.parametrize("more", [{}, {"next_kek": None}, {"next_kek": {}}, {"given_up": []}, {"given_up": [{}, {}]}])
def test_a_well_formed_header_is_read(more: dict[str, Any]) -> None:
    assert checked_header({**HEADER, **more}, "here") == {**HEADER, **more}


@each(
    "more",
    [
        {"store_id": None}, {"store_id": 1}, {"created_at": None}, {"created_at": 1}, {"kek": None}, {"kek": []},
        {"next_kek": "x"}, {"next_kek": [1]}, {"given_up": {}}, {"given_up": "x"}, {"given_up": None},
        {"given_up": [{}, "x"]}, {"given_up": [None]},
    ],
)  # fmt: skip
def test_a_malformed_header_counts_as_changed(more: dict[str, Any]) -> None:
    with pytest.raises(RecordChanged) as caught:
        checked_header({**HEADER, **more}, "here")
    assert caught.value.where == "header"


@pytest.mark.parametrize("found", [2, 999])
def test_a_header_of_a_newer_format_asks_for_a_newer_kojikey(found: int) -> None:
    with pytest.raises(StoreVersion, match=f"here is of format {found}, and this kojikey knows 1 to 1") as caught:
        checked_header({**HEADER, "format": found}, "here")
    assert caught.value.hint == "upgrade kojikey"


@pytest.mark.parametrize("found", [None, 0, -1, 1000, "2", 2.5, [1]])
def test_a_header_without_a_format_is_not_read(found: object) -> None:
    with pytest.raises(RecordUnsupported, match="the store here has a header of a format other than 1") as caught:
        checked_header({**HEADER, "format": found}, "here")
    assert caught.value.where == "header"


@each(
    "more",
    [
        {}, {"wrapped": None}, {"disabled": True}, {"disabled": False}, {"copied_from": {}}, {"copied_from": {"s": 0}},
        {"audit": {**AUDIT, "seq": 0, "mac": ""}}, {"audit": {"seq": 2**53 - 1, "mac": "m", "head": "h", "from": 7}},
    ],
)  # fmt: skip
def test_a_well_formed_account_is_read(more: dict[str, Any]) -> None:
    check_account(stored(**more))
    assert is_well_formed(stored(**more))


@each(
    "more",
    [
        {"wrapped": 1}, {"wrapped": ["w"]}, {"disabled": 1}, {"disabled": None}, {"disabled": "false"},
        {"copied_from": []}, {"copied_from": None}, {"copied_from": {"s": -1}}, {"copied_from": {"s": 1, "t": "2"}},
        {"audit": None}, {"audit": []}, *({"audit": without(AUDIT, name)} for name in AUDIT),
        *({"audit": {**AUDIT, "seq": seq}} for seq in (True, -1, 2**53, "1", None)),
        {"audit": {**AUDIT, "mac": None}}, {"audit": {**AUDIT, "head": 1}},
        {"audit": {**AUDIT, "from": None}}, {"audit": {**AUDIT, "from": 1.0}},
    ],
)  # fmt: skip
def test_a_malformed_account_counts_as_changed(more: dict[str, Any]) -> None:
    with pytest.raises(RecordChanged, match="was changed outside kojikey") as caught:
        check_account(stored(**more))
    assert caught.value.where == str(account_ref("acme"))
    assert not is_well_formed(stored(**more))


def test_an_account_without_the_member_for_its_data_key_counts_as_changed() -> None:
    with pytest.raises(RecordChanged):
        check_account(Stored(account_ref("acme"), without(ACCOUNT, "wrapped"), "r"))


def test_an_account_under_another_name_than_its_own_is_named_by_its_place() -> None:
    with pytest.raises(RecordChanged, match="is stored under another name than its own") as caught:
        check_account(Stored(account_ref("globex"), ACCOUNT, "r"))
    assert caught.value.where == str(account_ref("globex"))


def test_a_name_that_no_account_has_is_named_by_its_place() -> None:
    with pytest.raises(RecordChanged, match="has a name that is not an account name") as caught:
        check_account(stored("Not a name"))
    assert caught.value.where == str(account_ref("Not a name"))


def test_the_number_of_an_event_is_an_integer_of_at_most_53_bits() -> None:
    assert [is_seq(value) for value in (0, 1, 2**53 - 1)] == [True] * 3
    assert [is_seq(value) for value in (-1, 2**53, True, 1.0, "1", None)] == [False] * 6
