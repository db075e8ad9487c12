"""After a removal: no command fails, the name can be used again, and tampering is still found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kojikey.model.errors import (
    AuditBroken,
    CannotOpen,
    RecordChanged,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations import listing, removing
from kojikey.operations.audit import audit_verification
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import accounts, describing, diagnosing, rekeying
from kojikey.operations.store_admin.diagnosing import Broken, Diagnosis, TrailVerified
from kojikey.sealing.audit_chain import unsigned_link
from kojikey.sealing.kek.registry import load
from kojikey.stores.base import Change
from support.account import OTHER, disable, document_of, enable, remove, revision_of, source_of, write_account
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, SampleStore, refuse

# after a removal


def test_an_account_created_again_has_a_new_data_key_and_continues_its_trail(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    first = document_of(sample_store).document["wrapped"]
    remove(sample_store)
    sample_store.add(NEW)
    sample_store.rotate(THIRD)
    again = document_of(sample_store).document["wrapped"]
    assert again not in (first, None)
    kek = load(sample_store.opener().header().document["kek"], sample_store.inputs())
    place = {"store": sample_store.open_store().store_id, "account": ACCOUNT}
    assert kek.unwrap(first, **place) != kek.unwrap(again, **place)
    assert sample_store.actions() == ["added", "removed", "added", "staged", "promoted"]
    assert [event["seq"] for event in sample_store.events()] == [1, 2, 3, 4, 5]
    assert sample_store.held() == Held(THIRD, previous=NEW)
    result = sample_store.verify()
    assert (result.verified, result.lost, result.unsigned) == ((ACCOUNT,), 2, 0)


def test_an_account_can_be_removed_and_created_again_many_times(sample_store: SampleStore) -> None:
    for times in range(1, 4):
        sample_store.add()
        assert remove(sample_store) == (1, True)
        assert sample_store.verify().lost == 2 * times
    sample_store.add()
    assert sample_store.verify().lost == 6


def test_creating_a_disabled_account_again_does_not_enable_it(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    remove(sample_store)
    sample_store.add(NEW)
    assert source_of(sample_store) == "built_in"
    enable(sample_store)
    assert source_of(sample_store) == "byok"


def test_removal_without_the_kek_is_reported_after_the_account_was_created_again(sample_store: SampleStore) -> None:
    sample_store.add()
    accounts.remove_account(sample_store.open_store(environ={}), account=ACCOUNT)
    sample_store.add(NEW)
    result = sample_store.verify()
    assert (result.unsigned, result.lost) == (1, 2)


def test_a_removed_account_does_not_disturb_operations_on_all_accounts(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.add(account=OTHER)
    remove(sample_store)
    result = sample_store.verify()
    assert (result.verified, result.lost, result.unsigned) == ((ACCOUNT, OTHER), 2, 0)
    info = describing.info(sample_store.opener(), sample_store.opener().header().document)
    assert (info.accounts, info.keys, info.events) == (1, 1, 3)
    assert not any(isinstance(found, Broken) for found in diagnosing.diagnose(sample_store.open_store()))
    assert [row.account for row in listing.list_all_keys(sample_store.opener(), damaged=refuse)] == [OTHER]
    result_of_rekey = rekeying.rekey(sample_store.open_store(), source="env:NEW_KEK", new_inputs=sample_store.inputs())
    assert (result_of_rekey.rewrapped, result_of_rekey.already) == (1, 0)
    assert document_of(sample_store).document["wrapped"] is None
    assert sample_store.held(OTHER) == Held(OLD)
    sample_store.add(NEW)
    assert sample_store.held() == Held(NEW)
    sample_store.verify()


# what somebody with access to the store does to a removed account


def events_of(sample_store: SampleStore) -> Iterator[Document]:
    return sample_store.opener().events(ACCOUNT)


def removed_and_made_again(sample_store: SampleStore) -> None:
    sample_store.add()
    remove(sample_store)
    sample_store.add(NEW)
    sample_store.rotate(THIRD)


def test_a_data_key_removed_outside_kojikey_does_not_count_as_a_removed_account(sample_store: SampleStore) -> None:
    sample_store.add()
    write_account(sample_store, wrapped=None)
    with pytest.raises(AuditBroken, match="does not remove the account, but its data key is gone"):
        sample_store.verify()
    with pytest.raises(RecordChanged):
        sample_store.rotate()  # and no new data key is made beside keys that it does not open
    with pytest.raises(RecordChanged):
        enable(sample_store)
    assert removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER).unsigned


def test_an_earlier_removal_does_not_explain_that_the_new_data_key_is_gone(sample_store: SampleStore) -> None:
    removed_and_made_again(sample_store)
    write_account(sample_store, wrapped=None)
    sample_store.opener().commit(
        (Change(key_ref(ACCOUNT, PROVIDER), None, revision_of(sample_store.opener(), PROVIDER)),)
    )
    with pytest.raises(AuditBroken, match="does not remove the account, but its data key is gone") as caught:
        sample_store.verify()
    assert (caught.value.account, caught.value.seq) == (ACCOUNT, len(sample_store.events()))


def test_a_data_key_and_keys_removed_outside_kojikey_are_found_after_the_account_was_created_again(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    write_account(sample_store, wrapped=None)
    sample_store.opener().commit(
        (Change(key_ref(ACCOUNT, PROVIDER), None, revision_of(sample_store.opener(), PROVIDER)),)
    )
    sample_store.add(NEW)
    with pytest.raises(AuditBroken) as caught:
        sample_store.verify()
    assert caught.value.seq == 1


def test_a_key_added_to_a_removed_account_outside_kojikey_is_found(sample_store: SampleStore) -> None:
    sample_store.add()
    backup = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert backup is not None
    remove(sample_store)
    sample_store.opener().commit((Change(backup.ref, backup.document, None),))
    with pytest.raises(AuditBroken, match="removed the account, but it still has keys"):
        sample_store.verify()


def test_a_forged_removal_is_reported_as_unsigned(sample_store: SampleStore) -> None:
    sample_store.add()
    (first,) = events_of(sample_store)
    forged = {**first, "seq": 2, "action": "removed", "provider": None, "signed": False}
    forged["mac"] = unsigned_link(first["mac"], forged)
    stored, audit = document_of(sample_store), document_of(sample_store).document["audit"]
    tombstone = {**stored.document, "wrapped": None, "audit": {**audit, "seq": 2, "mac": forged["mac"]}}
    gone = Change(key_ref(ACCOUNT, PROVIDER), None, revision_of(sample_store.opener(), PROVIDER))
    sample_store.opener().commit((gone, Change(stored.ref, tombstone, stored.revision)), (forged,))
    assert sample_store.verify().unsigned == 1


@pytest.mark.parametrize("begun", [0, 1, 3, 4])
def test_changing_the_event_after_which_the_new_data_key_signs_is_found(sample_store: SampleStore, begun: int) -> None:
    removed_and_made_again(sample_store)
    write_account(sample_store, audit={**document_of(sample_store).document["audit"], "from": begun})
    with pytest.raises(CannotOpen):
        sample_store.verify()


def test_restoring_the_old_record_of_a_removed_account_is_found(sample_store: SampleStore) -> None:
    sample_store.add()
    before = document_of(sample_store)
    remove(sample_store)
    stored = document_of(sample_store)
    sample_store.opener().commit((Change(stored.ref, before.document, stored.revision),))
    with pytest.raises(AuditBroken):
        sample_store.verify()


def test_revoking_roles_after_the_removal_does_not_count_as_tampering(sample_store: SampleStore) -> None:
    sample_store.add()
    remove(sample_store)
    document = document_of(sample_store).document
    draft = next(event for event in events_of(sample_store) if event["action"] == "removed")
    open_store: OpenStore = sample_store.open_store()
    revoked = {**draft, "seq": 3, "action": "revoked", "role": "support", "signed": False}
    revoked["mac"] = unsigned_link(draft["mac"], revoked)
    audit = {**document["audit"], "seq": 3, "mac": revoked["mac"]}
    open_store.store.commit(
        (Change(account_ref(ACCOUNT), {**document, "audit": audit}, document_of(sample_store).revision),), (revoked,)
    )
    assert audit_verification.verify(open_store, account=None).unsigned == 1


def test_doctor_says_if_a_part_of_the_trail_cannot_be_verified(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.add(account=OTHER)
    assert trail_of(sample_store) == TrailVerified(accounts=2, unsigned=0, lost=0)
    accounts.remove_account(sample_store.open_store(), account=ACCOUNT)
    assert trail_of(sample_store) == TrailVerified(accounts=2, unsigned=0, lost=2)


def trail_of(sample_store: SampleStore) -> Diagnosis:
    *_, found = diagnosing.diagnose(sample_store.open_store())
    return found
