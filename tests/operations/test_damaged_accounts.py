"""An account with a damaged or missing record stops no other, and can be recovered."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kojikey.model.errors import AccountNotFound, CannotOpen, RecordChanged
from kojikey.operations import removing
from kojikey.operations.results import RekeyResult
from kojikey.operations.store_admin import accounts, describing, rekeying
from support.sample_store import ACCOUNT, ADAPTERS, NEW, OLD, PROVIDER, SECOND_KEK, Held, SampleStore, refuse

OTHER, GEMINI = "globex", "google_gemini"


@pytest.fixture
def sample_store(tmp_path: Path) -> SampleStore:
    """Return a vault with two accounts, the first of which has two keys."""
    sample_store = SampleStore.made(ADAPTERS["sqlite"](tmp_path))
    sample_store.add()
    sample_store.add(provider=GEMINI)
    sample_store.add(account=OTHER)
    return sample_store


def do(tmp_path: Path, statement: str) -> None:
    database = sqlite3.connect(tmp_path / "keys.db")
    with database:
        assert database.execute(statement).rowcount > 0
    database.close()


DAMAGES = {
    "no JSON": "UPDATE accounts SET document = '{' WHERE account = 'acme'",
    "no audit": "UPDATE accounts SET document = json_remove(document, '$.audit') WHERE account = 'acme'",
    "another's": "UPDATE accounts SET document = json_set(document, '$.account', 'x') WHERE account = 'acme'",
    "no data key": "UPDATE accounts SET document = json_set(document, '$.wrapped', 7) WHERE account = 'acme'",
    "gone": "DELETE FROM accounts WHERE account = 'acme'",
    "events too": "DELETE FROM accounts WHERE account = 'acme'",
}


@pytest.fixture(params=sorted(DAMAGES))
def damaged(request: pytest.FixtureRequest, sample_store: SampleStore, tmp_path: Path) -> SampleStore:
    do(tmp_path, DAMAGES[request.param])
    if request.param == "events too":
        do(tmp_path, "UPDATE events SET document = '{' WHERE account = 'acme' AND seq = 2")
    return sample_store


def rekey(sample_store: SampleStore) -> RekeyResult:
    return rekeying.rekey(sample_store.open_store(), source="env:NEW_KEK", new_inputs=sample_store.inputs())


@pytest.mark.parametrize("damage", [name for name in sorted(DAMAGES) if name not in ("gone", "events too")])
def test_a_store_with_a_damaged_account_is_described(sample_store: SampleStore, tmp_path: Path, damage: str) -> None:
    do(tmp_path, DAMAGES[damage])
    told = describing.info(sample_store.opener(), sample_store.opener().open().document)
    assert (told.accounts, told.damaged, told.keys, told.events) == (1, 1, 3, 1)


@pytest.mark.parametrize("damage", ["no JSON", "no audit", "no data key"])
def test_a_rekeying_wraps_the_other_accounts_and_names_the_damaged_one(
    sample_store: SampleStore, tmp_path: Path, damage: str
) -> None:
    ((whole,),) = _row(tmp_path)
    do(tmp_path, DAMAGES[damage])
    with pytest.raises(CannotOpen, match=f"not wrapped again: {ACCOUNT}; 1 accounts are done") as caught:
        rekey(sample_store)
    assert "account remove" in str(caught.value.hint)
    assert sample_store.held(OTHER, open_store=sample_store.open_store(environ=SECOND_KEK)) == Held(OLD)
    header = sample_store.opener().open().document
    assert header["next_kek"] is not None  # so that the old KEK is still known when the record is restored
    do(tmp_path, f"UPDATE accounts SET document = '{whole}' WHERE account = 'acme'")
    assert rekey(sample_store).rewrapped == 1
    assert sample_store.held(open_store=sample_store.open_store(environ=SECOND_KEK)) == Held(OLD)
    sample_store.verify()


def test_removing_the_damaged_account_lets_a_rekeying_finish(sample_store: SampleStore, tmp_path: Path) -> None:
    do(tmp_path, DAMAGES["no JSON"])
    with pytest.raises(CannotOpen):
        rekey(sample_store)
    accounts.remove_account(sample_store.open_store(), account=ACCOUNT)
    assert rekey(sample_store).already == 1
    assert sample_store.opener().open().document["next_kek"] is None


def test_a_damaged_account_can_be_removed(damaged: SampleStore) -> None:
    accounts.ensure_removable(damaged.open_store(environ={}), account=ACCOUNT)
    assert accounts.remove_account(damaged.open_store(environ={}), account=ACCOUNT) == (2, False)
    assert damaged.key() is None
    assert [row.account for row in accounts.list_accounts(damaged.opener(), damaged=refuse)] == [OTHER]
    damaged.add(NEW)
    assert damaged.held() == Held(NEW)
    with pytest.raises(AccountNotFound):
        accounts.ensure_removable(damaged.open_store(), account="nobody")


@pytest.mark.parametrize("damage", ["no JSON", "no audit", "gone"])
def test_the_trail_of_a_removed_damaged_account_continues(
    sample_store: SampleStore, tmp_path: Path, damage: str
) -> None:
    do(tmp_path, DAMAGES[damage])
    accounts.remove_account(sample_store.open_store(), account=ACCOUNT)
    assert (sample_store.verify().unsigned, sample_store.verify().lost) == (1, 3)
    sample_store.add()
    assert sample_store.verify().verified == (ACCOUNT, OTHER)
    assert sample_store.actions() == ["added", "added", "removed", "added"]


def test_a_key_of_a_damaged_account_can_be_removed_and_its_record_is_left_for_a_backup(
    damaged: SampleStore, tmp_path: Path
) -> None:
    before = _row(tmp_path)
    result = removing.remove(damaged.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert (result.unsigned, result.unrecorded) == (True, True)
    assert damaged.key() is None
    assert _row(tmp_path) == before
    with pytest.raises(RecordChanged):
        damaged.held(provider=GEMINI)


def _row(tmp_path: Path) -> list[tuple[str]]:
    database = sqlite3.connect(tmp_path / "keys.db")
    try:
        return database.execute("SELECT document FROM accounts WHERE account = 'acme'").fetchall()
    finally:
        database.close()
