"""An untouched audit trail is whole, and unsigned events are counted: neither is taken for tampering."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kojikey.model.errors import AuditBroken, CannotOpen
from kojikey.operations import removing
from kojikey.operations.audit import audit_verification, auditing
from kojikey.operations.store_admin import accounts
from support.sample_store import ACCOUNT, KEKS, NEW, PROVIDER, THIRD, SampleStore
from support.trail import LENGTH, OTHER, File, first_bad
from support.trail import file as file
from support.trail import sample_store as sample_store


def test_the_text_form_of_a_stored_event_does_not_matter(sample_store: SampleStore, file: File) -> None:
    for seq in range(1, LENGTH + 1):
        event = dict(reversed(file.event(seq).items()))
        text = json.dumps(event, indent=3)
        file.do("UPDATE events SET document = ? WHERE account = ? AND seq = ?", text, ACCOUNT, seq)
    assert sample_store.verify().verified == (ACCOUNT, OTHER)


def test_a_trail_that_grows_during_its_verification_verifies(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    events = open_store.store.events
    grown: list[Callable[[], object]] = [lambda: sample_store.rotate(NEW), lambda: sample_store.rotate(THIRD)]

    def growing(account: str | None = None) -> Any:
        found = events(account)
        if account == ACCOUNT and grown:
            grown.pop()()
        return found

    open_store.store.events = growing  # type: ignore[method-assign]
    assert audit_verification.verify(open_store, account=None).verified == (ACCOUNT, OTHER)
    assert grown == []


def test_a_removal_without_the_kek_is_unsigned_and_the_trail_continues(sample_store: SampleStore, file: File) -> None:
    removing.remove(sample_store.open_store(environ={}), account=ACCOUNT, provider=PROVIDER)
    assert [event["signed"] for event in sample_store.events()] == [True] * LENGTH + [False]
    assert sample_store.verify().unsigned == 1
    assert auditing.events(sample_store.opener(), account=ACCOUNT).unsigned == 1
    sample_store.add()
    sample_store.rotate()
    result = sample_store.verify()
    assert (result.unsigned, result.verified) == (1, (ACCOUNT, OTHER))
    file.put(LENGTH + 1, {**file.event(LENGTH + 1), "actor": "nobody"})
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)


def test_after_two_unsigned_removals_the_trail_is_still_bound_to_the_last_signed_event(
    sample_store: SampleStore, file: File
) -> None:
    sample_store.add(provider="google_gemini")
    for provider in (PROVIDER, "google_gemini"):
        removing.remove(sample_store.open_store(environ={}), account=ACCOUNT, provider=provider)
    assert sample_store.verify().unsigned == 2
    file.drop(LENGTH + 3)
    file.end_with(LENGTH + 2, file.event(LENGTH + 2)["mac"])
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 3)  # the key of which it spoke is not there
    file.drop(LENGTH + 1)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 1)


def test_a_trail_continues_after_its_account_was_removed(sample_store: SampleStore, file: File) -> None:
    accounts.remove_account(sample_store.open_store(), account=ACCOUNT)
    assert sample_store.verify().lost == LENGTH + 1
    sample_store.add()
    sample_store.rotate()
    result = sample_store.verify()
    assert (result.lost, result.unsigned) == (LENGTH + 1, 0)
    for seq in (LENGTH + 2, LENGTH + 3, LENGTH + 4):
        kept = file.event(seq)
        file.put(seq, {**kept, "actor": "nobody"})
        assert first_bad(sample_store) == (ACCOUNT, seq)
        file.put(seq, kept)
    document = file.account()
    file.put_account({**document, "audit": {**document["audit"], "from": LENGTH + 2}})
    assert first_bad(sample_store)[0] == ACCOUNT


def test_without_the_kek_nothing_is_verified(sample_store: SampleStore) -> None:
    with pytest.raises(CannotOpen) as caught:
        audit_verification.verify(sample_store.open_store(environ={}), account=None)
    assert not isinstance(caught.value, AuditBroken)


def test_a_rekeyed_store_verifies_with_the_new_kek(sample_store: SampleStore) -> None:
    from kojikey.operations.store_admin import rekeying

    rekeying.rekey(sample_store.open_store(), source="env:NEW_KEK", new_inputs=sample_store.inputs())
    sample_store.environ = {"NEW_KEK": KEKS["NEW_KEK"]}
    assert sample_store.verify().verified == (ACCOUNT, OTHER)
