"""A rotation that fails half-way: a record that does not open is not promoted, and a staged key is reported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kojikey.model.errors import Effect, KekMissing, KojikeyError, RecordChanged, StoreFull, StoreUnreachable
from kojikey.model.ref import Document, key_ref
from kojikey.stores.base import Change
from support import rotation
from support.faulty import FaultyStore
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, FakeTester, Held, SampleStore, no


def damage(sample_store: SampleStore, stage: str) -> None:
    """Put the current version's record in the place of another one, as somebody with access to the store could."""
    stored = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    sealed = {version["stage"]: version["sealed"] for version in stored.document["versions"]}
    for version in stored.document["versions"]:
        if version["stage"] == stage:
            version["sealed"] = sealed["current"]
    sample_store.opener().commit((Change(stored.ref, stored.document, stored.revision),))


def test_a_rollback_refuses_a_previous_version_that_does_not_open(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    damage(sample_store, "previous")
    before = sample_store.key()
    with pytest.raises(RecordChanged):
        rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.key() == before


def test_a_staged_version_that_does_not_open_is_not_promoted_untested(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()
    damage(sample_store, "staged")
    before = sample_store.key()
    with pytest.raises(RecordChanged):
        rotation.resume(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.key() == before


@pytest.mark.parametrize(
    "error",
    [
        StoreUnreachable("here", "lost its connection", effect=Effect.NOTHING_CHANGED),
        StoreFull("here", "has no room left", effect=Effect.CHANGE_NOT_MADE),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_tested", [True, False])
def test_an_error_of_the_store_after_staging_says_that_the_value_is_staged(
    sample_store: SampleStore, error: KojikeyError, is_tested: bool
) -> None:
    sample_store.add()
    faulty = FaultyStore(sample_store.opener(), error, at=2)
    with pytest.raises(type(error)) as caught:
        sample_store.rotate(test=FakeTester() if is_tested else None, open_store=sample_store.open_store(faulty))
    told = str(caught.value)
    assert "the new key was staged before that, as version 2, and is not lost" in told
    assert "nothing was changed" not in told
    assert "not made" not in told
    assert caught.value.hint == f"kojikey rotate {PROVIDER} --account {ACCOUNT} --resume"
    assert sample_store.held() == Held(OLD, staged=NEW)


def test_an_unknown_outcome_after_staging_stays_unknown_and_names_the_command_that_shows_it(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    error = StoreUnreachable("here", "lost its connection", effect=Effect.OUTCOME_UNKNOWN)
    faulty = FaultyStore(sample_store.opener(), error, at=2, after=True)
    with pytest.raises(StoreUnreachable, match=f"{Effect.OUTCOME_UNKNOWN}, but the new key was staged") as caught:
        sample_store.rotate(open_store=sample_store.open_store(faulty))
    hint = str(caught.value.hint)
    assert hint.startswith(f"kojikey history {PROVIDER}")
    assert f"kojikey rotate {PROVIDER}" in hint
    assert sample_store.held() == Held(NEW, previous=OLD)


def test_an_error_of_the_kek_after_staging_says_that_the_value_is_staged(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.environ = dict(sample_store.environ)
    open_store = sample_store.open_store(environ=sample_store.environ)

    def forgotten() -> None:
        open_store._sealers.clear()
        open_store._keks.clear()
        sample_store.environ.clear()

    test = FakeTester(meanwhile=forgotten)
    with pytest.raises(KekMissing, match="the new key was staged"):
        sample_store.rotate(test=test, open_store=open_store)


def test_an_error_before_staging_does_not_say_that_the_value_is_staged(sample_store: SampleStore) -> None:
    sample_store.add()
    error = StoreFull("here", "has no room left", effect=Effect.CHANGE_NOT_MADE)
    faulty = FaultyStore(sample_store.opener(), error, at=1)
    with pytest.raises(StoreFull) as caught:
        sample_store.rotate(open_store=sample_store.open_store(faulty))
    assert str(caught.value) == "the store here has no room left; the change was not made"


@pytest.mark.parametrize("changes", [1, 3])
def test_a_change_of_another_key_while_the_trail_is_read_is_not_taken_for_a_broken_trail(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    """Other processes change the account between the moments at which its record and its events are read."""
    sample_store.add()
    sample_store.stage()
    store = sample_store.opener()
    events, left = store.events, [f"other_{number}" for number in range(changes)]

    def later(account: str | None = None) -> Iterator[Document]:
        if left:
            sample_store.add(provider=left.pop())
        return events(account)

    monkeypatch.setattr(store, "events", later)
    rotation.resume(sample_store.open_store(store), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.held() == Held(NEW, previous=OLD)
    assert left == []
