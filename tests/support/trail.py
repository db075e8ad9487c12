"""An audit trail in a store's file, read and changed with SQL, like a person with an SQLite shell.

Owns: a store with a trail, changes of its rows, and the place at which ``verify`` finds the first bad event.
Must not: know which change a test makes.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import AuditBroken
from kojikey.model.ref import Document
from support import rotation
from support.sample_store import ACCOUNT, PROVIDER, THIRD, FakeTester, SampleStore, no

LENGTH = 6
OTHER = "other"


class File:
    """The store's file, read and changed with SQL."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def do(self, statement: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def event(self, seq: int, account: str = ACCOUNT) -> Document:
        ((text,),) = self.do("SELECT document FROM events WHERE account = ? AND seq = ?", account, seq)
        document: Document = json.loads(text)
        return document

    def put(self, seq: int, event: Document, account: str = ACCOUNT) -> None:
        self.do("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", account, seq, json.dumps(event))

    def drop(self, seq: int, account: str = ACCOUNT) -> None:
        self.do("DELETE FROM events WHERE account = ? AND seq = ?", account, seq)

    def account(self, account: str = ACCOUNT) -> Document:
        ((text,),) = self.do("SELECT document FROM accounts WHERE account = ?", account)
        document: Document = json.loads(text)
        return document

    def put_account(self, document: Document, account: str = ACCOUNT) -> None:
        self.do("UPDATE accounts SET document = ? WHERE account = ?", json.dumps(document), account)

    def end_with(self, seq: int, mac: str, **more: object) -> None:
        """Make the account's record end with this event, as far as that is possible without the KEK."""
        document = self.account()
        self.put_account({**document, "audit": {**document["audit"], "seq": seq, "mac": mac, **more}})


@pytest.fixture
def sample_store(tmp_path: Path) -> SampleStore:
    """Return a store with two accounts, one of them with ``LENGTH`` events."""
    return SampleStore.filled(tmp_path, _fill)


def _fill(sample_store: SampleStore) -> None:
    sample_store.add(test=FakeTester())
    sample_store.rotate(test=FakeTester())
    sample_store.rotate(THIRD, test=FakeTester())
    rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    sample_store.add(account=OTHER)
    sample_store.rotate(account=OTHER)
    assert len(sample_store.events()) == LENGTH
    sample_store.verify()


@pytest.fixture
def file(sample_store: SampleStore, tmp_path: Path) -> File:
    return File(tmp_path / "keys.db")


def first_bad(sample_store: SampleStore, account: str | None = None) -> tuple[str, int]:
    with pytest.raises(AuditBroken) as caught:
        sample_store.verify(account)
    return caught.value.account, caught.value.seq
