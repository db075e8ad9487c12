"""Keys that do not match the audit trail are found: restored, removed or exchanged rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import AccountNotFound, RecordChanged
from kojikey.operations import removing
from kojikey.operations.audit import audit_verification
from kojikey.operations.store_admin import accounts
from kojikey.operations.store_admin.copying import copy
from kojikey.stores.memory import MemoryStore, SharedMemory
from support import rotation
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, SampleStore
from support.trail import LENGTH, OTHER, File, first_bad
from support.trail import file as file
from support.trail import sample_store as sample_store

GEMINI, FOURTH = "google_gemini", "sk_fourth_key_0123456789"
Row = tuple[object, ...]


def key_row(file: File, provider: str = PROVIDER) -> Row:
    (row,) = file.do("SELECT * FROM keys WHERE account = ? AND provider = ?", ACCOUNT, provider)
    return tuple(row)


def put_key(file: File, row: Row) -> None:
    file.do(f"INSERT OR REPLACE INTO keys VALUES ({', '.join('?' * len(row))})", *row)


def drop_key(file: File, provider: str = PROVIDER) -> None:
    file.do("DELETE FROM keys WHERE account = ? AND provider = ?", ACCOUNT, provider)


def back_to(file: File, length: int, account: dict[str, object]) -> None:
    """Put an account's record back as it was, and take the events away that came later."""
    file.do("DELETE FROM events WHERE account = ? AND seq > ?", ACCOUNT, length)
    file.put_account(account)


@pytest.mark.parametrize(
    ("done", "events"),
    [
        (lambda sample_store: sample_store.rotate(FOURTH), 2),
        (lambda sample_store: sample_store.add(provider=GEMINI), 1),
        (lambda sample_store: removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER), 1),
    ],
    ids=["rotated", "added", "removed"],
)
def test_removing_the_last_events_and_restoring_the_older_account_record_is_found(
    sample_store: SampleStore, file: File, done: Callable[[SampleStore], object], events: int
) -> None:
    older = file.account()
    done(sample_store)
    assert len(sample_store.events()) == LENGTH + events
    back_to(file, LENGTH, older)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, LENGTH + 1)


def test_a_key_removed_outside_kojikey_is_reported_as_missing(sample_store: SampleStore, file: File) -> None:
    drop_key(file)
    assert first_bad(sample_store) == first_bad(sample_store, ACCOUNT) == (ACCOUNT, LENGTH + 1)


def test_a_removed_key_that_was_restored_outside_kojikey_is_found(sample_store: SampleStore, file: File) -> None:
    row = key_row(file)
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    put_key(file, row)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 2)


def test_an_older_row_of_a_key_that_was_restored_is_found(sample_store: SampleStore, file: File) -> None:
    row = key_row(file)
    sample_store.rotate(FOURTH)
    put_key(file, row)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 3)


def test_a_row_of_a_key_that_was_removed_and_added_again_is_found(sample_store: SampleStore, file: File) -> None:
    sample_store.add(provider=GEMINI)
    row = key_row(file, GEMINI)
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider=GEMINI)
    sample_store.add(THIRD, provider=GEMINI)  # version 1, too
    sample_store.verify()
    put_key(file, row)
    assert first_bad(sample_store) == (ACCOUNT, LENGTH + 4)


def test_a_key_that_cannot_be_read_is_named_and_its_removal_is_the_way_out(
    sample_store: SampleStore, file: File
) -> None:
    file.do("UPDATE keys SET document = '{' WHERE account = ? AND provider = ?", ACCOUNT, PROVIDER)
    with pytest.raises(RecordChanged, match=f"key/{ACCOUNT}/{PROVIDER}"):
        sample_store.verify()
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    sample_store.verify()


# what is not tampering


def test_after_every_change_of_a_key_its_trail_verifies(sample_store: SampleStore) -> None:
    def step(name: str) -> Callable[[], object]:
        act = getattr(rotation, name)
        more = {} if name == "abort" else {"test": None, "approve": lambda _: False}
        return lambda: act(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, **more)

    for act in (
        lambda: sample_store.stage(FOURTH),
        step("abort"),
        lambda: sample_store.stage(FOURTH),
        step("resume"),
        step("rollback"),
        lambda: removing.remove(sample_store.open_store(environ={}), account=ACCOUNT, provider=PROVIDER),
        sample_store.add,
        lambda: sample_store.rotate(NEW),
        lambda: accounts.remove_account(sample_store.open_store(), account=ACCOUNT),
        lambda: sample_store.add(THIRD),
        lambda: sample_store.add(OLD, provider=GEMINI),
    ):
        act()
        assert sample_store.verify().verified == (ACCOUNT, OTHER)


def test_a_copy_verifies_even_if_only_its_events_were_copied_yet(sample_store: SampleStore) -> None:
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))

    def copied() -> None:
        list(copy(sample_store.open_store(), there.open_store(), accounts=(), dry_run=False))

    copied()
    sample_store.rotate(FOURTH)
    removing.remove(sample_store.open_store(), account=OTHER, provider=PROVIDER)
    assert there.verify().verified == (ACCOUNT, OTHER)
    copied()
    assert there.verify().verified == (ACCOUNT, OTHER)
    assert there.held(OTHER) is not None  # a copy deletes nothing


def test_a_key_that_is_rotated_during_its_verification_verifies(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    scan = open_store.store.scan
    turns: list[Callable[[], object]] = [lambda: sample_store.rotate(OLD), lambda: sample_store.rotate(THIRD)]

    def meanwhile(*query: object) -> object:
        turns and turns.pop()()
        return scan(*query)  # type: ignore[arg-type]

    open_store.store.scan = meanwhile  # type: ignore[method-assign, assignment]
    assert audit_verification.verify(open_store, account=ACCOUNT).verified == (ACCOUNT,)
    assert turns == []
    assert sample_store.held() == Held(OLD, previous=THIRD)


def test_verifying_an_account_that_does_not_exist_is_an_error(sample_store: SampleStore) -> None:
    with pytest.raises(AccountNotFound):
        sample_store.verify("nobody")
