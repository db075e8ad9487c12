"""Accounts as a whole: set aside, used again, and shredded so that nothing of them opens any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from faulty import Crash, FaultyStore
from vault import ACCOUNT, BASE_URL, NEW, OLD, PROVIDER, THIRD, Held, Vault

from kojikey.model.errors import (
    AccountNotFound,
    AuditBroken,
    CannotOpen,
    KekMissing,
    RecordChanged,
    StoreFull,
    WrongKek,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations import accounts, auditing, diagnosing, listing, removing, revealing, storing
from kojikey.operations.custody import Custody
from kojikey.operations.resolving import resolve
from kojikey.operations.results import AccountRow
from kojikey.sealing.chain import unsigned_link
from kojikey.sealing.kek import load
from kojikey.stores.base import Change, Query, Store, Stored

OTHER = "globex"


def document_of(vault: Vault, account: str = ACCOUNT) -> Stored:
    stored = vault.opener().read(account_ref(account))
    assert stored is not None
    return stored


def write_account(vault: Vault, **members: object) -> None:
    """Write an account's document as somebody with access to the store would."""
    stored = document_of(vault)
    vault.opener().commit((Change(stored.ref, {**stored.document, **members}, stored.revision),))


def rows(vault: Vault) -> list[AccountRow]:
    return list(accounts.list_accounts(vault.opener()))


def disable(vault: Vault) -> bool:
    return accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=True)


def enable(vault: Vault) -> bool:
    return accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=False)


def remove(vault: Vault) -> tuple[int, bool]:
    return accounts.remove_account(vault.custody(), account=ACCOUNT)


def source_of(vault: Vault) -> str:
    return resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER).source


# list


def test_accounts_are_listed_by_name_with_their_keys(vault: Vault) -> None:
    assert rows(vault) == []
    vault.add(account=OTHER)
    vault.add()
    vault.add(NEW, provider="google_gemini")
    disable(vault)
    assert [(row.account, row.keys, row.disabled) for row in rows(vault)] == [(ACCOUNT, 2, True), (OTHER, 1, False)]
    assert all(row.created_at.endswith("Z") for row in rows(vault))


# disable and enable


def test_a_disabled_account_falls_back_and_keeps_its_keys(vault: Vault) -> None:
    vault.add()
    before = vault.key()
    assert disable(vault)
    credential = resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert credential == (PROVIDER, ACCOUNT, "built_in", None, None, ())
    assert vault.key() == before
    assert vault.held() == Held(OLD)


def test_a_disabled_account_falls_back_without_the_kek(vault: Vault) -> None:
    vault.add()
    disable(vault)
    assert resolve(vault.custody(environ={}), account=ACCOUNT, provider=PROVIDER).source == "built_in"


def test_an_enabled_account_uses_its_keys_again(vault: Vault) -> None:
    vault.add()
    disable(vault)
    assert enable(vault)
    credential = resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert credential.source == "byok"
    assert credential.secret is not None
    assert credential.secret.reveal() == OLD


def test_disabling_and_enabling_leave_signed_events(vault: Vault) -> None:
    vault.add()
    disable(vault)
    enable(vault)
    assert vault.actions() == ["added", "disabled", "enabled"]
    assert all(event["signed"] for event in vault.events())
    vault.verify()


def test_what_is_so_already_is_not_changed_and_leaves_no_event(vault: Vault) -> None:
    vault.add()
    assert not enable(vault)
    disable(vault)
    before = document_of(vault)
    assert not disable(vault)
    assert document_of(vault) == before
    enable(vault)
    assert not enable(vault)
    assert vault.actions() == ["added", "disabled", "enabled"]


