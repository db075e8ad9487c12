"""Who opens a store whose KEK is sealed to several people: list them, add one, remove one, accept a new KEK.

Owns: the rules for adding and removing people, and the list of keys that a person who leaves could read. Must not: seal
or open (``sealing``), or re-wrap accounts (``storing``).
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
from kojikey.sealing.kek import recipients as sealed
from kojikey.sealing.kek.age_recipients import Recipient
from kojikey.sealing.kek.base import Kek, KekInputs, LocalKek
from kojikey.sealing.kek.registry import describe, load, typed_source

LIST = Hint(next_step("store recipients"), " lists them")


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient of a store's KEK; ``is_own`` where an identity of the user's belongs to it."""

    recipient: Recipient
    added_by: str
    added_at: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class ReadableKey:
    """A provider key that somebody who has left could have read. ``tail`` is None where its record is damaged."""

    account: str
    provider: str
    tail: str | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The KEK that a store has, and the one that is remembered of it (``known``, None where it is none)."""

    kid: str
    known: str | None
    described: str
    kek: Kek

    @property
    def is_news(self) -> bool:
        """Whether it is another one than is remembered."""
        return self.kid != self.known


def list_recipients(open_store: OpenStore, inputs: KekInputs) -> tuple[RecipientRow, ...]:
    """Return the recipients of a store, after making sure that one of them wrote the list.

    Raises:
        UsageError: the KEK is not one of several people. CannotOpen: it is missing, or the list was changed.
    """
    spec, _ = _opened(open_store)
    own = sealed.own_recipients(spec, inputs)
    return tuple(
        RecipientRow(member.recipient, member.added_by, member.added_at, member.recipient.text in own)
        for member in sealed.listed(spec)
    )


def add(open_store: OpenStore, added: Sequence[Recipient], inputs: KekInputs) -> None:
    """Seal the KEK to more recipients. Safe to run twice at once.

    Raises:
        UsageError, CannotOpen: as :func:`list_recipients`. Conflict: one is a recipient already, or a re-keying is
            under way.
    """
    _, kek = _opened(open_store)

    def changed(header: Document) -> Document:
        spec = _shared(open_store, header)
        sealed.check(spec, kek)
        if header.get("next_kek"):
            raise _under_way(header["next_kek"])
        present = {member.recipient.text for member in sealed.listed(spec)}
        for recipient in added:
            if recipient.text in present:
                raise Conflict(f"{recipient.name} is a recipient already", hint=LIST, effect=Effect.NOTHING_CHANGED)
        return {**header, "kek": sealed.with_members(spec, kek, added, inputs)}

    swap_header(open_store, changed)


def remove(open_store: OpenStore, named: str, inputs: KekInputs) -> tuple[Recipient, RekeyResult]:
    """Take a recipient out: make a new KEK, seal it to the others, and wrap every account's data key with it.

    Safe to kill, as a re-keying: run again it finishes. ``named`` is the recipient or its comment.

    Raises:
        UsageError, CannotOpen: as :func:`list_recipients`. NotFound: there is no such recipient.
        Conflict: it is the last one or the user's own; or another change is under way, or was first.
    """
    spec, old = _opened(open_store)
    before = open_store.header
    gone = _found(spec, named)
    if before.get("next_kek"):
        kek = _resumed(open_store, before, gone, inputs)
        return gone, finish(open_store, before, kek, is_resumed=True)
    if len(sealed.listed(spec)) == 1:
        raise Conflict(
            "that is the last recipient: without one, nobody could open the store",
            hint=Hint(next_step("store rekey", "--kek", "SOURCE"), " moves the store to a KEK that is not shared"),
            effect=Effect.NOTHING_CHANGED,
        )
    if gone.text in sealed.own_recipients(spec, inputs):
        raise Conflict(
            "that is you: nobody can remove themselves",
            hint="ask another recipient to do it; " + LIST,
            effect=Effect.NOTHING_CHANGED,
        )
    made = sealed.without_member(spec, gone.text, inputs)
    announce(open_store, before, old, made, inputs, removed=gone.name)
    return gone, finish(open_store, before, made[1], is_resumed=False)


def readable_keys(open_store: OpenStore) -> Iterator[ReadableKey]:
    """Yield all keys of the store: each recipient could read each of them."""
    for stored in open_store.store.scan():
        try:
            tail = key_of(stored).current.tail
        except RecordChanged:
            tail = None
        yield ReadableKey(str(stored.ref.account), str(stored.ref.provider), tail)


def found_kek(open_store: OpenStore) -> Acceptance:
    """Return the KEK that the store has now, opened by an identity of the user's, whatever is remembered of it.

    Raises:
        CannotOpen: it is missing, or its list of recipients was changed.
    """
    spec = open_store.header["kek"]
    kek = load(spec, open_store.inputs_for(spec))
    before = open_store.known.recall(open_store.store.place) if open_store.known else None
    is_same_store = before is not None and before.store_id == open_store.store_id
    return Acceptance(kek.kid, before.kid if before and is_same_store else None, describe(spec), kek)


def accept(open_store: OpenStore, found: Acceptance) -> None:
    """Remember the KEK that the store has now in place of the one that was remembered."""
    remember(open_store.known, open_store.store, open_store.header, found.kek)


def _opened(open_store: OpenStore) -> tuple[Document, LocalKek]:
    """Return the list of recipients as it now is, verified, and the KEK."""
    spec = _shared(open_store, open_store.refreshed_header().document)
    kek = open_store.kek(str(spec.get("kid")))
    if not isinstance(kek, LocalKek):
        raise RecordChanged("header")
    sealed.check(spec, kek)
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
    """Return the recipient that is meant. A comment is enough where only one has it."""
    words = " ".join(named.split()[:2] if named.startswith("ssh-") else named.split()[:1])
    members = [member.recipient for member in sealed.listed(spec)]
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
    """Return the KEK of the removal of this recipient that was not finished.

    Raises:
        Conflict: what is under way is something else. CannotOpen: a recipient did not put it there.
    """
    spec = header["next_kek"]
    if spec.get("source") != "recipients" or _texts(header["kek"]) - _texts(spec) != {gone.text}:
        raise _under_way(spec)
    return load_announced(open_store, spec, inputs)


def _texts(spec: Document) -> set[str]:
    return {member.recipient.text for member in sealed.listed(spec)}


def _under_way(spec: Document) -> Conflict:
    return Conflict(
        "a change of the key-encryption key was not finished",
        hint=Hint("finish it first: ", next_step("store rekey", "--kek", typed_source(spec))),
        effect=Effect.NOTHING_CHANGED,
    )
