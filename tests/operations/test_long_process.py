"""A long-running process while others change the store: it reads changes, and asks for no KEK twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import ChangedMeanwhile, WrongKek
from kojikey.model.ref import HEADER, Ref, account_ref
from kojikey.operations import removing
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import accounts, rekeying
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.sealing.record import Members, Record, parse
from kojikey.stores.base import Change
from support.faulty import FaultyStore
from support.sample_store import ACCOUNT, KEKS, NEW, OLD, PROVIDER, SECOND_KEK, Held, SampleStore

OTHER = "globex"


def rekey(sample_store: SampleStore, source: str = "env:NEW_KEK") -> None:
    rekeying.rekey(sample_store.open_store(), source=source, new_inputs=sample_store.inputs())


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


def test_the_record_of_a_data_key_is_parsed_once(sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_store.add()
    parsed: list[str] = []

    def counted(text: str, members: Members, *, where: str) -> Record:
        parsed.append(text)
        return parse(text, members, where=where)

    for module in ("kek.base", "kek.registry", "envelope"):
        monkeypatch.setattr(f"kojikey.sealing.{module}.parse", counted)
    assert sample_store.held(open_store=sample_store.open_store()) == Held(OLD)
    assert len(parsed) == len(set(parsed)) == 2  # the data key and the key


# others re-key


@pytest.mark.parametrize("environ", [KEKS, SECOND_KEK], ids=["both KEKs", "the new KEK alone"])
def test_a_store_that_was_opened_before_a_rekeying_opens_its_keys(
    sample_store: SampleStore, environ: dict[str, str]
) -> None:
    sample_store.add()
    before = sample_store.open_store(environ=environ)
    rekey(sample_store)
    assert sample_store.held(open_store=before) == Held(OLD)


def test_a_store_opened_before_a_rekeying_opens_the_keys_of_an_account_it_read_before(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    before = sample_store.open_store(environ=SECOND_KEK)
    assert not before.is_disabled(ACCOUNT)
    rekey(sample_store)
    assert sample_store.held(open_store=before) == Held(OLD)


def test_a_second_rekeying_is_noticed_too(sample_store: SampleStore) -> None:
    sample_store.add()
    before = sample_store.open_store()
    rekey(sample_store)
    sample_store.rotate(open_store=before)
    rekey(sample_store, "env")
    sample_store.rotate(OLD, open_store=before)
    assert sample_store.held(open_store=before) == Held(OLD, previous=NEW)
    assert sample_store.verify().unsigned == 0


def test_a_removal_that_waited_for_a_confirmation_during_a_rekeying_is_signed(sample_store: SampleStore) -> None:
    sample_store.add()
    waiting = sample_store.open_store()
    rekey(sample_store)
    assert not removing.remove(waiting, account=ACCOUNT, provider=PROVIDER).unsigned
    assert sample_store.verify().unsigned == 0


def test_an_account_that_others_created_meanwhile_is_found(sample_store: SampleStore) -> None:
    before = sample_store.open_store()
    assert not before.is_disabled(ACCOUNT)
    sample_store.add()
    assert sample_store.held(open_store=before) == Held(OLD)


def test_a_record_wrapped_with_a_kek_that_the_store_does_not_name_is_refused(sample_store: SampleStore) -> None:
    sample_store.add()
    header = sample_store.opener().header()
    other = {**header.document["kek"], "kid": "another"}
    sample_store.opener().commit((Change(HEADER, {**header.document, "kek": other}, header.revision),))
    with pytest.raises(WrongKek):
        sample_store.held()


def test_during_a_rekeying_the_prompt_says_which_of_two_passphrases_is_needed(sample_store: SampleStore) -> None:
    sample_store.add()
    open_store = sample_store.open_store()
    old, announced = open_store.header["kek"], {"source": "passphrase", "kid": "another"}
    assert open_store.inputs_for(old).which == KekInputs({}, None).which
    open_store.header = {**open_store.header, "next_kek": announced}
    assert [open_store.inputs_for(spec).which for spec in (old, announced)] == ["old", "announced"]


# what is remembered


def test_a_data_key_is_unwrapped_once_even_if_many_accounts_are_in_use(
    sample_store: SampleStore, unwrapped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kojikey.operations.open_store._REMEMBERED", 4)
    names = [f"a{number}" for number in range(9)]
    for name in names:
        sample_store.add(account=name)
    open_store = sample_store.open_store()
    unwrapped.clear()
    for begun, ended in zip(names, [None, None, *names], strict=False):
        open_store.sealer(begun)
        if ended:
            accounts.set_disabled(open_store, account=ended, disabled=True)  # as an outcome is kept, two keys later
    assert unwrapped == names


@pytest.mark.parametrize("lost", [HEADER, account_ref(ACCOUNT)], ids=str)
def test_a_new_data_key_is_wrapped_once_even_if_saving_the_account_is_repeated(
    sample_store: SampleStore, lost: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    wraps: list[str] = []
    wrap = LocalKek.wrap

    def counted(kek: LocalKek, data_key: bytes, *, store: str, account: str) -> str:
        wraps.append(account)
        return wrap(kek, data_key, store=store, account=account)

    monkeypatch.setattr(LocalKek, "wrap", counted)
    open_store = sample_store.open_store(FaultyStore(sample_store.opener(), ChangedMeanwhile(lost), at=1))
    sample_store.add(open_store=open_store)
    sample_store.add(account=OTHER, open_store=open_store)
    assert wraps == [ACCOUNT, OTHER]
    assert sample_store.held() == sample_store.held(OTHER) == Held(OLD)


def test_a_new_data_key_is_wrapped_again_if_the_store_was_rekeyed_meanwhile(sample_store: SampleStore) -> None:
    class Rekeyed(FaultyStore):
        def _commit(self, changes: object, events: object) -> tuple[str, ...]:
            meanwhile and meanwhile.pop()()
            return super()._commit(changes, events)  # type: ignore[arg-type]

    meanwhile: list[Callable[[], object]] = [lambda: rekey(sample_store)]
    open_store: OpenStore = sample_store.open_store(Rekeyed(sample_store.opener(), RuntimeError()))
    sample_store.add(open_store=open_store)
    assert sample_store.held(open_store=sample_store.open_store(environ=SECOND_KEK)) == Held(OLD)
