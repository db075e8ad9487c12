"""Encodes documents for stores and decodes them.

Owns: the text of a document, which is the same in every store, and the handling of a damaged one.
Must not: know a store, or the meaning of a document. `kojikey run` uses this: it imports nothing slow.
"""

from __future__ import annotations

import json

from kojikey.model.errors import Effect, StoreCorrupt, StoreUnavailable
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

DOCUMENT_LIMIT = 64 * 1024


class Stored:
    """A document that was read, with its revision. Its text is parsed at the first use of :attr:`document`."""

    __slots__ = ("_document", "_text", "ref", "revision")

    def __init__(self, ref: Ref, document: Document | None, revision: str, *, text: object = None) -> None:
        """With ``document=None`` the document is in ``text``, which comes from the engine unchecked."""
        self.ref, self.revision = ref, revision
        self._document, self._text = document, text

    @property
    def document(self) -> Document:
        """The document, ``{}`` if its text is damaged."""
        if self._document is None:
            self._document = decoded(self._text)
        return self._document

    @property
    def text(self) -> object:
        """The text of the document, unchecked: it may not even be text."""
        if self._text is None and self._document is not None:
            self._text = _compact(self._document)
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stored):
            return NotImplemented
        return (self.ref, self.revision, self.document) == (other.ref, other.revision, other.document)

    def __repr__(self) -> str:
        return f"Stored({self.ref!r}, {self.document!r}, {self.revision!r})"


Row: TypeAlias = "tuple[Any, Any, Any, Any]"
"""A key from an engine, unchecked: account, provider, text of the document, revision."""

EventRow: TypeAlias = "tuple[Any, Any, Any]"
"""An event from an engine, unchecked: account and number of its place, text."""


def encoded(document: Document, place: str) -> str:
    """Return the stored form of a document: compact JSON in ASCII, so that its size is the same in every store.

    Raises:
        StoreUnavailable: it is larger than :data:`DOCUMENT_LIMIT`; nothing was written.
    """
    text = _compact(document)
    if len(text) > DOCUMENT_LIMIT:
        raise StoreUnavailable(
            place, f"takes documents of at most {DOCUMENT_LIMIT} bytes", effect=Effect.NOTHING_WRITTEN
        )
    return text


_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def decoded(text: object) -> Document:
    """Return the document in a text of :func:`encoded`, ``{}`` for any other value.

    One damaged document must not end a scan over the others. kojikey writes no empty document, so the caller can
    report the damaged one.
    """
    return _parsed(text) or {}


def stored_of(ref: Ref, text: object, revision: str, place: str) -> Stored:
    """Return a document that an adapter read.

    Raises:
        StoreCorrupt: it is the header, and its text is damaged; the text is not repeated.
    """
    if ref != HEADER:
        return Stored(ref, None, revision, text=text)
    document = _parsed(text)
    if document is None:
        raise StoreCorrupt(place, "is damaged: its header cannot be read", effect=Effect.NOTHING_CHANGED)
    return Stored(ref, document, revision)


def both_of(account: str, provider: str, row: tuple[Any, ...]) -> tuple[Stored | None, Stored | None]:
    """Return a key and its account from a row with text and revision of both, None for one that does not exist."""
    key, key_revision, owner, owner_revision = row
    return (
        None if key_revision is None else Stored(key_ref(account, provider), None, key_revision, text=key),
        None if owner_revision is None else Stored(account_ref(account), None, owner_revision, text=owner),
    )


def key_in(row: Row, place: str) -> Stored:
    """Return the document in a row of :meth:`Store.pages`. Raises as :func:`name_in`."""
    account, provider, text, revision = row
    return Stored(key_ref(name_in(account, place), name_in(provider, place)), None, revision, text=text)


def account_in(row: tuple[Any, Any, Any], place: str) -> Stored:
    """Return the document of an account from a row with its name, text and revision. Raises as :func:`name_in`."""
    name, text, revision = row
    return Stored(account_ref(name_in(name, place)), None, revision, text=text)


def event_in(row: EventRow) -> Document:
    """Return the event in a row; ``{}``, as for a damaged one, if it was moved there from another place."""
    account, seq, text = row
    event = decoded(text)
    return event if (event.get("account"), event.get("seq")) == (account, seq) else {}


def name_in(value: object, place: str) -> str:
    """Return the name in a column, whose value may have any type in some engines.

    Raises:
        StoreCorrupt: the value is not text.
    """
    if not isinstance(value, str):
        raise StoreCorrupt(place, "is damaged: a document in it has no name", effect=Effect.NOTHING_CHANGED)
    return value


def _parsed(text: object) -> Document | None:
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
