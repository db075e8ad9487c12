"""What is wrong with a store's contents, and how to mend it. Asks no provider; KMS is asked once an account."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kojikey.model.errors import CannotOpen, KekMissing, KekUnavailable, KojikeyError, UsageError
from kojikey.model.key import Key, Stage
from kojikey.model.next_step import Hint, next_step
from kojikey.model.timestamps import parsed
from kojikey.operations import audit_verification
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.rekeying import spoken_source
from kojikey.operations.storing import BESIDE, lies_beside
from kojikey.operations.unlocking import unlocked
from kojikey.sealing.kek.registry import describe
from kojikey.stores.base import Stored

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at; ``state`` is ``ok``, ``normal`` or ``note``; what is wrong has an ``error``."""

    name: str
    state: str = "ok"
    detail: str = ""
    mend: str | None = None
    error: KojikeyError | None = None


def diagnose(open_store: OpenStore, *, account: str = "default") -> Iterator[Diagnosis]:
    """Yield what was found: the KEK, whether every key opens, the audit trail, and what waits to be done.

    ``account`` is the one for which a KEK that others hold is tried: they may allow it for no other.
    """
    try:
        open_store.kek().try_out(store=open_store.store_id, account=account)
        yield Diagnosis("KEK", detail=describe(open_store.target_spec))
        if lies_beside(open_store.target_spec, open_store.store):
            yield Diagnosis(
                "KEK", "note", BESIDE, Hint(next_step("store rekey", "--kek", "keychain"), " (or another place)")
            )
        yield from _unlocked(open_store)
    except (CannotOpen, UsageError) as error:
        yield Diagnosis("KEK", error=error)
        return
    if open_store.header.get("next_kek"):
        source = spoken_source(open_store.header["next_kek"])
        yield Diagnosis("re-keying", "note", "one was not finished", next_step("store rekey", "--kek", source))
    if (yield from _keys(open_store)):
        yield _audit(open_store)
    else:
        yield Diagnosis("audit trail", "note", "was not verified: that needs the KEK")


def _unlocked(open_store: OpenStore) -> Iterator[Diagnosis]:
    kept = unlocked(open_store.target_spec)
    if kept is not None:
        reach = "login" if kept.ring == "session" else "user"
        detail = (
            f"until {kept.until}, in the {kept.ring} keyring: any program of this {reach} can read the KEK meanwhile"
        )
        yield Diagnosis("unlocked", "normal", detail, Hint(next_step("lock"), " ends it"))


@dataclass(slots=True)
class _Tally:
    opened: int = 0
    broken: int = 0
    untried: int = 0
    waiting: list[tuple[str, str, str]] = field(default_factory=list)

    def summary(self) -> Diagnosis:
        broken = f", {self.broken} do not" if self.broken else ""
        untried = f", {self.untried} were not tried" if self.untried else ""
        return Diagnosis("keys", "note" if broken else "ok", f"{self.opened} open{broken}{untried}")


def _keys(open_store: OpenStore) -> Generator[Diagnosis, None, bool]:
    """Yield what is found of the keys; return whether their KEK could be asked to the end."""
    tally, error = _Tally(), None
    stored_keys = open_store.store.scan()
    for stored in stored_keys:
        error = _trouble_opening(open_store, stored, tally)
        is_kek = isinstance(error, (KekMissing, KekUnavailable))
        if error is not None and (is_kek or tally.broken <= _SHOWN):
            yield Diagnosis(str(stored.ref).removeprefix("key/"), error=error)
        if is_kek:
            # Who holds the KEK was asked with patience; for each account once more, it would take hours.
            tally.untried = sum(1 for _ in stored_keys)
            break
    yield tally.summary()
    yield from _notes(tally.waiting)
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


def _notes(waiting: Sequence[tuple[str, str, str]]) -> Iterator[Diagnosis]:
    for name, detail, mend in waiting[:_SHOWN]:
        yield Diagnosis(name, "note", detail, mend)
    if len(waiting) > _SHOWN:
        yield Diagnosis(
            "keys", "note", f"and {len(waiting) - _SHOWN} more such notes", next_step("list", "--all-accounts")
        )


def _waiting(key: Key) -> list[tuple[str, str, str]]:
    name, words = f"{key.account}/{key.provider}", (key.provider, "--account", key.account)
    notes: list[tuple[str, str, str]] = []
    if key.version(Stage.STAGED):
        notes.append((name, "a rotation is not finished", next_step("rotate", *words, "--resume")))
    expires = key.current.expires_at
    if expires and parsed(expires) < datetime.now(UTC):
        notes.append((name, f"expired on {expires[:10]}", next_step("rotate", *words)))
    if key.current.last_test is None:
        notes.append((name, "was never tested", next_step("test", *words)))
    return notes


def _audit(open_store: OpenStore) -> Diagnosis:
    try:
        result = audit_verification.verify(open_store, account=None)
    except CannotOpen as error:
        return Diagnosis("audit trail", error=error)
    for problems in result.broken.values():
        return Diagnosis("audit trail", error=problems[0])
    unsigned = f", {result.unsigned} events unsigned" if result.unsigned else ""
    count = len(result.verified)
    accounts = f"{count} account{'' if count == 1 else 's'}"
    if result.lost:
        return Diagnosis("audit trail", "note", f"of {accounts}: {result.lost} events cannot be recomputed{unsigned}")
    return Diagnosis("audit trail", detail=f"whole for {accounts}{unsigned}")
