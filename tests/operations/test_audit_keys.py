"""Keys that do not fit the trail are found: rows that were put back, taken away or exchanged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import AccountNotFound, RecordChanged
from kojikey.operations import accounts, audit_verification, removing, rotating
from kojikey.operations.copying import copy
from kojikey.stores.memory import MemoryStore, Shelf
from support.trail import LENGTH, OTHER, File, first_bad
from support.trail import file as file
from support.trail import vault as vault
from support.vault import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, Vault

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
        (lambda vault: vault.rotate(FOURTH), 2),
        (lambda vault: vault.add(provider=GEMINI), 1),
        (lambda vault: removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER), 1),
    ],
    ids=["rotated", "added", "removed"],
)
def test_a_cut_tail_under_the_older_record_of_the_account_is_found(
    vault: Vault, file: File, done: Callable[[Vault], object], events: int
) -> None:
    older = file.account()
    done(vault)
    assert len(vault.events()) == LENGTH + events
    back_to(file, LENGTH, older)
    assert first_bad(vault) == first_bad(vault, ACCOUNT) == (ACCOUNT, LENGTH + 1)


def test_a_key_that_was_taken_away_is_missed(vault: Vault, file: File) -> None:
    drop_key(file)
    assert first_bad(vault) == first_bad(vault, ACCOUNT) == (ACCOUNT, LENGTH + 1)


def test_a_removed_key_that_was_put_back_is_found(vault: Vault, file: File) -> None:
    row = key_row(file)
    removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    put_key(file, row)
    assert first_bad(vault) == (ACCOUNT, LENGTH + 2)


def test_an_older_row_of_a_key_is_found(vault: Vault, file: File) -> None:
    row = key_row(file)
    vault.rotate(FOURTH)
    put_key(file, row)
    assert first_bad(vault) == (ACCOUNT, LENGTH + 3)


def test_a_row_of_a_key_that_was_removed_and_added_again_is_found(vault: Vault, file: File) -> None:
    vault.add(provider=GEMINI)
    row = key_row(file, GEMINI)
    removing.remove(vault.custody(), account=ACCOUNT, provider=GEMINI)
    vault.add(THIRD, provider=GEMINI)  # version 1, too
    vault.verify()
    put_key(file, row)
    assert first_bad(vault) == (ACCOUNT, LENGTH + 4)


def test_a_key_that_can_not_be_read_is_named_and_its_removal_is_the_way_out(vault: Vault, file: File) -> None:
    file.do("UPDATE keys SET document = '{' WHERE account = ? AND provider = ?", ACCOUNT, PROVIDER)
    with pytest.raises(RecordChanged, match=f"key/{ACCOUNT}/{PROVIDER}"):
        vault.verify()
    removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    vault.verify()


# what is not tampering


def test_whatever_happens_to_a_key_its_trail_is_whole(vault: Vault) -> None:
    def step(name: str) -> Callable[[], object]:
        act = getattr(rotating, name)
        more = {} if name == "abort" else {"test": None, "approve": lambda _: False}
        return lambda: act(vault.custody(), account=ACCOUNT, provider=PROVIDER, **more)

    for act in (
        lambda: vault.stage(FOURTH),
        step("abort"),
        lambda: vault.stage(FOURTH),
        step("resume"),
        step("rollback"),
        lambda: removing.remove(vault.custody(environ={}), account=ACCOUNT, provider=PROVIDER),
        vault.add,
        lambda: vault.rotate(NEW),
        lambda: accounts.remove_account(vault.custody(), account=ACCOUNT),
        lambda: vault.add(THIRD),
        lambda: vault.add(OLD, provider=GEMINI),
    ):
        act()
        assert vault.verify().verified == (ACCOUNT, OTHER)


def test_copies_are_whole_also_where_only_the_events_have_come(vault: Vault) -> None:
    shelf = Shelf()
    there = Vault.made(lambda: MemoryStore(shelf))

    def copied() -> None:
        list(copy(vault.custody(), there.custody(), accounts=(), dry_run=False))

    copied()
    vault.rotate(FOURTH)
    removing.remove(vault.custody(), account=OTHER, provider=PROVIDER)
    assert there.verify().verified == (ACCOUNT, OTHER)
    copied()
    assert there.verify().verified == (ACCOUNT, OTHER)
    assert there.held(OTHER) is not None  # a copy deletes nothing


def test_a_key_that_is_rotated_while_it_is_verified_is_whole(vault: Vault) -> None:
    custody = vault.custody()
    scan = custody.store.scan
    turns: list[Callable[[], object]] = [lambda: vault.rotate(OLD), lambda: vault.rotate(THIRD)]

    def meanwhile(*query: object) -> object:
        turns and turns.pop()()
        return scan(*query)  # type: ignore[arg-type]

    custody.store.scan = meanwhile  # type: ignore[method-assign, assignment]
    assert audit_verification.verify(custody, account=ACCOUNT).verified == (ACCOUNT,)
    assert turns == []
    assert vault.held() == Held(OLD, previous=THIRD)


def test_an_account_that_is_not_there_is_not_whole(vault: Vault) -> None:
    with pytest.raises(AccountNotFound):
        vault.verify("nobody")
