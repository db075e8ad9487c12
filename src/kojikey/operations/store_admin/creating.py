"""Creates a store with its KEK, and checks whether an existing store has the requested KEK."""

from __future__ import annotations

import uuid
from enum import Enum

from kojikey.model.errors import (
    CannotOpen,
    KojikeyError,
    StoreNotFound,
    WrongKek,
)
from kojikey.model.ref import Document
from kojikey.model.timestamps import now
from kojikey.operations.known_kek import remember
from kojikey.operations.record_checks import FORMAT, checked_header
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import discard, load, make, same_source
from kojikey.stores.base import Store


def create(store: Store, *, source: str, inputs: KekInputs) -> tuple[Document, Kek]:
    """Create a store whose KEK comes from ``source``; return its header and the KEK.

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
    """Return whether the header names this KEK, or may name it: a failed creation may have succeeded."""
    try:
        header = store.open().document
    except StoreNotFound:
        return without_store
    except KojikeyError:
        return True
    return any(
        isinstance(spec, dict) and spec.get("kid") == kid for spec in (header.get("kek"), header.get("next_kek"))
    )


class Difference(Enum):
    """In what the KEK of a store that exists is another than the one that was asked for."""

    SOURCE = "it comes from another source"
    RECIPIENTS = "it is sealed to other people"
    KEK = "its source holds another one"


def difference(store: Store, header: Document, *, source: str, inputs: KekInputs | None = None) -> Difference | None:
    """Return in what the KEK of a store is another than the one that was asked for, None where it is that one.

    With ``inputs`` also its recipients and the KEK itself are compared, without a prompt: one that is not
    available now is taken for the right one.

    Raises:
        RecordChanged, RecordUnsupported: the header is damaged, or of a newer version.
    """
    specs = [checked_header(header, store.place)["kek"], *([header["next_kek"]] if header.get("next_kek") else [])]
    same = [spec for spec in specs if same_source(spec, source)]
    if not same:
        return Difference.SOURCE
    if inputs is not None and inputs.recipients and not any(has_recipients(spec, inputs) for spec in same):
        return Difference.RECIPIENTS
    return Difference.KEK if inputs is not None and all(_is_another(spec, inputs) for spec in same) else None


def has_recipients(spec: Document, inputs: KekInputs) -> bool:
    """Return whether a KEK is sealed to exactly the recipients that were named."""
    from kojikey.sealing.kek import recipients

    return recipients.has_recipients(spec, inputs.recipients)


def _is_another(spec: Document, inputs: KekInputs) -> bool:
    """Return whether a spec's source holds another KEK."""
    try:
        load(spec, inputs._replace(ask_passphrase=None, ask_identity=None))
    except WrongKek:
        return True
    except CannotOpen:
        return False
    return False
