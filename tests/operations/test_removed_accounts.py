"""What comes after a removal: nothing trips over it, the name can be used again, and tampering still shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kojikey.model.errors import (
    AuditBroken,
    CannotOpen,
    RecordChanged,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations import accounts, audit_verification, diagnosing, listing, removing, storing
from kojikey.operations.open_store import Custody
from kojikey.sealing.audit_chain import unsigned_link
from kojikey.sealing.kek.registry import load
from kojikey.stores.base import Change
from support.account import OTHER, disable, document_of, enable, remove, revision_of, source_of, write_account
from support.vault import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, Vault, refuse

# after a removal


def test_an_account_that_is_made_again_has_another_data_key_and_goes_on_with_its_events(vault: Vault) -> None:
    vault.add()
    first = document_of(vault).document["wrapped"]
    remove(vault)
    vault.add(NEW)
    vault.rotate(THIRD)
    again = document_of(vault).document["wrapped"]
    assert again not in (first, None)
    kek = load(vault.opener().header().document["kek"], vault.inputs())
    place = {"store": vault.custody().store_id, "account": ACCOUNT}
    assert kek.unwrap(first, **place) != kek.unwrap(again, **place)
    assert vault.actions() == ["added", "removed", "added", "staged", "promoted"]
    assert [event["seq"] for event in vault.events()] == [1, 2, 3, 4, 5]
    assert vault.held() == Held(THIRD, previous=NEW)
    result = vault.verify()
    assert (result.verified, result.lost, result.unsigned) == ((ACCOUNT,), 2, 0)


def test_an_account_can_be_removed_and_made_again_many_times(vault: Vault) -> None:
    for times in range(1, 4):
        vault.add()
        assert remove(vault) == (1, True)
        assert vault.verify().lost == 2 * times
    vault.add()
    assert vault.verify().lost == 6


def test_beginning_anew_does_not_enable_what_was_disabled(vault: Vault) -> None:
    vault.add()
    disable(vault)
    remove(vault)
    vault.add(NEW)
    assert source_of(vault) == "built_in"
    enable(vault)
    assert source_of(vault) == "byok"


def test_removal_without_the_kek_is_told_after_the_account_was_made_again(vault: Vault) -> None:
    vault.add()
    accounts.remove_account(vault.custody(environ={}), account=ACCOUNT)
    vault.add(NEW)
    result = vault.verify()
    assert (result.unsigned, result.lost) == (1, 2)


def test_a_removed_account_is_no_trouble_to_anything_that_looks_at_all(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    remove(vault)
    result = vault.verify()
    assert (result.verified, result.lost, result.unsigned) == ((ACCOUNT, OTHER), 2, 0)
    info = storing.info(vault.opener(), vault.opener().header().document)
    assert (info.accounts, info.keys, info.events) == (1, 1, 3)
    assert [found.error for found in diagnosing.diagnose(vault.custody()) if found.error] == []
    assert [row.account for row in listing.list_all_keys(vault.opener(), damaged=refuse)] == [OTHER]
    result_of_rekey = storing.rekey(vault.custody(), source="env:NEW_KEK", new_inputs=vault.inputs())
    assert (result_of_rekey.rewrapped, result_of_rekey.already) == (1, 0)
    assert document_of(vault).document["wrapped"] is None
    assert vault.held(OTHER) == Held(OLD)
    vault.add(NEW)
    assert vault.held() == Held(NEW)
    vault.verify()


# what somebody with access to the store does to a removed account


def events_of(vault: Vault) -> Iterator[Document]:
    return vault.opener().events(ACCOUNT)


def removed_and_made_again(vault: Vault) -> None:
    vault.add()
    remove(vault)
    vault.add(NEW)
    vault.rotate(THIRD)


def test_a_data_key_that_was_taken_away_is_no_removal(vault: Vault) -> None:
    vault.add()
    write_account(vault, wrapped=None)
    with pytest.raises(AuditBroken, match="does not remove the account, and yet its data key is gone"):
        vault.verify()
    with pytest.raises(RecordChanged):
        vault.rotate()  # and no new data key is made beside keys that it does not open
    with pytest.raises(RecordChanged):
        enable(vault)
    assert removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER).unsigned


def test_a_data_key_that_was_taken_away_with_the_keys_shows_after_the_account_was_made_again(vault: Vault) -> None:
    vault.add()
    write_account(vault, wrapped=None)
    vault.opener().commit((Change(key_ref(ACCOUNT, PROVIDER), None, revision_of(vault.opener(), PROVIDER)),))
    vault.add(NEW)
    with pytest.raises(AuditBroken) as caught:
        vault.verify()
    assert caught.value.seq == 1


def test_a_key_that_was_put_into_a_removed_account_is_found(vault: Vault) -> None:
    vault.add()
    backup = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert backup is not None
    remove(vault)
    vault.opener().commit((Change(backup.ref, backup.document, None),))
    with pytest.raises(AuditBroken, match="removed the account, and yet it has keys"):
        vault.verify()


def test_a_removal_that_was_forged_is_told_as_unsigned(vault: Vault) -> None:
    vault.add()
    (first,) = events_of(vault)
    forged = {**first, "seq": 2, "action": "removed", "provider": None, "signed": False}
    forged["mac"] = unsigned_link(first["mac"], forged)
    stored, audit = document_of(vault), document_of(vault).document["audit"]
    tombstone = {**stored.document, "wrapped": None, "audit": {**audit, "seq": 2, "mac": forged["mac"]}}
    gone = Change(key_ref(ACCOUNT, PROVIDER), None, revision_of(vault.opener(), PROVIDER))
    vault.opener().commit((gone, Change(stored.ref, tombstone, stored.revision)), (forged,))
    assert vault.verify().unsigned == 1


@pytest.mark.parametrize("begun", [0, 1, 3, 4])
def test_where_the_new_data_key_began_to_sign_can_not_be_moved(vault: Vault, begun: int) -> None:
    removed_and_made_again(vault)
    write_account(vault, audit={**document_of(vault).document["audit"], "from": begun})
    with pytest.raises(CannotOpen):
        vault.verify()


def test_the_old_record_of_a_removed_account_can_not_be_put_back(vault: Vault) -> None:
    vault.add()
    before = document_of(vault)
    remove(vault)
    stored = document_of(vault)
    vault.opener().commit((Change(stored.ref, before.document, stored.revision),))
    with pytest.raises(AuditBroken):
        vault.verify()


def test_roles_that_are_revoked_after_the_removal_are_no_tampering(vault: Vault) -> None:
    vault.add()
    remove(vault)
    document = document_of(vault).document
    happening = next(event for event in events_of(vault) if event["action"] == "removed")
    custody: Custody = vault.custody()
    revoked = {**happening, "seq": 3, "action": "revoked", "role": "support", "signed": False}
    revoked["mac"] = unsigned_link(happening["mac"], revoked)
    audit = {**document["audit"], "seq": 3, "mac": revoked["mac"]}
    custody.store.commit(
        (Change(account_ref(ACCOUNT), {**document, "audit": audit}, document_of(vault).revision),), (revoked,)
    )
    assert audit_verification.verify(custody, account=None).unsigned == 1


def test_the_check_up_calls_no_trail_whole_of_which_a_part_is_lost(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    assert trail_of(vault) == ("ok", "whole for 2 accounts")
    accounts.remove_account(vault.custody(), account=ACCOUNT)
    state, detail = trail_of(vault)
    assert state == "note"
    assert "2 events can not be recomputed" in detail


def trail_of(vault: Vault) -> tuple[str, str]:
    (found,) = [found for found in diagnosing.diagnose(vault.custody()) if found.name == "audit trail"]
    return found.state, found.detail
