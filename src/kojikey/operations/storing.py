"""Making a store, saying what it is, and moving it to another KEK."""

from __future__ import annotations

import os
import uuid

from kojikey.model.errors import Conflict, StoreExists
from kojikey.model.moment import now
from kojikey.model.ref import HEADER, Document
from kojikey.operations.custody import FORMAT, Custody
from kojikey.operations.results import RekeyResult, StoreInfo
from kojikey.sealing.kek import Kek, KekInputs, describe, discard, load, make, same_source, wrapped_kid
from kojikey.stores.base import Change, Store, Stored

BESIDE = "the file with the key-encryption key lies in the store's own folder: whoever copies the folder has both"


def create(store: Store, *, source: str, inputs: KekInputs) -> tuple[Document, Kek]:
    """Make a store whose KEK comes from ``source``; return its header and the KEK.

    Raises:
        StoreExists: there is one; neither it nor its KEK was touched.
        CannotOpen: the source has no KEK and can not make one; no store was made.
    """
    store_id = str(uuid.uuid4())
    spec, kek = make(source, store_id=store_id, inputs=inputs)
    header: Document = {"format": FORMAT, "store_id": store_id, "created_at": now(), "kek": spec, "next_kek": None}
    try:
        store.create(header)
    except BaseException:
        discard(spec, inputs)
        raise
    return header, kek


def lies_beside(spec: Document, store: Store) -> bool:
    """Tell whether the KEK is a file in the store's own folder, where one leak gives away both."""
    return spec.get("source") == "file" and os.path.dirname(str(spec.get("path"))) == os.path.dirname(store.place)


def ensure_same_kek(store: Store, header: Document, *, source: str) -> None:
    """Check that a store which exists has the KEK source that was asked for.

    Raises:
        StoreExists: it has another one, and only ``store rekey`` changes that.
    """
    if not same_source(header["kek"], source):
        raise StoreExists(
            store.place,
            f"the store {store.place} exists already with another KEK source ({header['kek']['source']}); "
            "it was not changed",
            hint=f"kojikey store rekey --kek {source}",
        )


def info(store: Store, header: Document) -> StoreInfo:
    """Return what a store is and how much is in it, without opening anything."""
    description = store.describe()
    accounts = events = 0
    for stored in store.accounts():
        accounts += stored.document["wrapped"] is not None
        events += stored.document["audit"]["seq"]
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
        rekey_under_way=header.get("next_kek") is not None,
        details=description.details,
    )


def rekey(custody: Custody, *, source: str, new_inputs: KekInputs) -> RekeyResult:
    """Wrap every account's data key with another KEK; the sealed records stay as they are.

    Safe to kill: the header names both KEKs while it lasts, and each account is wrapped by one or the other. Running
    it again finishes. Accounts that were wrapped anew stay so.

    Raises:
        Conflict: a re-keying to another source is under way, or someone changed the header meanwhile.
        CannotOpen: the old or the new KEK can not be had. StoreUnavailable: what was done so far stays.
    """
    header = custody.store.header()
    custody.header = header.document
    resumed = custody.header.get("next_kek") is not None
    if resumed:
        _ensure_same_target(custody.header["next_kek"], source)
        kek = load(custody.header["next_kek"], new_inputs)
    else:
        kek = _announce(custody, header, source, new_inputs)
    custody.adopt(kek)
    rewrapped, already = _rewrap_all(custody, kek)
    _conclude(custody)
    # An account that someone made with the old KEK between the last look and the switch is wrapped anew as well.
    late, _ = _rewrap_all(custody, kek)
    return RekeyResult(rewrapped + late, already, describe(custody.header["kek"]), resumed)


def _ensure_same_target(spec: Document, source: str) -> None:
    if not same_source(spec, source):
        raise Conflict(
            f"a re-keying to {describe(spec)} is under way; nothing was changed",
            hint="finish it first: kojikey store rekey --kek " + spec["source"],
        )


def _announce(custody: Custody, header: Stored, source: str, inputs: KekInputs) -> Kek:
    """Write the new KEK's place into the header before anything is wrapped with it."""
    custody.kek()  # the old KEK must be there: otherwise stop before anything changes
    spec, kek = make(source, store_id=custody.store_id, inputs=inputs)
    after = {**custody.header, "next_kek": spec}
    custody.store.commit((Change(HEADER, after, header.revision),))
    custody.header = after
    return kek


def _rewrap_all(custody: Custody, kek: Kek) -> tuple[int, int]:
    rewrapped = already = 0
    for stored in custody.store.accounts():
        wrapped = stored.document["wrapped"]
        if wrapped is None or wrapped_kid(wrapped) == kek.kid:
            already += wrapped is not None
        else:
            custody.rewrap(stored.ref.account, kek)
            rewrapped += 1
    return rewrapped, already


def _conclude(custody: Custody) -> None:
    stored = custody.store.header()
    after = {**stored.document, "kek": stored.document["next_kek"], "next_kek": None}
    custody.store.commit((Change(HEADER, after, stored.revision),))
    custody.header = after
