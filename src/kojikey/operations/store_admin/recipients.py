"""Lists, adds and removes the recipients of a store's KEK, and accepts a new KEK.

Owns: the rules for adding and removing a recipient, and the list of keys that a removed one could have read. Must not:
seal or open a KEK (``sealing`` does), or wrap data keys again (``rekeying.py`` does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kojikey.model.errors import Conflict, Effect, NotFound, RecordChanged, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.operations.key_records import key_of
from kojikey.operations.known_kek import remember
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import RekeyResult
from kojikey.operations.store_admin.rekeying import announce, finish, load_announced, swap_header
from kojikey.sealing.kek import recipients as kek_recipients
from kojikey.sealing.kek.age_recipients import Recipient
from kojikey.sealing.kek.base import Kek, KekInputs, LocalKek
from kojikey.sealing.kek.registry import describe, load, typed_source

LIST = Hint(next_step("store recipients"), " lists them")


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient of a store's KEK. ``is_own``: the user has the identity for it."""

    recipient: Recipient
    added_by: str
    added_at: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class ReadableKey:
    """A provider key that a removed recipient could have read. ``tail`` is None if its record is damaged."""

    account: str
    provider: str
    tail: str | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The KEK of a store, and the id of the KEK that is remembered for it (``known``, None if there is none)."""

    kid: str
    known: str | None
    described: str
    kek: Kek

    @property
    def is_news(self) -> bool:
        """Whether the store's KEK is not the remembered one."""
        return self.kid != self.known


def list_recipients(open_store: OpenStore, inputs: KekInputs) -> tuple[RecipientRow, ...]:
    """Return the recipients of a store, after checking that one of them wrote the list.

    Raises:
        UsageError: the store's KEK has no recipients. CannotOpen: the KEK is missing, or the list was changed.
    """
    spec, _ = _opened(open_store)
    own = kek_recipients.own_recipients(spec, inputs)
    return tuple(
        RecipientRow(member.recipient, member.added_by, member.added_at, member.recipient.text in own)
        for member in kek_recipients.listed(spec)
    )


def add(open_store: OpenStore, added: Sequence[Recipient], inputs: KekInputs) -> None:
    """Seal the KEK to more recipients. Safe to run in two processes at the same time.

    Raises:
        UsageError, CannotOpen: as for :func:`list_recipients`.
        Conflict: one of them is a recipient already, or a re-keying is under way.
    """
    _, kek = _opened(open_store)

    def changed(header: Document) -> Document:
        spec = _shared(open_store, header)
        kek_recipients.check(spec, kek)
        if header.get("next_kek"):
            raise _under_way(header["next_kek"])
        present = {member.recipient.text for member in kek_recipients.listed(spec)}
        for recipient in added:
            if recipient.text in present:
                raise Conflict(f"{recipient.name} is a recipient already", hint=LIST, effect=Effect.NOTHING_CHANGED)
        return {**header, "kek": kek_recipients.with_members(spec, kek, added, inputs)}

    swap_header(open_store, changed)


def remove(open_store: OpenStore, named: str, inputs: KekInputs) -> tuple[Recipient, RekeyResult]:
    """Remove a recipient: create a new KEK, seal it to the others, and wrap every account's data key with it.

    Safe to kill: running it again finishes. ``named`` is the recipient or its comment.

    Raises:
        UsageError, CannotOpen: as for :func:`list_recipients`. NotFound: there is no such recipient.
        Conflict: it is the last recipient or the user's own, or another change of the KEK is under way.
        ChangedMeanwhile: somebody else changed the KEK first.
    """
    spec, old = _opened(open_store)
    before = open_store.header
    gone = _found(spec, named)
    if before.get("next_kek"):
        kek = _resumed(open_store, before, gone, inputs)
        return gone, finish(open_store, before, kek, is_resumed=True)
    if len(kek_recipients.listed(spec)) == 1:
        raise Conflict(
            "that is the last recipient: without one, nobody could open the store",
            hint=Hint(next_step("store rekey", "--kek", "SOURCE"), " moves the store to a KEK that is not shared"),
            effect=Effect.NOTHING_CHANGED,
        )
    if gone.text in kek_recipients.own_recipients(spec, inputs):
        raise Conflict(
            "that is you: nobody can remove themselves",
            hint="ask another recipient to do it; " + LIST,
            effect=Effect.NOTHING_CHANGED,
        )
    new = kek_recipients.without_member(spec, gone.text, inputs)
    announce(open_store, before, old, new, inputs, removed=gone.name)
    return gone, finish(open_store, before, new[1], is_resumed=False)


