"""Making a store, and saying what it is."""

from __future__ import annotations

import os
import uuid

from kojikey.model import validators
from kojikey.model.errors import (
    CannotOpen,
    KojikeyError,
    RecordChanged,
    StoreExists,
    StoreNotFound,
    WrongKek,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.model.timestamps import now
from kojikey.operations.known_kek import remember
from kojikey.operations.open_store import FORMAT
from kojikey.operations.record_checks import checked_header, is_well_formed
from kojikey.operations.results import StoreInfo
from kojikey.operations.unlocking import unlocked
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import describe, discard, load, make, same_source
from kojikey.stores.base import Store

_ELSEWHERE = {"env": "env:NAME, with that KEK in the variable NAME", "file": "file:PATH, with that KEK in another file"}
BESIDE = "the file with the key-encryption key lies in the store's own folder: whoever copies the folder has both"


def create(store: Store, *, source: str, inputs: KekInputs) -> tuple[Document, Kek]:
    """Make a store whose KEK comes from ``source``; return its header and the KEK.

    Raises:
        StoreExists: there is one; neither it nor its KEK was touched.
        CannotOpen: the source has no KEK and cannot make one; no store was made.
    """
    store_id = str(uuid.uuid4())
    spec, kek = make(source, store_id=store_id, inputs=inputs)
    header: Document = {"format": FORMAT, "store_id": store_id, "created_at": now(), "kek": spec, "next_kek": None}
    try:
        store.create(header)
    except BaseException:
        if not mentions(store, kek.kid, without_store=False):
            discard(spec, inputs)
        raise
    remember(inputs.known, store, header, kek)
    return header, kek


def mentions(store: Store, kid: str, *, without_store: bool = True) -> bool:
    """Tell whether the header names this KEK, or may name it: what failed may have been made all the same."""
    try:
        header = store.open().document
    except StoreNotFound:
        return without_store
    except KojikeyError:
        return True
    return any(
        isinstance(spec, dict) and spec.get("kid") == kid for spec in (header.get("kek"), header.get("next_kek"))
    )


def lies_beside(spec: Document, store: Store) -> bool:
    """Tell whether the KEK is a file in the store's own folder, where one leak gives away both."""
    return spec.get("source") == "file" and os.path.dirname(str(spec.get("path"))) == os.path.dirname(store.place)


def ensure_same_kek(store: Store, header: Document, *, source: str, inputs: KekInputs | None = None) -> None:
    """Check that a store which exists has the KEK that was asked for: its source, and with ``inputs`` also which it is.

    Nobody is asked for it: one that cannot be had now is taken for the right one.

    Raises:
        StoreExists: it has another one, and only ``store rekey`` changes that.
    """
    specs = [checked_header(header, store.place)["kek"], *([header["next_kek"]] if header.get("next_kek") else [])]
    same = [spec for spec in specs if same_source(spec, source)]
    if not same:
        raise StoreExists(
            store.place,
            f"the store {store.place} exists already with another KEK source "
            f"({validators.shown(header['kek'].get('source'))}); it was not changed",
            hint=next_step("store rekey", "--kek", source),
        )
    if inputs is not None and inputs.recipients and not any(has_recipients(spec, inputs) for spec in same):
        raise StoreExists(
            store.place,
            f"the store {store.place} exists already with other recipients; it was not changed",
            hint=Hint(next_step("store recipients"), " lists them, add and remove change them"),
        )
    if inputs is not None and all(_is_another(spec, inputs) for spec in same):
        other = _ELSEWHERE.get(source.partition(":")[0], source)
        raise StoreExists(
            store.place,
            f"the store {store.place} exists already with another KEK than the one that {source} gives now; "
            "it was not changed",
            hint=Hint("to move it to that one: ", next_step("store rekey", "--kek", other)),
        )


def has_recipients(spec: Document, inputs: KekInputs) -> bool:
    """Tell whether a KEK is sealed to exactly the recipients that were named."""
    from kojikey.sealing.kek import recipients

    return recipients.has_recipients(spec, inputs.recipients)


def _is_another(spec: Document, inputs: KekInputs) -> bool:
    """Tell whether a spec's source holds another KEK."""
    try:
        load(spec, inputs._replace(ask_passphrase=None, ask_identity=None))
    except WrongKek:
        return True
    except CannotOpen:
        return False
    return False


def info(store: Store, header: Document) -> StoreInfo:
    """Return what a store is and how much is in it, without opening anything."""
    description = store.describe()
    checked_header(header, store.place)
    kept = unlocked(header["kek"])
    try:
        validators.text(header["store_id"]), validators.stamp(header["created_at"])
    except ValueError:
        raise RecordChanged("header") from None
    accounts = events = damaged = 0
    for stored in store.accounts():
        if is_well_formed(stored):
            accounts += stored.document["wrapped"] is not None
            events += stored.document["audit"]["seq"]
        else:
            damaged += 1
    return StoreInfo(
        engine=description.engine,
        place=description.place,
        store_id=header["store_id"],
        format=header["format"],
        created_at=header["created_at"],
        kek=describe(header["kek"]),
        kek_source=header["kek"]["source"],
        accounts=accounts,
        keys=sum(1 for _ in store.scan()),
        events=events,
        damaged=damaged,
        unlocked_until=kept.until if kept else None,
        keyring=kept.ring if kept else None,
        rekey_under_way=header.get("next_kek") is not None,
        details=description.details,
    )