def test_an_account_stays_disabled_through_every_change_of_its_keys(vault: Vault) -> None:
    vault.add()
    disable(vault)
    vault.rotate()
    vault.add(THIRD, provider="google_gemini")
    removing.remove(vault.custody(), account=ACCOUNT, provider="google_gemini")
    revealing.reveal(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    storing.rekey(vault.custody(), source="env:NEW_KEK", new_inputs=vault.inputs())
    assert source_of(vault) == "built_in"
    assert vault.held() == Held(NEW, previous=OLD)
    enable(vault)
    assert source_of(vault) == "byok"


def test_one_disabled_account_leaves_the_others_alone(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    disable(vault)
    assert resolve(vault.custody(), account=OTHER, provider=PROVIDER).source == "byok"
    listed = {row.account: row.disabled for row in listing.list_all_keys(vault.opener())}
    assert listed == {ACCOUNT: True, OTHER: False}


def test_the_listing_of_an_account_says_that_it_is_disabled(vault: Vault) -> None:
    vault.add()
    disable(vault)
    listed = list(listing.list_keys(vault.opener(), account=ACCOUNT, providers=(PROVIDER, "google_gemini")))
    assert [(row.provider, row.key is not None, row.disabled) for row in listed] == [
        (PROVIDER, True, True),
        ("google_gemini", False, True),
    ]


@pytest.mark.parametrize("disabled", [True, False])
def test_an_unknown_account_can_be_neither_disabled_nor_enabled(vault: Vault, disabled: bool) -> None:
    with pytest.raises(AccountNotFound):
        accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=disabled)
    assert vault.opener().read(account_ref(ACCOUNT)) is None


def test_without_the_kek_nothing_is_disabled(vault: Vault) -> None:
    vault.add()
    before = document_of(vault)
    with pytest.raises(KekMissing):
        accounts.set_disabled(vault.custody(environ={}), account=ACCOUNT, disabled=True)
    assert document_of(vault) == before
    assert vault.actions() == ["added"]


@pytest.mark.parametrize(
    "members", [{"disabled": 1}, {"disabled": None}, {"copied_from": []}, {"copied_from": {"s": "1"}}]
)
def test_a_damaged_document_of_an_account_is_no_bug(vault: Vault, members: Document) -> None:
    vault.add()
    write_account(vault, **members)
    for attempt in (lambda: source_of(vault), lambda: rows(vault), lambda: disable(vault), lambda: vault.rotate()):
        with pytest.raises(RecordChanged):
            attempt()


# remove


def test_removing_takes_the_keys_and_the_data_key_and_leaves_the_events(vault: Vault) -> None:
    vault.add()
    vault.add(NEW, provider="google_gemini")
    assert remove(vault) == (2, True)
    assert list(vault.opener().scan(Query(account=ACCOUNT))) == []
    assert document_of(vault).document["wrapped"] is None
    assert vault.actions() == ["added", "added", "removed"]
    last = vault.events()[-1]
    assert (last["provider"], last["version"], last["fingerprint"], last["signed"]) == (None, None, None, True)
    assert rows(vault) == []
    assert source_of(vault) == "built_in"


def test_removing_one_account_leaves_the_others_alone(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    remove(vault)
    assert vault.held(OTHER) == Held(OLD)
    assert [row.account for row in rows(vault)] == [OTHER]


@pytest.mark.parametrize("after", [False, True])
def test_removing_is_one_commit(vault: Vault, after: bool) -> None:
    vault.add()
    vault.add(NEW, provider="google_gemini")
    faulty = FaultyStore(vault.opener(), Crash(), at=1, after=after)
    with pytest.raises(Crash):
        accounts.remove_account(vault.custody(faulty), account=ACCOUNT)
    keys = [vault.opener().read(key_ref(ACCOUNT, provider)) for provider in (PROVIDER, "google_gemini")]
    gone = (document_of(vault).document["wrapped"] is None, *(key is None for key in keys), len(vault.events()) == 3)
    assert gone == (after,) * 4
    vault.verify()


def test_a_store_that_fails_leaves_the_account_whole(vault: Vault) -> None:
    vault.add()
    faulty = FaultyStore(vault.opener(), StoreFull("here", "is full"), at=1)
    with pytest.raises(StoreFull):
        accounts.remove_account(vault.custody(faulty), account=ACCOUNT)
    assert vault.held() == Held(OLD)


def test_an_old_backup_of_the_sealed_records_does_not_open_any_more(vault: Vault) -> None:
    vault.add()
    backup = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
    wrapped = document_of(vault).document["wrapped"]
    assert backup is not None
    remove(vault)

    left = [document_of(vault).document, vault.opener().header().document, *vault.events()]
    assert wrapped not in str(left)  # nothing that is left can be unwrapped to what opens the backup
    (version,) = backup.document["versions"]
    place = {"provider": PROVIDER, "version": 1, "base_url": BASE_URL}
    with pytest.raises(AccountNotFound):
        vault.custody().sealer(ACCOUNT)

    vault.opener().commit((Change(backup.ref, backup.document, None),))  # put back into the store
    with pytest.raises(RecordChanged, match="is gone, though the account has keys"):
        resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    vault.opener().commit((Change(backup.ref, None, _revision(vault.opener(), PROVIDER)),))

    vault.add(NEW)  # and a data key that is made later does not open it either
    with pytest.raises(RecordChanged):
        vault.custody().sealer(ACCOUNT).open(version["sealed"], **place)


def _revision(store: Store, provider: str) -> str:
    stored = store.read(key_ref(ACCOUNT, provider))
    assert stored is not None
    return stored.revision


@pytest.mark.parametrize("environ", [{}, {"KOJIKEY_KEK": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}])
def test_removing_works_without_the_kek_and_leaves_an_unsigned_event(vault: Vault, environ: dict[str, str]) -> None:
    vault.add()
    custody = vault.custody(environ=environ)
    with pytest.raises((KekMissing, WrongKek)):
        custody.sealer(ACCOUNT)
    assert accounts.remove_account(custody, account=ACCOUNT) == (1, False)
    assert document_of(vault).document["wrapped"] is None
    assert vault.events()[-1]["signed"] is False
    result = vault.verify()
    assert (result.verified, result.unsigned, result.lost) == ((ACCOUNT,), 1, 2)


def test_removing_works_with_a_data_key_that_was_damaged(vault: Vault) -> None:
    vault.add()
    write_account(vault, wrapped=document_of(vault).document["wrapped"][:-4] + "AAAA")
    assert remove(vault) == (1, False)


def test_a_removed_or_unknown_account_can_not_be_removed(vault: Vault) -> None:
    vault.add()
    remove(vault)
    before = document_of(vault)
    for account in (ACCOUNT, OTHER):
        with pytest.raises(AccountNotFound):
            accounts.remove_account(vault.custody(), account=account)
        with pytest.raises(AccountNotFound):
            accounts.set_disabled(vault.custody(), account=account, disabled=True)
    assert document_of(vault) == before


class Meanwhile(FaultyStore):
    """Does something else once, just before the first commit."""

    def __init__(self, inner: Store, act: object) -> None:
        super().__init__(inner, Crash())
        self.act = act

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        act, self.act = self.act, None
        if callable(act):
            act()
        return super()._commit(changes, events)


@pytest.mark.parametrize("what", ["add", "rotate", "remove", "touch"])
def test_what_happens_to_the_account_meanwhile_goes_with_it(vault: Vault, what: str) -> None:
    vault.add()

    def touch() -> None:  # a test with the same outcome changes a key and nothing else
        stored = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
        assert stored is not None
        vault.opener().commit((Change(stored.ref, stored.document, stored.revision),))

    acts = {
        "add": lambda: vault.add(NEW, provider="google_gemini"),
        "rotate": lambda: vault.rotate(),
        "remove": lambda: removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER),
        "touch": touch,
    }
    keys, signed = accounts.remove_account(vault.custody(Meanwhile(vault.opener(), acts[what])), account=ACCOUNT)
    assert (keys, signed) == ({"add": 2, "rotate": 1, "remove": 0, "touch": 1}[what], True)
    assert list(vault.opener().scan(Query(account=ACCOUNT))) == []
    assert vault.actions()[-1] == "removed"
    vault.verify()


def test_of_two_removals_one_finds_nothing_left(vault: Vault) -> None:
    vault.add()
    store = Meanwhile(vault.opener(), lambda: remove(vault))
    with pytest.raises(AccountNotFound):
        accounts.remove_account(vault.custody(store), account=ACCOUNT)
    assert vault.actions() == ["added", "removed"]


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
    assert [row.account for row in listing.list_all_keys(vault.opener())] == [OTHER]
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
        remove(vault)
    with pytest.raises(RecordChanged):
        disable(vault)
    assert removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER).unsigned


def test_a_data_key_that_was_taken_away_with_the_keys_shows_after_the_account_was_made_again(vault: Vault) -> None:
    vault.add()
    write_account(vault, wrapped=None)
    vault.opener().commit((Change(key_ref(ACCOUNT, PROVIDER), None, _revision(vault.opener(), PROVIDER)),))
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
    gone = Change(key_ref(ACCOUNT, PROVIDER), None, _revision(vault.opener(), PROVIDER))
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
    assert auditing.verify(custody, account=None).unsigned == 1
