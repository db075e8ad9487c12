"""Two KEKs of any kinds, and a store that is rekeyed from one to the other.

Owns: making the KEKs, and checking the store before, during and after.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kojikey.model.errors import CannotOpen
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import RekeyResult
from kojikey.operations.store_admin import accounts, creating, rekeying
from kojikey.sealing.kek.age_recipients import Recipient
from kojikey.sealing.kek.base import KekInputs
from kojikey.sealing.kek.registry import discard, wrapped_kid
from support.faulty import Crash, FaultyStore
from support.identities import identity
from support.sample_store import ACCOUNT, NEW, OLD, Held, Opener, SampleStore
from support.servers.aws import REGION, Aws
from support.servers.secret_service import UNLOCKED, session

OTHER, REMOVED = "globex", "initech"
LOCAL = ("env", "env:NAME", "file", "passphrase", "recipients")
KINDS = (*LOCAL, "keychain", "awskms")
COMMITS = 4  # the announcement, two accounts, the end


@pytest.fixture
def keychain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    """Return the environment of a keychain for one test, because a daemon ended by itself after some hundred calls."""
    yield from session(tmp_path_factory.mktemp("keychain"), UNLOCKED)


def _kek_text(byte: int) -> str:
    return base64.urlsafe_b64encode(bytes([byte]) * 32).decode()


@dataclass(frozen=True)
class Side:
    """One of the two KEKs: its source, the environment that it is read from, and a function that removes its file."""

    source: str
    environ: dict[str, str]
    away: Callable[[], object] = lambda: None
    recipients: tuple[Recipient, ...] = ()

    def inputs(self, environ: dict[str, str]) -> KekInputs:
        """Return the inputs of this KEK's source in an environment."""
        return KekInputs(environ, None, recipients=self.recipients)


Sides = Callable[[str, str], Side]


@pytest.fixture
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Sides:
    """Return a function that makes the old or the new KEK of a kind."""

    def made(kind: str, which: str) -> Side:
        if kind == "env":
            return Side("env", {"KOJIKEY_KEK": _kek_text(len(which))})
        if kind == "env:NAME":
            name = f"{which.upper()}_KEK"
            return Side(f"env:{name}", {name: _kek_text(10 + len(which))})
        if kind == "recipients":
            return _shared()
        if kind == "keychain":
            return Side("keychain", dict(request.getfixturevalue("keychain").environ))
        if kind == "awskms":
            aws: Aws = request.getfixturevalue("aws")
            return Side(f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}", {})
        path = tmp_path / f"{which}.{kind}"
        if kind == "file":
            return Side(f"file:{path}", {}, path.unlink)
        path.write_text(f"the {which} passphrase of this store\n")
        path.chmod(0o600)
        return Side("passphrase", {"KOJIKEY_PASSPHRASE_FILE": str(path)}, path.unlink)

    return made


def _shared() -> Side:
    """Return a KEK that is sealed to one person, the same person on both sides: a new list has a new KEK."""
    person = identity("anna")
    return Side("recipients", {"KOJIKEY_IDENTITY": person.secret}, recipients=(person.recipient,))


class Move:
    """A store that is rekeyed from one KEK to another."""

    def __init__(self, store: Opener, old: Side, new: Side) -> None:
        self.store, self.old, self.new = store, old, new
        self.before, self.after = dict(old.environ), dict(new.environ)
        header, _ = creating.create(self.store(), source=self.old.source, inputs=self.old.inputs(self.before))
        self.spec = header["kek"]
        self.sample_store = SampleStore(self.store, {**self.after, **self.before})
        for account in (ACCOUNT, OTHER, REMOVED):
            self.sample_store.add(account=account)
        self.sample_store.rotate(account=OTHER)
        accounts.remove_account(self.sample_store.open_store(), account=REMOVED)
        self.sealed = [stored.document for stored in self.store().scan()]

    def rekey(self, store: FaultyStore | None = None) -> RekeyResult:
        """Rekey to the new KEK, whose inputs are separate from those of the old one."""
        inputs = self.new.inputs({**self.before, **self.after})
        return rekeying.rekey(self.sample_store.open_store(store), source=self.new.source, new_inputs=inputs)

    def killed(self, *, at: int, after: bool) -> bool:
        try:
            self.rekey(FaultyStore(self.store(), Crash(), at=at, after=after))
        except Crash:
            return True
        return False

    def opens(self) -> None:
        """Check that every key opens, with either environment if both KEKs come from the same variable."""
        both = [
            self.sample_store.open_store(environ=environ)
            for environ in (self.sample_store.environ, {**self.before, **self.after})
        ]
        for account, held in ((ACCOUNT, Held(OLD)), (OTHER, Held(NEW, previous=OLD))):
            assert any(self._held(account, open_store) == held for open_store in both)
        assert [stored.document for stored in self.store().scan()] == self.sealed

    def _held(self, account: str, open_store: OpenStore) -> Held | None:
        try:
            return self.sample_store.held(account, open_store=open_store)
        except CannotOpen:
            return None

    def check_end(self) -> None:
        """Check that only the new KEK is needed."""
        self.old.away()
        discard(self.spec, KekInputs({**self.sample_store.environ, **self.before}, None))
        self.before.clear()
        alone = SampleStore(self.store, self.after)
        open_store = alone.open_store()
        header = self.store().open().document
        assert header["next_kek"] is None
        assert header["kek"]["source"] == self.new.source.partition(":")[0]
        kids = {wrapped_kid(wrapped) for stored in self.store().accounts() if (wrapped := stored.document["wrapped"])}
        assert kids == {header["kek"]["kid"]}
        assert alone.held(ACCOUNT, open_store=open_store) == Held(OLD)
        assert alone.held(OTHER, open_store=open_store) == Held(NEW, previous=OLD)
        assert alone.held(REMOVED, open_store=open_store) is None
        alone.verify()
        assert alone.actions().count("rekeyed") == alone.actions(OTHER).count("rekeyed") == 1
        assert "rekeyed" not in alone.actions(REMOVED)
        assert [stored.document for stored in self.store().scan()] == self.sealed
        alone.add(account="hooli")  # and a new account is wrapped with it
        assert alone.held("hooli") == Held(OLD)
