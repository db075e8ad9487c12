"""Finds errors in a store, and keys that need attention. Asks no provider; asks KMS once for each account.

Must not: write messages. Each finding is a value.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from kojikey.model.errors import CannotOpen, KekMissing, KekUnavailable, KojikeyError, UsageError
from kojikey.model.key import Key, Stage, TestRecord
from kojikey.model.ref import Ref
from kojikey.model.timestamps import parsed
from kojikey.operations.audit import audit_verification
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin.describing import lies_beside
from kojikey.operations.store_admin.unlocking import Unlocked, unlocked
from kojikey.sealing.kek.registry import describe, typed_source
from kojikey.stores.base import Stored

_NAMED = 5
"""At most this many broken keys, and this many waiting ones, are named."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The KEK, the audit trail or a key does not work."""

    what: Literal["KEK", "audit trail"] | Ref
    error: KojikeyError


@dataclass(frozen=True, slots=True)
class KekWorks:
    """The KEK works. ``is_beside``: it is a file in the store's own folder."""

    place: str
    is_beside: bool
    unlocked: Unlocked | None


@dataclass(frozen=True, slots=True)
class RekeyUnfinished:
    """A re-keying was not finished; ``source`` is the source of its KEK, in the form that people type."""

    source: str


@dataclass(frozen=True, slots=True)
class KeysTried:
    """The numbers of keys that open, that do not, and that were not tried."""

    opened: int
    broken: int
    untried: int


@dataclass(frozen=True, slots=True)
class KeyWaits:
    """A key needs attention. ``expired_at`` is given for ``expired``, and ``last`` for ``failing``."""

    account: str
    provider: str
    what: Literal["staged", "expired", "untested", "failing"]
    expired_at: str | None = None
    last: TestRecord | None = None


@dataclass(frozen=True, slots=True)
class MoreWait:
    """The number of waiting keys that are not named."""

    count: int


@dataclass(frozen=True, slots=True)
class TrailVerified:
    """Nothing was changed in the audit trail. ``lost`` counts events of removed accounts, which cannot be verified."""

    accounts: int
    unsigned: int
    lost: int


@dataclass(frozen=True, slots=True)
class TrailUntried:
    """The audit trail was not verified, because the KEK was not available to the end."""


Diagnosis: TypeAlias = (
    Broken | KekWorks | RekeyUnfinished | KeysTried | KeyWaits | MoreWait | TrailVerified | TrailUntried
)


def diagnose(open_store: OpenStore, *, account: str = "default") -> Iterator[Diagnosis]:
    """Yield the findings about the KEK, the keys, the keys that need attention, and the audit trail.

    A KEK in a KMS is tried with ``account``: the KMS may allow it for no other.
    """
    try:
        yield _tried_kek(open_store, account)
    except (CannotOpen, UsageError) as error:
        yield Broken("KEK", error)
        return
    if open_store.header.get("next_kek"):
        yield RekeyUnfinished(typed_source(open_store.header["next_kek"]))
    if (yield from _keys(open_store)):
        yield _audit(open_store)
    else:
        yield TrailUntried()


def _tried_kek(open_store: OpenStore, account: str) -> KekWorks:
    spec = open_store.target_spec
    open_store.kek().try_out(store=open_store.store_id, account=account)
    return KekWorks(describe(spec), lies_beside(spec, open_store.store), unlocked(spec))


@dataclass(slots=True)
class _Tally:
    opened: int = 0
    broken: int = 0
    untried: int = 0
    waiting: list[KeyWaits] = field(default_factory=list)


def _keys(open_store: OpenStore) -> Generator[Diagnosis, None, bool]:
    """Yield the findings about the keys; return whether the KEK was available to the end."""
    tally, error = _Tally(), None
    stored_keys = open_store.store.scan()
    for stored in stored_keys:
        error = _trouble_opening(open_store, stored, tally)
        is_kek = isinstance(error, (KekMissing, KekUnavailable))
        if error is not None and (is_kek or tally.broken <= _NAMED):
            yield Broken(stored.ref, error)
        if is_kek:
            # A KMS that does not answer is asked several times; doing that for each account would take hours.
            tally.untried = sum(1 for _ in stored_keys)
            break
    yield KeysTried(tally.opened, tally.broken, tally.untried)
    yield from tally.waiting[:_NAMED]
    if len(tally.waiting) > _NAMED:
        yield MoreWait(len(tally.waiting) - _NAMED)
    return not isinstance(error, (KekMissing, KekUnavailable))


def _trouble_opening(open_store: OpenStore, stored: Stored, tally: _Tally) -> CannotOpen | None:
    try:
        key = key_of(stored)
        for version in key.versions:
            open_store.open(key, version)
    except CannotOpen as error:
        tally.broken += 1
        return error
    tally.opened += 1
    tally.waiting += _waiting(key)
    return None


def _waiting(key: Key) -> Iterator[KeyWaits]:
    if key.version(Stage.STAGED) or key.is_mint_unfinished:
        yield KeyWaits(key.account, key.provider, "staged")
    expires = key.current.expires_at
    if expires and parsed(expires) < datetime.now(UTC):
        yield KeyWaits(key.account, key.provider, "expired", expires)
    last = key.current.last_test
    if last is None:
        yield KeyWaits(key.account, key.provider, "untested")
    elif last.outcome in ("rejected", "limited"):
        yield KeyWaits(key.account, key.provider, "failing", last=last)


def _audit(open_store: OpenStore) -> Diagnosis:
    try:
        result = audit_verification.verify(open_store, account=None)
    except CannotOpen as error:
        return Broken("audit trail", error)
    for problems in result.broken.values():
        return Broken("audit trail", problems[0])
    return TrailVerified(len(result.verified), result.unsigned, result.lost)
