"""Changes of keys, accounts and events in one commit: new accounts, accounts that are gone, and many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from kojikey.model.errors import AccountNotFound, ChangedMeanwhile, RecordChanged
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.model.verdict import Reason
from kojikey.operations.ledger import EventDraft, Ledger, Plan, event_draft
from kojikey.operations.store_admin import accounts
from kojikey.sealing.kek.base import LocalKek
from kojikey.stores.base import Change, EventRow, Query, Store, Stored
from support.faulty import FaultyStore, Once
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, Held, SampleStore, verdict

OTHER = "globex"
PLAN = Plan((), (EventDraft("changed", PROVIDER),))


@pytest.fixture
def sample_store() -> SampleStore:
    """Return a store with one key."""
    sample_store = SampleStore.in_memory()
    sample_store.add()
    return sample_store


def read(sample_store: SampleStore, ref: Ref) -> Stored:
    found = sample_store.opener().read(ref)
    assert found is not None
    return found


def delete(sample_store: SampleStore, ref: Ref) -> None:
    sample_store.opener().commit((Change(ref, None, read(sample_store, ref).revision),), ())


def remove_account(sample_store: SampleStore) -> None:
    accounts.remove_account(sample_store.open_store(), account=ACCOUNT)


def test_the_draft_of_an_event_has_version_fingerprint_and_outcome(sample_store: SampleStore) -> None:
    key = sample_store.key()
    assert key is not None
    draft = event_draft("tested", PROVIDER, key.current, verdict(Reason.BILLING))
    assert draft == ("tested", PROVIDER, 1, key.current.fingerprint, "limited", "billing", None, None, None, None)
    assert event_draft("added", PROVIDER, key.current)[4:6] == (None, None)


def test_only_the_first_key_of_an_account_creates_it(sample_store: SampleStore) -> None:
    assert sample_store.add(account=OTHER).is_new_account is True
    assert sample_store.add(account=OTHER, provider="openai").is_new_account is False
    ledger = Ledger(sample_store.open_store())
    assert ledger.has_created_account is False
    ledger.record("initech", PLAN)
    assert ledger.has_created_account is True
    ledger.record(ACCOUNT, PLAN)
    assert ledger.has_created_account is False


def test_a_new_account_leaves_the_header_as_it_is(sample_store: SampleStore) -> None:
    before = read(sample_store, HEADER)
    sample_store.add(account=OTHER)
    assert read(sample_store, HEADER) == before


def test_an_account_that_was_created_is_seen_through_the_same_open_store(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    assert not open_store.has_account(OTHER)
    sample_store.add(account=OTHER, open_store=open_store)
    assert open_store.has_account(OTHER)


def test_the_data_key_of_a_new_account_is_not_unwrapped_to_be_used(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store = sample_store.open_store()
    monkeypatch.setattr(LocalKek, "unwrap", lambda *_, **__: pytest.fail("unwrapped"))
    sample_store.add(account=OTHER, open_store=open_store)
    sample_store.rotate(NEW, account=OTHER, open_store=open_store)
    monkeypatch.undo()
    assert sample_store.held(OTHER) == Held(NEW, None, OLD)


def test_a_change_without_events_returns_the_document_and_leaves_the_account_as_it_is(
    sample_store: SampleStore,
) -> None:
    account, stored = read(sample_store, account_ref(ACCOUNT)), read(sample_store, key_ref(ACCOUNT, PROVIDER))
    change = Change(stored.ref, {**stored.document, "label": "new"}, stored.revision)
    (written,) = Ledger(sample_store.open_store()).record(ACCOUNT, Plan((change,)))
    assert written == read(sample_store, stored.ref)
    assert written.revision != stored.revision
    assert read(sample_store, account_ref(ACCOUNT)) == account
    (gone,) = Ledger(sample_store.open_store()).record(ACCOUNT, Plan((Change(stored.ref, None, written.revision),)))
    assert gone.document == {}


# accounts that are gone


def without_its_account(sample_store: SampleStore) -> None:
    delete(sample_store, account_ref(ACCOUNT))


def with_its_events_alone(sample_store: SampleStore) -> None:
    delete(sample_store, account_ref(ACCOUNT))
    delete(sample_store, key_ref(ACCOUNT, PROVIDER))


def with_a_key_after_its_removal(sample_store: SampleStore) -> None:
    key = read(sample_store, key_ref(ACCOUNT, PROVIDER))
    remove_account(sample_store)
    sample_store.opener().commit((Change(key.ref, key.document, None),), ())


@pytest.mark.parametrize(
    ("left", "what"),
    [
        (without_its_account, "keys or events"),
        (with_its_events_alone, "keys or events"),
        (with_a_key_after_its_removal, "keys"),
    ],
)
def test_an_account_whose_document_was_removed_outside_kojikey_is_not_created_again(
    sample_store: SampleStore, left: Callable[[SampleStore], None], what: str
) -> None:
    left(sample_store)
    with pytest.raises(RecordChanged) as caught:
        Ledger(sample_store.open_store()).record(ACCOUNT, PLAN)
    assert caught.value.where == str(account_ref(ACCOUNT))
    assert caught.value.message.endswith(f" is gone, though the account has {what}")


def test_a_removed_account_is_created_again_and_continues_its_trail(sample_store: SampleStore) -> None:
    remove_account(sample_store)
    count = len(sample_store.events())
    assert sample_store.add(NEW).is_new_account is True
    assert sample_store.held() == Held(NEW)
    assert [event["seq"] for event in sample_store.events()] == list(range(1, count + 2))
    sample_store.verify()


class CreatedMeanwhile(FaultyStore):
    """Does something once, directly before it answers whether an account has keys."""

    def __init__(self, inner: Store, meanwhile: Callable[[], object]) -> None:
        super().__init__(inner, RuntimeError())
        self.meanwhile = Once(meanwhile)

    def _scan(self, query: Query) -> Iterator[Stored]:
        self.meanwhile()
        return super()._scan(query)

    def _events(self, account: str | None) -> Iterator[EventRow]:
        self.meanwhile()
        return super()._events(account)


def test_an_account_that_another_process_creates_meanwhile_is_used(sample_store: SampleStore) -> None:
    store = CreatedMeanwhile(sample_store.opener(), lambda: sample_store.add(account=OTHER, provider="openai"))
    result = sample_store.add(account=OTHER, open_store=sample_store.open_store(store))
    assert result.is_new_account is False
    assert sample_store.held(OTHER) == sample_store.held(OTHER, "openai") == Held(OLD)
    sample_store.verify()


# events without the KEK, and of many accounts


def test_events_of_an_unknown_account_are_not_recorded_and_it_is_named(sample_store: SampleStore) -> None:
    ledger = Ledger(sample_store.open_store())
    with pytest.raises(AccountNotFound) as unsigned:
        ledger.record_unsigned(OTHER, PLAN)
    with pytest.raises(AccountNotFound) as together:
        ledger.record_together((), {ACCOUNT: PLAN.drafts, OTHER: PLAN.drafts})
    assert unsigned.value.account == together.value.account == OTHER
    remove_account(sample_store)
    with pytest.raises(AccountNotFound):
        ledger.record_together((), {ACCOUNT: PLAN.drafts})
    assert "changed" not in sample_store.actions()


def test_events_of_many_accounts_are_made_in_one_commit(sample_store: SampleStore) -> None:
    sample_store.add(account=OTHER)
    store = CountingCommits(sample_store.opener())
    drafts: dict[str, Sequence[EventDraft]] = {ACCOUNT: [*PLAN.drafts, *PLAN.drafts], OTHER: PLAN.drafts}
    Ledger(sample_store.open_store(store)).record_together((), drafts)
    assert store.commits == 1
    assert sample_store.actions() == ["added", "changed", "changed"]
    assert [(event["account"], event["actor"]) for event in sample_store.events(OTHER)] == [
        (OTHER, "somebody@somewhere")
    ] * 2
    sample_store.verify()


class CountingCommits(FaultyStore):
    """Counts commits."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, RuntimeError())
        self.commits = 0

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        self.commits += 1
        return super()._commit(changes, events)


def test_changes_of_many_accounts_that_lost_the_race_are_not_repeated(sample_store: SampleStore) -> None:
    stored = read(sample_store, key_ref(ACCOUNT, PROVIDER))
    change: dict[str, Any] = {**stored.document, "label": "new"}
    sample_store.rotate()
    with pytest.raises(ChangedMeanwhile) as caught:
        Ledger(sample_store.open_store()).record_together(
            (Change(stored.ref, change, stored.revision),), {ACCOUNT: PLAN.drafts}
        )
    assert caught.value.ref == stored.ref
    assert "changed" not in sample_store.actions()
