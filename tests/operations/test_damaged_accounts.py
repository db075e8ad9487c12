"""One account whose record is damaged or gone: it holds up no other, and there is a way out of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kojikey.model.errors import AccountNotFound, CannotOpen, RecordChanged
from kojikey.operations import accounts, removing, storing
from kojikey.operations.results import RekeyResult
from support.vault import ACCOUNT, ADAPTERS, NEW, OLD, PROVIDER, SECOND_KEK, Held, Vault, refuse

OTHER, GEMINI = "globex", "google_gemini"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Return a vault with two accounts, the first of which has two keys."""
    vault = Vault.made(ADAPTERS["sqlite"](tmp_path))
    vault.add()
    vault.add(provider=GEMINI)
    vault.add(account=OTHER)
    return vault


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
def damaged(request: pytest.FixtureRequest, vault: Vault, tmp_path: Path) -> Vault:
    do(tmp_path, DAMAGES[request.param])
    if request.param == "events too":
        do(tmp_path, "UPDATE events SET document = '{' WHERE account = 'acme' AND seq = 2")
    return vault


def rekey(vault: Vault) -> RekeyResult:
    return storing.rekey(vault.custody(), source="env:NEW_KEK", new_inputs=vault.inputs())


@pytest.mark.parametrize("damage", [name for name in sorted(DAMAGES) if name not in ("gone", "events too")])
def test_the_store_is_described_all_the_same(vault: Vault, tmp_path: Path, damage: str) -> None:
    do(tmp_path, DAMAGES[damage])
    told = storing.info(vault.opener(), vault.opener().open().document)
    assert (told.accounts, told.damaged, told.keys, told.events) == (1, 1, 3, 1)


@pytest.mark.parametrize("damage", ["no JSON", "no audit", "no data key"])
def test_the_others_are_rekeyed_and_the_damaged_one_is_named(vault: Vault, tmp_path: Path, damage: str) -> None:
    ((whole,),) = _row(tmp_path)
    do(tmp_path, DAMAGES[damage])
    with pytest.raises(CannotOpen, match=f"not wrapped anew: {ACCOUNT}; 1 accounts are done") as caught:
        rekey(vault)
    assert "account remove" in str(caught.value.hint)
    assert vault.held(OTHER, custody=vault.custody(environ=SECOND_KEK)) == Held(OLD)
    header = vault.opener().open().document
    assert header["next_kek"] is not None  # so that the old KEK is still known when the record is restored
    do(tmp_path, f"UPDATE accounts SET document = '{whole}' WHERE account = 'acme'")
    assert rekey(vault).rewrapped == 1
    assert vault.held(custody=vault.custody(environ=SECOND_KEK)) == Held(OLD)
    vault.verify()


def test_a_damaged_account_that_is_given_up_lets_a_rekeying_end(vault: Vault, tmp_path: Path) -> None:
    do(tmp_path, DAMAGES["no JSON"])
    with pytest.raises(CannotOpen):
        rekey(vault)
    accounts.remove_account(vault.custody(), account=ACCOUNT)
    assert rekey(vault).already == 1
    assert vault.opener().open().document["next_kek"] is None


def test_a_damaged_account_can_be_removed(damaged: Vault) -> None:
    accounts.ensure_removable(damaged.custody(environ={}), account=ACCOUNT)
    assert accounts.remove_account(damaged.custody(environ={}), account=ACCOUNT) == (2, False)
    assert damaged.key() is None
    assert [row.account for row in accounts.list_accounts(damaged.opener(), damaged=refuse)] == [OTHER]
    damaged.add(NEW)
    assert damaged.held() == Held(NEW)
    with pytest.raises(AccountNotFound):
        accounts.ensure_removable(damaged.custody(), account="nobody")


@pytest.mark.parametrize("damage", ["no JSON", "no audit", "gone"])
def test_the_trail_of_one_that_was_removed_so_goes_on(vault: Vault, tmp_path: Path, damage: str) -> None:
    do(tmp_path, DAMAGES[damage])
    accounts.remove_account(vault.custody(), account=ACCOUNT)
    assert (vault.verify().unsigned, vault.verify().lost) == (1, 3)
    vault.add()
    assert vault.verify().verified == (ACCOUNT, OTHER)
    assert vault.actions() == ["added", "added", "removed", "added"]


def test_a_key_of_a_damaged_account_can_be_removed_and_its_record_is_left_for_a_backup(
    damaged: Vault, tmp_path: Path
) -> None:
    before = _row(tmp_path)
    result = removing.remove(damaged.custody(), account=ACCOUNT, provider=PROVIDER)
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
