"""Compares the KEK of a store with recipients with the KEK that is remembered on this machine.

Owns: when a KEK is trusted, and when it is remembered. Must not: know where it is remembered.

A writer of the store can seal a KEK of their own to everybody's public key, or restore an old header. So the id of the
first KEK of a store that is used here is remembered. Another KEK is trusted only if statements that are signed with the
remembered one lead to it: :mod:`kojikey.sealing.succession`.
"""

from __future__ import annotations

from kojikey.model.errors import KekChanged
from kojikey.model.plain_text import quoted
from kojikey.model.ref import Document
from kojikey.sealing.kek.base import Kek, KnownKek
from kojikey.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.sealing.kek.base import KnownKeks

MOST_SUCCESSIONS = 16
"""A store keeps this many statements. Somebody who was away for more changes is asked to accept the new KEK."""


def ensure_known(known: KnownKeks | None, store: Store, header: Document, spec: Document, kek: Kek) -> None:
    """Check a KEK of a header before it is used, and remember it if none is remembered for this store.

    ``spec`` is the part of the header that names the KEK.

    Raises:
        KekChanged: another KEK, or another store, is remembered here, and no signed statement leads to this one.
    """
    before = known.recall(store.place) if known is not None else None
    if known is None or (before is None and spec.get("source") != "recipients"):
        return
    if before is not None and not _is_trusted(before, header, kek):
        raise _changed(before, store.place, header, kek)
    # A re-keying that is under way may be given up, so the old KEK stays remembered until its end.
    is_settled = header["kek"].get("kid") == kek.kid
    if is_settled and (before is None or before.kid != kek.kid):
        remember(known, store, header, kek)


def remember(known: KnownKeks | None, store: Store, header: Document, kek: Kek) -> None:
    """Remember the KEK of a store with recipients; forget that of a store without."""
    if known is None:
        return
    if header["kek"].get("source") != "recipients":
        known.forget(store.place)
        return
    from kojikey.sealing.succession import verifier

    known.remember(store.place, KnownKek(str(header["store_id"]), kek.kid, verifier(kek)))


def _is_trusted(before: KnownKek, header: Document, kek: Kek) -> bool:
    if before.store_id != header["store_id"]:
        return False
    if before.kid == kek.kid:
        return True
    from kojikey.sealing.succession import leads

    return leads(before, kek.kid, successions(header), store_id=before.store_id)


def successions(header: Document) -> list[object]:
    """Return the statements in a header, unverified: :mod:`kojikey.sealing.succession` checks each."""
    found = header.get("successions")
    return found if isinstance(found, list) else []


def _changed(before: KnownKek, place: str, header: Document, kek: Kek) -> KekChanged:
    if before.store_id != header["store_id"]:
        return KekChanged(place, f"become another store ({quoted(header['store_id'])}) than the one that is known here")
    new = kek.kid if kek.kid.isalnum() else quoted(kek.kid)
    return KekChanged(place, f"another key-encryption key ({new}) than the one that is known here ({before.kid})")
