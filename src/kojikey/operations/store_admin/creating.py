"""Creating a store with its KEK, and whether a store that exists has the KEK that was asked for."""

from __future__ import annotations

import uuid

from kojikey.model import validators
from kojikey.model.errors import (
    CannotOpen,
    KojikeyError,
    StoreExists,
    StoreNotFound,
    WrongKek,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.model.timestamps import now
from kojikey.operations.known_kek import remember
from kojikey.operations.open_store import FORMAT
from kojikey.operations.record_checks import checked_header
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import discard, load, make, same_source
from kojikey.stores.base import Store

_ELSEWHERE = {"env": "env:NAME, with that KEK in the variable NAME", "file": "file:PATH, with that KEK in another file"}


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
