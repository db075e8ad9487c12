"""Every change of the audit trail from outside is found, and the first bad event is named."""

from __future__ import annotations

import pytest

from kojikey.model.errors import AuditBroken, RecordChanged
from kojikey.model.ref import Document
from kojikey.operations.audit import auditing
from kojikey.operations.audit.audit_verification import verify
from kojikey.sealing.audit_chain import unsigned_link
from support.sample_store import ACCOUNT, SampleStore
from support.trail import LENGTH, OTHER, File, first_bad
from support.trail import file as file
from support.trail import sample_store as sample_store

FIELDS = (
    "seq", "time", "actor", "account", "provider", "action", "version", "fingerprint", "outcome", "reason", "signed",
    "mac",
)  # fmt: skip
UNREADABLE = "cannot be read: it was changed outside kojikey"
FORGED: dict[str, object] = {
    "seq": 99,
    "time": "2020-01-01T00:00:00Z",
    "actor": "nobody@nowhere",
    "account": OTHER,
    "provider": "google_gemini",
    "action": "removed",
    "version": 7,
    "fingerprint": "000000000000",
    "outcome": "rejected",
    "reason": "revoked",
    "signed": False,
    "mac": "0" * 64,
}


def test_every_field_of_an_event_is_tampered_with_below(file: File) -> None:
    assert set(FIELDS) == set(FORGED) == set(file.event(1))


@pytest.mark.parametrize("seq", range(1, LENGTH + 1))
@pytest.mark.parametrize("field", FIELDS)
def test_a_changed_field_is_found_and_its_event_named(
    sample_store: SampleStore, file: File, field: str, seq: int
) -> None:
    file.put(seq, {**file.event(seq), field: FORGED[field]})
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, seq)


@pytest.mark.parametrize("field", FIELDS)
def test_a_removed_field_is_found(sample_store: SampleStore, file: File, field: str) -> None:
    file.put(3, {name: value for name, value in file.event(3).items() if name != field})
    assert first_bad(sample_store) == (ACCOUNT, 3)


def test_an_added_field_is_found(sample_store: SampleStore, file: File) -> None:
    file.put(3, {**file.event(3), "more": True})
    assert first_bad(sample_store) == (ACCOUNT, 3)


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_a_number_of_another_type_is_found(sample_store: SampleStore, file: File, value: object) -> None:
    file.put(1, {**file.event(1), "seq": value})
    assert first_bad(sample_store) == (ACCOUNT, 1)


@pytest.mark.parametrize("seq", range(1, LENGTH + 1))
def test_a_removed_event_is_found(sample_store: SampleStore, file: File, seq: int) -> None:
    file.drop(seq)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, seq)


@pytest.mark.parametrize("seq", range(1, LENGTH))
def test_a_removed_event_is_found_even_if_later_ones_were_renumbered(
    sample_store: SampleStore, file: File, seq: int
) -> None:
    later = [file.event(number) for number in range(seq + 1, LENGTH + 1)]
    file.drop(LENGTH)
    for number, event in enumerate(later, seq):
        file.put(number, {**event, "seq": number})
    assert first_bad(sample_store) == (ACCOUNT, seq)


@pytest.mark.parametrize("seq", range(1, LENGTH))
def test_swapped_events_are_found(sample_store: SampleStore, file: File, seq: int) -> None:
    one, other = file.event(seq), file.event(seq + 1)
    file.put(seq, {**other, "seq": seq})
    file.put(seq + 1, {**one, "seq": seq + 1})
    assert first_bad(sample_store) == (ACCOUNT, seq)


@pytest.mark.parametrize("seq", range(1, LENGTH))
def test_swapped_rows_are_found(sample_store: SampleStore, file: File, seq: int) -> None:
    one, other = file.event(seq), file.event(seq + 1)
    file.put(seq, other)
    file.put(seq + 1, one)
    assert first_bad(sample_store) == (ACCOUNT, seq)


@pytest.mark.parametrize("seq", range(1, LENGTH + 1))
def test_a_duplicated_event_is_found(sample_store: SampleStore, file: File, seq: int) -> None:
    file.put(LENGTH + 1, {**file.event(seq), "seq": LENGTH + 1})
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)


def test_an_event_added_at_the_end_is_found_even_if_the_account_record_was_changed_too(
    sample_store: SampleStore, file: File
) -> None:
    added = {**file.event(LENGTH), "seq": LENGTH + 1, "action": "revealed"}
    file.put(LENGTH + 1, added)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)
    file.end_with(LENGTH + 1, added["mac"])
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)


@pytest.mark.parametrize("seq", [0, -1, -(2**40)])
def test_an_event_added_before_the_first_is_found(sample_store: SampleStore, file: File, seq: int) -> None:
    file.put(seq, {**file.event(1), "seq": seq})
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, 1)


