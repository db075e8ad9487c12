"""A store with a KEK for the tests of operations, and fake tests of keys with a given result.

Owns: creating, opening and reading the store. Must not: assert what an operation does.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kojikey.model.errors import KojikeyError
from kojikey.model.key import Key, Stage
from kojikey.model.ref import Document
from kojikey.model.secret import Secret
from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Verdict
from kojikey.operations.adding import NewKey
from kojikey.operations.audit import audit_verification, auditing
from kojikey.operations.key_records import key_of
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Target
from kojikey.operations.results import AuditResult, ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.store_admin import creating
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Store
from kojikey.stores.memory import MemoryStore, SharedMemory
from kojikey.stores.sqlite.store import SqliteStore
from support import rotation

ACCOUNT, PROVIDER = "acme", "elevenlabs"
BASE_URL = "https://api.elevenlabs.io"
OLD, NEW, THIRD = "sk_old_key_0123456789", "sk_new_key_0123456789", "sk_third_key_0123456789"
MOMENTS = ("2026-11-23T04:47:00Z", "2026-11-23T05:47:00Z", "2026-11-23T06:47:00Z")


def _kek(byte: int) -> str:
    return base64.urlsafe_b64encode(bytes([byte]) * 32).decode()


FIRST_KEK = {"KOJIKEY_KEK": _kek(1)}
SECOND_KEK = {"NEW_KEK": _kek(2)}
KEKS = {**FIRST_KEK, **SECOND_KEK}
SETTINGS = KeySettings()

Opener = Callable[[], Store]


def _memory(_: Path) -> Opener:
    shared_memory = SharedMemory()
    return lambda: MemoryStore(shared_memory)


def _sqlite(folder: Path) -> Opener:
    return lambda: SqliteStore(str(folder / "keys.db"))


ADAPTERS: dict[str, Callable[[Path], Opener]] = {"memory": _memory, "sqlite": _sqlite}

_FILLED: dict[Callable[[SampleStore], object], bytes] = {}  # the store's file, by the function that filled it


def verdict(reason: Reason = Reason.OK, *, at: str = MOMENTS[0]) -> Verdict:
    """Return the verdict of a test that found this reason."""
    authentic = {Outcome.VALID: True, Outcome.LIMITED: True, Outcome.REJECTED: False, Outcome.INDETERMINATE: None}
    return Verdict(reason, authentic[OUTCOME_OF[reason]], tested_at=at)


def yes(_: Verdict) -> bool:
    """Approve every verdict."""
    return True


def no(_: Verdict) -> bool:
    """Approve no verdict."""
    return False


def refuse(error: KojikeyError) -> None:
    """Raise an error that an operation would report and skip."""
    raise error


@dataclass
class FakeTester:
    """Returns a verdict with one reason, records its arguments, and calls ``meanwhile`` before it returns."""

    reason: Reason = Reason.OK
    at: str = MOMENTS[0]
    meanwhile: Callable[[], object] | None = None
    asked: list[tuple[str, Target]] = field(default_factory=list)

    async def __call__(self, secret: Secret, target: Target) -> Verdict:
        self.asked.append((secret.reveal(), target))
        if self.meanwhile is not None:
            self.meanwhile()
        return verdict(self.reason, at=self.at)


class Held(NamedTuple):
    """The plaintexts of a key, by stage."""

    current: str
    staged: str | None = None
    previous: str | None = None


@dataclass
class SampleStore:
    """A store, and the environment with its KEK."""

    opener: Opener
    environ: dict[str, str] = field(default_factory=lambda: dict(KEKS))

    @classmethod
    def made(cls, opener: Opener) -> SampleStore:
        """Create a store."""
        sample_store = cls(opener)
        creating.create(opener(), source="env", inputs=sample_store.inputs())
        return sample_store

    @classmethod
    def in_memory(cls) -> SampleStore:
        """Create a store in the memory of this process."""
        return cls.made(ADAPTERS["memory"](Path()))

    @classmethod
    def rotated(cls) -> SampleStore:
        """Create a store in memory, with a key that has a previous version."""
        sample_store = cls.in_memory()
        sample_store.add()
        sample_store.rotate()
        return sample_store

    @classmethod
    def filled(cls, folder: Path, fill: Callable[[SampleStore], object]) -> SampleStore:
        """Create a filled store in ``keys.db`` of a folder. The first file of a ``fill`` is copied for later tests."""
        sample_store = cls(_sqlite(folder))
        path = folder / "keys.db"
        if fill in _FILLED:
            path.touch(0o600)
            path.write_bytes(_FILLED[fill])
        else:
            fill(cls.made(sample_store.opener))
            _FILLED[fill] = path.read_bytes()
        return sample_store

    def inputs(self) -> KekInputs:
        """Return the inputs of the KEK sources."""
        return KekInputs(self.environ, None)

    def open_store(self, store: Store | None = None, *, environ: dict[str, str] | None = None) -> OpenStore:
        """Open the store anew, through another adapter if one is given."""
        used = store or self.opener()
        inputs = self.inputs() if environ is None else KekInputs(environ, None)
        header = (self.opener() if store else used).open().document
        return OpenStore(used, header, inputs, actor="somebody@somewhere")

    def held(
        self, account: str = ACCOUNT, provider: str = PROVIDER, *, open_store: OpenStore | None = None
    ) -> Held | None:
        """Return the opened versions of a key, None if there is no key."""
        stored = (found := self.open_store()).find_key(account, provider)
        if stored is None:
            return None
        open_store, key = open_store or found, key_of(stored)
        values = {version.stage: open_store.open(key, version).reveal() for version in key.versions}
        return Held(values[Stage.CURRENT], values.get(Stage.STAGED), values.get(Stage.PREVIOUS))

    def key(self, account: str = ACCOUNT, provider: str = PROVIDER) -> Key | None:
        """Return a key of the store, None if there is none."""
        stored = self.open_store().find_key(account, provider)
        return key_of(stored) if stored else None

    def events(self, account: str | None = ACCOUNT) -> list[Document]:
        """Return the events of an account."""
        return list(auditing.events(self.opener(), account=account).events)

    def actions(self, account: str = ACCOUNT) -> list[str]:
        """Return the actions of an account's events, in order."""
        return [event["action"] for event in self.events(account)]

    def verify(self, account: str | None = None) -> AuditResult:
        """Verify the audit trail of every account, or of one; raise the first problem."""
        result = audit_verification.verify(self.open_store(), account=account)
        for problems in result.broken.values():
            raise problems[0]
        return result

    def add(
        self,
        value: str = OLD,
        *,
        account: str = ACCOUNT,
        provider: str = PROVIDER,
        test: Probe | None = None,
        approve: Approve = no,
        settings: KeySettings = SETTINGS,
        open_store: OpenStore | None = None,
    ) -> ChangeResult:
        """Add a key, untested without ``test``."""
        target = Target(provider, settings.base_url or BASE_URL, settings.models or (), settings.capabilities or ())
        new = NewKey(account, target, Secret(value), settings)
        return rotation.add(open_store or self.open_store(), new, test=test, approve=approve)

    def rotate(
        self,
        value: str = NEW,
        *,
        account: str = ACCOUNT,
        test: Probe | None = None,
        approve: Approve = no,
        settings: KeySettings = SETTINGS,
        open_store: OpenStore | None = None,
    ) -> ChangeResult:
        """Rotate a key, untested without ``test``."""
        new = Replacement(account, PROVIDER, Secret(value), settings)
        return rotation.rotate(open_store or self.open_store(), new, test=test, approve=approve)

    def stage(self, value: str = NEW, *, settings: KeySettings = SETTINGS) -> None:
        """Leave a value staged."""
        result = self.rotate(value, test=FakeTester(Reason.UNREACHABLE), settings=settings)
        assert result.action == "staged"

    def rotate_staged(self) -> None:
        """Promote the staged version, untested."""
        rotation.resume(self.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
