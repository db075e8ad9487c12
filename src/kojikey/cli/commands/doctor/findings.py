"""The findings of ``kojikey doctor``: the text about each, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from kojikey.cli.exits import Exit, code_of, hint_of
from kojikey.model.errors import KojikeyError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document, Ref
from kojikey.operations.store_admin.describing import KEK_BESIDE_STORE
from kojikey.operations.store_admin.diagnosing import (
    Broken,
    Diagnosis,
    KekWorks,
    KeysTried,
    KeyWaits,
    MoreWait,
    RekeyUnfinished,
    TrailUntried,
    TrailVerified,
)


class Finding(NamedTuple):
    """A finding. ``state`` is ``ok``, ``normal`` (for information), ``note`` (a person should look at it) or ``wrong``.

    ``fix`` is what to type or do, ``code`` the exit code of a finding that is wrong.
    """

    name: str
    state: str
    detail: str
    fix: str | None = None
    code: Exit = Exit.OK

    def as_document(self) -> Document:
        """Return the finding as a result of the JSON document."""
        fields = {"name": self.name, "state": self.state, "detail": self.detail, "mend": self.fix}
        return fields | {"code": int(self.code)}


def finding_for(name: str, error: KojikeyError) -> Finding:
    """Return the finding for an error."""
    return Finding(name, "wrong", str(error), hint_of(error, command="doctor"), code_of(error))


def findings_of(found: Diagnosis) -> Iterator[Finding]:
    """Yield the findings for one diagnosis of a store."""
    match found:
        case Broken():
            name = str(found.what).removeprefix("key/") if isinstance(found.what, Ref) else found.what
            yield finding_for(name, found.error)
        case KekWorks():
            yield from _kek(found)
        case RekeyUnfinished():
            fix = next_step("store rekey", "--kek", found.source)
            yield Finding("re-keying", "note", "one was not finished", fix)
        case KeysTried():
            yield _keys(found)
        case KeyWaits():
            yield _waiting(found)
        case MoreWait():
            yield Finding("keys", "note", f"and {found.count} more such notes", next_step("list", "--all-accounts"))
        case TrailVerified():
            yield _trail(found)
        case TrailUntried():
            yield Finding("audit trail", "note", "was not verified, because that needs the KEK")
        case _:
            assert_never(found)


def _kek(found: KekWorks) -> Iterator[Finding]:
    yield Finding("KEK", "ok", found.place)
    if found.is_beside:
        yield Finding(
            "KEK", "note", KEK_BESIDE_STORE, Hint(next_step("store rekey", "--kek", "keychain"), " (or another place)")
        )
    if found.unlocked is not None:
        until, ring = found.unlocked.until, found.unlocked.ring
        reach = "login" if ring == "session" else "user"
        detail = f"until {until}, in the {ring} keyring: any program of this {reach} can read the KEK until then"
        yield Finding("unlocked", "normal", detail, Hint(next_step("lock"), " ends it"))


def _keys(found: KeysTried) -> Finding:
    broken = f", {found.broken} do not" if found.broken else ""
    untried = f", {found.untried} were not tried" if found.untried else ""
    return Finding("keys", "note" if found.broken else "ok", f"{found.opened} open{broken}{untried}")


def _waiting(found: KeyWaits) -> Finding:
    name = f"{found.account}/{found.provider}"

    def command(step: str, *options: str) -> Hint:
        return next_step(step, found.provider, *options, account=found.account)

    if found.what == "staged":
        return Finding(name, "note", "a rotation is not finished", command("rotate", "--resume"))
    if found.what == "expired":
        return Finding(name, "note", f"expired on {str(found.expired_at)[:10]}", command("rotate"))
    if found.last is not None:
        detail = f"was {found.last.outcome} by its last test ({found.last.reason})"
        return Finding(name, "note", detail, command("rotate" if found.last.outcome == "rejected" else "test"))
    return Finding(name, "note", "was never tested", command("test"))


def _trail(found: TrailVerified) -> Finding:
    unsigned = f", {found.unsigned} events unsigned" if found.unsigned else ""
    accounts = counted(found.accounts, "account")
    if found.lost:
        return Finding("audit trail", "note", f"of {accounts}: {found.lost} events cannot be recomputed{unsigned}")
    return Finding("audit trail", "ok", f"whole for {accounts}{unsigned}")