@pytest.mark.parametrize("left", range(LENGTH))
def test_removing_the_last_events_is_found(sample_store: SampleStore, file: File, left: int) -> None:
    mac = file.event(left)["mac"] if left else ""
    for seq in range(left + 1, LENGTH + 1):
        file.drop(seq)
    assert first_bad(sample_store) == (ACCOUNT, left + 1)
    file.end_with(left, mac)  # and now the account's record agrees
    account, seq = first_bad(sample_store)
    assert (account, seq) == (ACCOUNT, max(left, 1))
    file.end_with(left, mac, head=None)
    assert first_bad(sample_store)[0] == ACCOUNT


def test_removing_the_last_events_and_forging_a_removal_is_found(sample_store: SampleStore, file: File) -> None:
    """Unsigned events anybody could make: the end that was signed must still be there before them."""
    forged = {**file.event(4), "seq": 4, "action": "removed", "signed": False}
    forged["mac"] = unsigned_link(file.event(3)["mac"], forged)
    for seq in (4, 5, 6):
        file.drop(seq)
    file.put(4, forged)
    for more in ({}, {"head": None}):
        file.end_with(4, forged["mac"], **more)
        assert first_bad(sample_store) == (ACCOUNT, 4)


@pytest.mark.parametrize("seq", [1, 3, LENGTH])
def test_a_signed_event_changed_to_an_unsigned_one_is_found(sample_store: SampleStore, file: File, seq: int) -> None:
    forged = {**file.event(seq), "signed": False}
    before = file.event(seq - 1)["mac"] if seq > 1 else ""
    for action in (forged["action"], "removed"):
        forged = {**forged, "action": action}
        forged["mac"] = unsigned_link(before, forged)
        file.put(seq, forged)
        if seq == LENGTH:
            file.end_with(LENGTH, forged["mac"])
        account, found = first_bad(sample_store)
        # A removal that anybody could have made is noticed by the event after it, which was linked to another one.
        assert (account, found) == (ACCOUNT, seq if action != "removed" or seq == LENGTH else seq + 1)


@pytest.mark.parametrize("change", [{"time": None}, {"actor": 7}, {"action": "granted", "role": ["x"]}, {}])
def test_an_unsigned_event_that_cannot_be_read_is_found_though_it_is_chained(
    sample_store: SampleStore, file: File, change: Document
) -> None:
    last = file.event(LENGTH)
    forged = {**last, "seq": LENGTH + 1, "action": "granted", "role": "ops", "signed": False, **change}
    forged["mac"] = unsigned_link(last["mac"], forged)
    file.put(LENGTH + 1, forged)
    file.end_with(LENGTH + 1, forged["mac"])
    listed = auditing.events(sample_store.opener(), account=ACCOUNT).unreadable
    if not change:  # anybody can add such an event, and it counts as unsigned
        sample_store.verify()
        assert not listed
        return
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)
    assert [str(error) for error in listed] == [
        str(error) for error in verify(sample_store.open_store(), account=ACCOUNT).broken[ACCOUNT]
    ]


def test_an_older_account_record_that_was_restored_is_found(sample_store: SampleStore, file: File) -> None:
    older = file.account()
    sample_store.rotate("sk_fourth_key_0123456789")
    file.put_account(older)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)


@pytest.mark.parametrize(
    ("member", "value", "seq", "problem"),
    [
        ("seq", LENGTH - 1, LENGTH, "comes after the last one that the account's record knows"),
        ("seq", LENGTH + 1, LENGTH + 1, "was cut off: the account's record knows of later events"),
        ("mac", "0" * 64, LENGTH, "is not the last event that the account's record names"),
        ("head", "0" * 64, LENGTH, "is not the last event that the account's record is bound to"),
        ("from", 3, 3, "does not remove the account, but its data key is gone"),
    ],
)
def test_a_changed_end_in_the_account_s_record_is_found(
    sample_store: SampleStore, file: File, member: str, value: object, seq: int, problem: str
) -> None:
    document = file.account()
    file.put_account({**document, "audit": {**document["audit"], member: value}})
    assert first_bad(sample_store) == (ACCOUNT, seq)
    (error, *_) = verify(sample_store.open_store(), account=ACCOUNT).broken[ACCOUNT]
    assert error.message.endswith(problem)


@pytest.mark.parametrize("begun", range(1, LENGTH + 1))
def test_changing_the_first_verifiable_event_of_a_trail_is_found(
    sample_store: SampleStore, file: File, begun: int
) -> None:
    file.put(1, {**file.event(1), "actor": "nobody"})
    document = file.account()
    file.put_account({**document, "audit": {**document["audit"], "from": begun}})
    assert first_bad(sample_store)[0] == ACCOUNT


def test_removing_the_data_key_without_a_removal_event_is_found(sample_store: SampleStore, file: File) -> None:
    file.put(1, {**file.event(1), "actor": "nobody"})
    file.put_account({**file.account(), "wrapped": None})
    assert first_bad(sample_store) == (ACCOUNT, LENGTH)


