"""Creates a store with its KEK, and compares the KEK of an existing store with the requested one."""

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
        StoreExists: there is a store; neither it nor its KEK was changed.
        CannotOpen: the source has no KEK and cannot create one; no store was created.
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
    """Return whether the header names a KEK, or may name it: a commit that failed may have been carried out.

    ``without_store`` is returned if there is no store.
    """
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
    """The ways in which the KEK of an existing store can differ from the requested one."""

    SOURCE = "it comes from another source"
    RECIPIENTS = "it is sealed to other people"
    KEK = "its source holds another one"


def difference(store: Store, header: Document, *, source: str, inputs: KekInputs | None = None) -> Difference | None:
    """Return how the KEK of a store differs from the requested one, None if it does not.

    With ``inputs``, the recipients and the KEK itself are compared too, without a prompt. A KEK that is not available
    now counts as the right one.

    Raises:
        RecordChanged, RecordUnsupported: the header is damaged. StoreVersion: a newer kojikey wrote it.
    """
    specs = [checked_header(header, store.place)["kek"], *([header["next_kek"]] if header.get("next_kek") else [])]
    same = [spec for spec in specs if same_source(spec, source)]
    if not same:
        return Difference.SOURCE
    if inputs is not None and inputs.recipients and not any(has_recipients(spec, inputs) for spec in same):
        return Difference.RECIPIENTS
    return Difference.KEK if inputs is not None and all(_is_another(spec, inputs) for spec in same) else None


def has_recipients(spec: Document, inputs: KekInputs) -> bool:
    """Return whether a KEK is sealed to exactly the named recipients."""
    from kojikey.sealing.kek import recipients

    return recipients.has_recipients(spec, inputs.recipients)


def _is_another(spec: Document, inputs: KekInputs) -> bool:
    """Return whether the source in a spec has another KEK than the spec names."""
    try:
        load(spec, inputs._replace(ask_passphrase=None, ask_identity=None))
    except WrongKek:
        return True
    except CannotOpen:
        return False
    return False
