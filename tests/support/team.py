"""A store whose KEK is sealed to several people, and operations on it by each of them.

Owns: the people and their store. Must not: assert what an operation does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kojikey.config.known_keks import KnownKekFiles
from kojikey.model.ref import HEADER, Document
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import creating, recipients
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change, Store
from kojikey.stores.sqlite.store import SqliteStore
from support.faulty import Once
from support.identities import Person, identity
from support.sample_store import ACCOUNT, Held, SampleStore

ANNA, BOB, CI, EVE = identity("anna"), identity("bob"), identity("ci"), identity("eve")
OTHER = "globex"
COMMITS = 4  # of a removal: the announcement, two accounts, the end


class Team:
    """A store of several people, each with their own machine that remembers the KEK."""

    def __init__(self, folder: Path, *people: Person) -> None:
        self.folder = folder
        inputs = self.inputs(people[0])._replace(recipients=tuple(person.recipient for person in people))
        creating.create(self.store(), source="recipients", inputs=inputs)
        for account in (ACCOUNT, OTHER):
            self.sample(people[0]).add(account=account, open_store=self.opened(people[0]))

    def store(self) -> SqliteStore:
        return SqliteStore(str(self.folder / "keys.db"))

    def inputs(self, person: Person) -> KekInputs:
        known = KnownKekFiles(str(self.folder / person.recipient.name), None)
        return KekInputs({"KOJIKEY_IDENTITY": person.secret}, None, actor=person.recipient.name, known=known)

    def sample(self, person: Person) -> SampleStore:
        return SampleStore(self.store, {"KOJIKEY_IDENTITY": person.secret})

    def opened(self, person: Person, store: Store | None = None) -> OpenStore:
        found = store or self.store()
        return OpenStore(found, self.store().open().document, self.inputs(person), actor=person.recipient.name)

    def held(self, person: Person, account: str = ACCOUNT) -> Held | None:
        return self.sample(person).held(account, open_store=self.opened(person))

    def add(self, by: Person, *added: Person) -> None:
        recipients.add(self.opened(by), [person.recipient for person in added], self.inputs(by))

    def remove(self, by: Person, gone: Person, store: Store | None = None) -> None:
        recipients.remove(self.opened(by, store), gone.recipient.text, self.inputs(by))

    def names(self, by: Person) -> list[str]:
        return [row.recipient.name for row in recipients.list_recipients(self.opened(by), self.inputs(by))]

    def copy(self) -> bytes:
        """Return a copy of the store's file."""
        database = sqlite3.connect(self.folder / "keys.db")
        database.execute("pragma wal_checkpoint(truncate)")
        database.close()
        return (self.folder / "keys.db").read_bytes()

    def put_back(self, copy: bytes) -> None:
        for more in ("-wal", "-shm"):
            (self.folder / f"keys.db{more}").unlink(missing_ok=True)
        (self.folder / "keys.db").write_bytes(copy)

    def forge(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the header, like a person who can write to the store and has no KEK."""
        stored = self.store().open()
        document = json.loads(json.dumps(stored.document))
        change(document)
        self.store().commit((Change(HEADER, document, stored.revision),))


class BusyStore(SqliteStore):
    """A store that calls ``meanwhile``, for another person's change, just before its first own change."""

    def __init__(self, team: Team, meanwhile: Callable[[], None]) -> None:
        super().__init__(str(team.folder / "keys.db"))
        self._meanwhile = Once(meanwhile)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        self._meanwhile()
        return super()._commit(changes, events)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path, ANNA, BOB, CI)
