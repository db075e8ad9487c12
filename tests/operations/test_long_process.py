"""A process that goes on while others change the store: it reads what it must again, and asks no KEK twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import ChangedMeanwhile, WrongKek
from kojikey.model.ref import HEADER, Ref, account_ref
from kojikey.operations import accounts, removing, storing
from kojikey.operations.open_store import Custody
from kojikey.sealing.kek.base import LocalKek
from kojikey.stores.base import Change
from support.faulty import FaultyStore
from support.vault import ACCOUNT, KEKS, NEW, OLD, PROVIDER, SECOND_KEK, Held, Vault

OTHER = "globex"


def rekey(vault: Vault, source: str = "env:NEW_KEK") -> None:
    storing.rekey(vault.custody(), source=source, new_inputs=vault.inputs())


@pytest.fixture
def unwrapped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the accounts whose data keys are unwrapped from now on, as a KMS would be asked."""
    asked: list[str] = []
    unwrap = LocalKek.unwrap

    def counted(kek: LocalKek, record: str, *, store: str, account: str) -> bytes:
        asked.append(account)
        return unwrap(kek, record, store=store, account=account)

    monkeypatch.setattr(LocalKek, "unwrap", counted)
    return asked


# others re-key


@pytest.mark.parametrize("environ", [KEKS, SECOND_KEK], ids=["both KEKs", "the new KEK alone"])
def test_a_store_that_was_opened_before_a_rekeying_opens_its_keys(vault: Vault, environ: dict[str, str]) -> None:
    vault.add()
    before = vault.custody(environ=environ)
    rekey(vault)
    assert vault.held(custody=before) == Held(OLD)


def test_it_also_does_where_the_account_was_looked_at_before(vault: Vault) -> None:
    vault.add()
    before = vault.custody(environ=SECOND_KEK)
    assert not before.is_disabled(ACCOUNT)
    rekey(vault)
    assert vault.held(custody=before) == Held(OLD)


def test_a_second_rekeying_is_noticed_too(vault: Vault) -> None:
    vault.add()
    before = vault.custody()
    rekey(vault)
    vault.rotate(custody=before)
    rekey(vault, "env")
    vault.rotate(OLD, custody=before)
    assert vault.held(custody=before) == Held(OLD, previous=NEW)
    assert vault.verify().unsigned == 0


def test_a_removal_that_waited_for_its_answer_is_signed(vault: Vault) -> None:
    vault.add()
    waiting = vault.custody()
    rekey(vault)
    assert not removing.remove(waiting, account=ACCOUNT, provider=PROVIDER).unsigned
    assert vault.verify().unsigned == 0


def test_an_account_that_others_made_meanwhile_is_found(vault: Vault) -> None:
    before = vault.custody()
    assert not before.is_disabled(ACCOUNT)
    vault.add()
    assert vault.held(custody=before) == Held(OLD)


def test_a_record_of_no_kek_of_the_store_is_still_refused(vault: Vault) -> None:
    vault.add()
    header = vault.opener().header()
    other = {**header.document["kek"], "kid": "another"}
    vault.opener().commit((Change(HEADER, {**header.document, "kek": other}, header.revision),))
    with pytest.raises(WrongKek):
        vault.held()


# what is remembered


def test_a_data_key_is_unwrapped_once_though_many_accounts_are_under_way(
    vault: Vault, unwrapped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kojikey.operations.open_store._REMEMBERED", 4)
    names = [f"a{number}" for number in range(9)]
    for name in names:
        vault.add(account=name)
    custody = vault.custody()
    unwrapped.clear()
    for begun, ended in zip(names, [None, None, *names], strict=False):
        custody.sealer(begun)
        if ended:
            accounts.set_disabled(custody, account=ended, disabled=True)  # as an outcome is kept, two keys later
    assert unwrapped == names


@pytest.mark.parametrize("lost", [HEADER, account_ref(ACCOUNT)], ids=str)
def test_a_new_data_key_is_wrapped_once_however_often_its_account_is_tried(
    vault: Vault, lost: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    wraps: list[str] = []
    wrap = LocalKek.wrap

    def counted(kek: LocalKek, data_key: bytes, *, store: str, account: str) -> str:
        wraps.append(account)
        return wrap(kek, data_key, store=store, account=account)

    monkeypatch.setattr(LocalKek, "wrap", counted)
    custody = vault.custody(FaultyStore(vault.opener(), ChangedMeanwhile(lost), at=1))
    vault.add(custody=custody)
    vault.add(account=OTHER, custody=custody)
    assert wraps == [ACCOUNT, OTHER]
    assert vault.held() == vault.held(OTHER) == Held(OLD)


def test_a_new_data_key_is_wrapped_anew_where_the_store_was_rekeyed_meanwhile(vault: Vault) -> None:
    class Rekeyed(FaultyStore):
        def _commit(self, changes: object, events: object) -> tuple[str, ...]:
            meanwhile and meanwhile.pop()()
            return super()._commit(changes, events)  # type: ignore[arg-type]

    meanwhile: list[Callable[[], object]] = [lambda: rekey(vault)]
    custody: Custody = vault.custody(Rekeyed(vault.opener(), RuntimeError()))
    vault.add(custody=custody)
    assert vault.held(custody=vault.custody(environ=SECOND_KEK)) == Held(OLD)
