"""What is wrong with a store's contents, and how to mend it. Makes no request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from kojikey.model.errors import CannotOpen, KojikeyError
from kojikey.model.key import Key, Stage
from kojikey.model.moment import parsed
from kojikey.operations import auditing
from kojikey.operations.custody import Custody
from kojikey.operations.listing import key_of
from kojikey.operations.storing import BESIDE, lies_beside, spoken_source
from kojikey.sealing.kek import describe

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at; ``state`` is ``ok`` or ``note``, and what is wrong has an ``error``."""

    name: str
    state: str = "ok"
    detail: str = ""
    mend: str | None = None
    error: KojikeyError | None = None


def diagnose(custody: Custody) -> Iterator[Diagnosis]:
    """Yield what was found: the KEK, whether every key opens, the audit trail, and what waits to be done."""
    try:
        custody.kek()
        yield Diagnosis("KEK", detail=describe(custody.target_spec))
        if lies_beside(custody.target_spec, custody.store):
            yield Diagnosis("KEK", "note", BESIDE, "kojikey store rekey --kek keychain (or another place)")
    except CannotOpen as error:
        yield Diagnosis("KEK", error=error)
        return
    if custody.header.get("next_kek"):
        source = spoken_source(custody.header["next_kek"])
        yield Diagnosis("re-keying", "note", "one was not finished", f"kojikey store rekey --kek {source}")
    yield from _keys(custody)
    yield _audit(custody)


def _keys(custody: Custody) -> Iterator[Diagnosis]:
    opened, broken, waiting = 0, 0, []
    for stored in custody.store.scan():
        try:
            key = key_of(stored)
            for version in key.versions:
                custody.sealer(key.account).open(
                    version.sealed, provider=key.provider, version=version.number, base_url=version.base_url
                )
        except CannotOpen as error:
            broken += 1
            if broken <= _SHOWN:
                yield Diagnosis(f"{stored.ref.account}/{stored.ref.provider}", error=error)
            continue
        opened += 1
        waiting += _waiting(key)
    yield Diagnosis("keys", detail=f"{opened} open" + (f", {broken} do not" if broken else ""))
    for name, detail, mend in waiting[:_SHOWN]:
        yield Diagnosis(name, "note", detail, mend)
    if len(waiting) > _SHOWN:
        yield Diagnosis("keys", "note", f"and {len(waiting) - _SHOWN} more such notes", "kojikey list --all-accounts")


def _waiting(key: Key) -> list[tuple[str, str, str]]:
    name, account = f"{key.account}/{key.provider}", f"--account {key.account}"
    notes = []
    if key.version(Stage.STAGED):
        notes.append((name, "a rotation is not finished", f"kojikey rotate {key.provider} {account} --resume"))
    expires = key.current.expires_at
    if expires and parsed(expires) < datetime.now(UTC):
        notes.append((name, f"expired on {expires[:10]}", f"kojikey rotate {key.provider} {account}"))
    if key.current.last_test is None:
        notes.append((name, "was never tested", f"kojikey test {key.provider} {account}"))
    return notes


def _audit(custody: Custody) -> Diagnosis:
    try:
        result = auditing.verify(custody, account=None)
    except CannotOpen as error:
        return Diagnosis("audit trail", error=error)
    unsigned = f", {result.unsigned} events unsigned" if result.unsigned else ""
    return Diagnosis("audit trail", detail=f"whole for {len(result.verified)} accounts{unsigned}")