@pytest.mark.parametrize("seq", [1, 2])
def test_another_account_s_event_is_found(sample_store: SampleStore, file: File, seq: int) -> None:
    moved = file.event(seq, OTHER)
    for event in (moved, {**moved, "account": ACCOUNT}):
        file.put(seq, event)
        assert first_bad(sample_store, ACCOUNT) == (ACCOUNT, seq)


def test_a_whole_trail_of_another_account_is_found(sample_store: SampleStore, file: File) -> None:
    file.do("DELETE FROM events WHERE account = ?", ACCOUNT)
    for seq in (1, 2):
        file.put(seq, {**file.event(seq, OTHER), "account": ACCOUNT})
    file.end_with(2, file.event(2, OTHER)["mac"], head=file.account(OTHER)["audit"]["head"])
    assert first_bad(sample_store) == (ACCOUNT, 1)


def test_an_account_whose_record_is_gone_is_found(sample_store: SampleStore, file: File) -> None:
    file.do("DELETE FROM accounts WHERE account = ?", ACCOUNT)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, 1)
    file.do("DELETE FROM events WHERE account = ?", ACCOUNT)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, 1)


def test_removing_all_events_is_found(sample_store: SampleStore, file: File) -> None:
    file.do("DELETE FROM events WHERE account = ?", ACCOUNT)
    assert first_bad(sample_store) == (ACCOUNT, 1)
    file.end_with(0, "", head=None)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET seq = 70 WHERE account = 'acme' AND seq = 3",
        "UPDATE events SET account = 'elsewhere' WHERE account = 'acme' AND seq = 3",
        "UPDATE events SET seq = 'x' WHERE account = 'acme' AND seq = 3",
        "UPDATE events SET seq = 3.5 WHERE account = 'acme' AND seq = 3",
    ],
)
def test_an_event_moved_to_another_account_is_found(sample_store: SampleStore, file: File, change: str) -> None:
    file.do(change)
    assert first_bad(sample_store, ACCOUNT)[1] == 3
    first_bad(sample_store)


def test_an_event_of_another_account_is_found_where_it_was_moved_to(sample_store: SampleStore, file: File) -> None:
    file.do("UPDATE events SET account = ? WHERE account = ? AND seq = 4", OTHER, ACCOUNT)
    assert first_bad(sample_store, OTHER) == (OTHER, 4)
    assert first_bad(sample_store, ACCOUNT) == (ACCOUNT, 4)


def test_the_events_table_repeats_only_the_place_of_an_event(file: File) -> None:
    assert [row[1] for row in file.do("PRAGMA table_info(events)")] == ["account", "seq", "document"]


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"text"', "\x00", "{}", '{"seq": [[[['])
def test_a_malformed_event_is_named(sample_store: SampleStore, file: File, text: str) -> None:
    file.do("UPDATE events SET document = ? WHERE account = ? AND seq = 3", text, ACCOUNT)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, 3)
    for account in (None, ACCOUNT):
        listed = auditing.events(sample_store.opener(), account=account)
        assert [str(error) for error in listed.unreadable] == [f"event 3 of account {ACCOUNT} {UNREADABLE}"]
        assert [event["seq"] for event in listed.events if event["account"] == ACCOUNT] == [1, 2, 4, 5, 6]


def test_all_damaged_events_are_named_and_the_others_are_listed(sample_store: SampleStore, file: File) -> None:
    for account, seq in ((ACCOUNT, 1), (ACCOUNT, 2), (OTHER, 1)):
        file.do("UPDATE events SET document = '{' WHERE account = ? AND seq = ?", account, seq)
    listed = auditing.events(sample_store.opener(), account=None)
    named = [(error.account, error.seq) for error in listed.unreadable if isinstance(error, AuditBroken)]
    assert named == [(ACCOUNT, 1), (ACCOUNT, 2), (OTHER, 1)]
    assert len(listed.events) == LENGTH  # of as many and three


def test_a_damaged_event_of_no_account_is_reported(sample_store: SampleStore, file: File) -> None:
    file.do("INSERT INTO events VALUES ('nobody', 1, '{')")
    with pytest.raises(RecordChanged):
        sample_store.verify()
    assert len(auditing.events(sample_store.opener(), account=None).unreadable) == 1


@pytest.mark.parametrize("field", [field for field in FIELDS if field != "mac"])
@pytest.mark.parametrize(
    "value", [[], {}, 1.5, -1, "\x1b[31m"], ids=["a list", "an object", "a fraction", "a negative number", "an escape"]
)
def test_a_list_has_no_event_that_kojikey_cannot_have_written(
    sample_store: SampleStore, file: File, field: str, value: object
) -> None:
    file.put(3, {**file.event(3), field: value})
    listed = auditing.events(sample_store.opener(), account=ACCOUNT)
    assert [str(error) for error in listed.unreadable] == [f"event 3 of account {ACCOUNT} {UNREADABLE}"]
    assert [event["seq"] for event in listed.events] == [1, 2, 4, 5, 6]
