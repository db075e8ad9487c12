"""Describes a store: its engine, its contents in numbers, and the place of its KEK. Opens and changes nothing."""

from __future__ import annotations

import os

from kojikey.model import validators
from kojikey.model.errors import RecordChanged
from kojikey.model.ref import Document
from kojikey.operations.record_checks import checked_header, is_well_formed
from kojikey.operations.results import StoreInfo
from kojikey.operations.store_admin.unlocking import unlocked
from kojikey.sealing.kek.registry import describe
from kojikey.stores.base import Store

KEK_BESIDE_STORE = "the file with the key-encryption key is in the store's own folder: a copy of the folder has both"


def info(store: Store, header: Document) -> StoreInfo:
    """Return the description of a store, without opening a record.

    Raises:
        RecordChanged, RecordUnsupported, StoreVersion: the header has a wrong form.
    """
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
        keys=sum(store.counts().values()),
        events=events,
        damaged=damaged,
        unlocked_until=kept.until if kept else None,
        keyring=kept.ring if kept else None,
        rekey_under_way=header.get("next_kek") is not None,
        details=description.details,
    )


def lies_beside(spec: Document, store: Store) -> bool:
    """Return whether the KEK is a file in the store's own folder, so that one leak contains both."""
    return spec.get("source") == "file" and os.path.dirname(str(spec.get("path"))) == os.path.dirname(store.place)