def readable_keys(open_store: OpenStore) -> Iterator[ReadableKey]:
    """Yield all keys of the store: every recipient could read every key."""
    for stored in open_store.store.scan():
        try:
            tail = key_of(stored).current.tail
        except RecordChanged:
            tail = None
        yield ReadableKey(str(stored.ref.account), str(stored.ref.provider), tail)


def found_kek(open_store: OpenStore) -> Acceptance:
    """Return the store's present KEK, opened with the user's identity, without comparing it with the remembered one.

    Raises:
        UsageError: it has no recipients, and none is remembered. CannotOpen: it cannot be opened, or its list of
            recipients was changed.
    """
    before = open_store.known_keks.recall(open_store.store.place) if open_store.known_keks else None
    spec = open_store.header["kek"] if before else _shared(open_store, open_store.header)
    kek = load(spec, open_store.inputs_for(spec))
    is_same_store = before is not None and before.store_id == open_store.store_id
    return Acceptance(kek.kid, before.kid if before and is_same_store else None, describe(spec), kek)


def accept(open_store: OpenStore, found: Acceptance) -> None:
    """Remember the store's present KEK in place of the one that was remembered."""
    remember(open_store.known_keks, open_store.store, open_store.header, found.kek)


def _opened(open_store: OpenStore) -> tuple[Document, LocalKek]:
    """Return the spec with the present list of recipients, after verifying it, and the KEK."""
    spec = _shared(open_store, open_store.refreshed_header().document)
    kek = open_store.kek(str(spec.get("kid")))
    if not isinstance(kek, LocalKek):
        raise RecordChanged("header")
    kek_recipients.check(spec, kek)
    return spec, kek


def _shared(open_store: OpenStore, header: Document) -> Document:
    spec: Document = header["kek"]
    if spec.get("source") != "recipients":
        raise UsageError(
            f"the store {open_store.store.place} has no recipients: its key-encryption key is {describe(spec)}",
            hint=Hint(
                next_step("store rekey", "--kek", "recipients", "--recipient", "R"), " creates one for several people"
            ),
            effect=Effect.NOTHING_CHANGED,
        )
    return spec


def _found(spec: Document, named: str) -> Recipient:
    """Return the recipient with this text, or the only one with this comment."""
    words = " ".join(named.split()[:2] if named.startswith("ssh-") else named.split()[:1])
    members = [member.recipient for member in kek_recipients.listed(spec)]
    found = [recipient for recipient in members if recipient.text == words]
    found = found or [recipient for recipient in members if recipient.comment and recipient.comment == named.strip()]
    if len(found) > 1:
        raise UsageError(
            "more than one recipient has that comment", hint=f"name the key; {LIST}", effect=Effect.NOTHING_CHANGED
        )
    if not found:
        raise NotFound("there is no such recipient", hint=LIST, effect=Effect.NOTHING_CHANGED)
    return found[0]


def _resumed(open_store: OpenStore, header: Document, gone: Recipient, inputs: KekInputs) -> Kek:
    """Return the new KEK of an unfinished removal of this recipient.

    Raises:
        Conflict: another change of the KEK is unfinished. CannotOpen: no recipient wrote it into the header.
    """
    spec = header["next_kek"]
    if spec.get("source") != "recipients" or _texts(header["kek"]) - _texts(spec) != {gone.text}:
        raise _under_way(spec)
    return load_announced(open_store, spec, inputs)


def _texts(spec: Document) -> set[str]:
    return {member.recipient.text for member in kek_recipients.listed(spec)}


def _under_way(spec: Document) -> Conflict:
    return Conflict(
        "a change of the key-encryption key was not finished",
        hint=Hint("finish it first: ", next_step("store rekey", "--kek", typed_source(spec))),
        effect=Effect.NOTHING_CHANGED,
    )
