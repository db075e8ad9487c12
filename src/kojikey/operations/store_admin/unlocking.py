"""Keeps a store's KEK in the kernel's keyring for a time, so that its passphrase is asked for once and not each time.

Owns: which stores can be unlocked, and for how long. Must not: write anything to a disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.model.timestamps import stamp
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.kek import kernel_keyring
from kojikey.sealing.kek.base import LocalKek
from kojikey.sealing.kek.registry import load

REKEY_TO_KEYCHAIN = next_step("store rekey", "--kek", "keychain")


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The time until which a store opens without its passphrase, and the keyring (``session`` or ``user``)."""

    until: str
    ring: str


def ensure_unlockable(open_store: OpenStore) -> None:
    """Check that a store has a passphrase and that its KEK can be kept, before the passphrase is asked for.

    Raises:
        UsageError: the store's KEK is not a passphrase, or this system has no keyring for it.
    """
    if any(spec.get("source") != "passphrase" for spec in open_store.specs_in_use()):
        raise UsageError(
            "the store's key-encryption key is not a passphrase, so there is nothing to unlock",
            hint=Hint("unlock is for stores with a passphrase; a KEK that needs no question: ", REKEY_TO_KEYCHAIN),
            effect=Effect.NOTHING_UNLOCKED,
        )
    if not kernel_keyring.is_there():
        raise _no_keyring()


def unlock(open_store: OpenStore, *, duration: timedelta) -> Unlocked:
    """Ask for the store's passphrase and keep its KEK for a time; during a re-keying, both KEKs in use.

    Raises:
        UsageError: as for :func:`ensure_unlockable`. CannotOpen: the passphrase is missing or wrong; nothing was kept.
    """
    ensure_unlockable(open_store)
    specs = open_store.specs_in_use()
    keks = [load(spec, open_store.inputs_for(spec)._replace(may_use_unlocked=False)) for spec in specs]
    until = stamp(datetime.now(UTC) + duration)
    rings = {
        kernel_keyring.keep(kek.kid, kek.reveal(), until=until, seconds=int(duration.total_seconds()))
        for kek in keks
        if isinstance(kek, LocalKek)
    }
    ring = rings.pop() if len(rings) == 1 else None
    if ring is None:
        kernel_keyring.drop_all()
        raise _no_keyring()
    return Unlocked(until, ring)


def lock() -> int:
    """Drop the KEKs of all stores from the keyring, and return their number."""
    return kernel_keyring.drop_all()


def forget(spec: Document) -> None:
    """Drop the KEK that a spec names from the keyring, because the store has another one now."""
    kernel_keyring.drop(str(spec.get("kid")))


def unlocked(spec: Document) -> Unlocked | None:
    """Return how the keyring keeps the KEK that a spec names, None if it does not. Opens nothing."""
    if spec.get("source") != "passphrase":
        return None
    kept = kernel_keyring.kept(str(spec.get("kid")))
    return Unlocked(kept.until, kept.ring) if kept is not None else None


def _no_keyring() -> UsageError:
    return UsageError(
        "this system has no kernel keyring that keeps a key for a time",
        hint=Hint("to open the store without a passphrase: ", REKEY_TO_KEYCHAIN, ", or KOJIKEY_PASSPHRASE_FILE"),
        effect=Effect.NOTHING_UNLOCKED,
    )
