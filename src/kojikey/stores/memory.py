"""The reference adapter: the simplest store, in the memory of one process, for tests and ``kojikey sandbox --tour``.

Documents are kept as JSON text, so that no object is shared with a caller. Must not: be optimised; the suite in
``kojikey.testing.conformance`` defines the other adapters by it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from kojikey.model.errors import ChangedMeanwhile, KojikeyError, StoreExists, StoreNotFound
from kojikey.model.ref import HEADER, Document, Ref, account_ref
from kojikey.stores.base import Change, Description, EventRow, Query, Store, Stored, encoded, new_revision, stored_of


class SharedMemory:
    """The content that several :class:`MemoryStore` of one process share, like a file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.documents: dict[Ref, tuple[str, str]] = {}  # text and revision
        self.events: dict[tuple[str, int], str] = {}


class MemoryStore(Store):
    """A store in shared memory, by default in a new one."""

    def __init__(self, shared_memory: SharedMemory | None = None) -> None:
        self.place = "memory"
        self._shared = shared_memory or SharedMemory()

    def _create(self, header: Document) -> None:
        text = encoded(header, self.place)
        with self._shared.lock:
            if HEADER in self._shared.documents:
                raise StoreExists(self.place)
            self._shared.documents[HEADER] = text, new_revision()

    def _open(self) -> Stored:
        header = self._stored(HEADER)
        if header is None:
            raise StoreNotFound(self.place)
        return header

    def _read(self, ref: Ref) -> Stored | None:
        self._open()
        return self._stored(ref)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        self._open()
        texts = [None if change.document is None else encoded(change.document, self.place) for change in changes]
        lines = [encoded(event, self.place) for event in events]
        with self._shared.lock:
            documents, history = dict(self._shared.documents), dict(self._shared.events)
            revisions = []
            for change, text in zip(changes, texts, strict=True):
                revisions.append(_swap(documents, change, text))
            for event, line in zip(events, lines, strict=True):
                if (event["account"], event["seq"]) in history:
                    raise ChangedMeanwhile(account_ref(event["account"]))
                history[event["account"], event["seq"]] = line
            self._shared.documents, self._shared.events = documents, history
        return tuple(revisions)

    def _scan(self, query: Query) -> Iterator[Stored]:
        return (stored for stored in self._all("key") if query.takes(stored))

    def _accounts(self) -> Iterator[Stored]:
        return self._all("account")

    def _events(self, account: str | None) -> Iterator[EventRow]:
        self._open()
        for place, line in sorted(self._shared.events.items()):
            if account in (None, place[0]):
                yield (*place, line)

    def _describe(self) -> Description:
        return Description("memory", self.place, (("lifetime", "this process"),))

    def _translate(self, error: Exception) -> KojikeyError | None:  # noqa: ARG002
        return None  # there is no engine

    def _all(self, kind: str) -> Iterator[Stored]:
        self._open()
        for ref in sorted(ref for ref in self._shared.documents if ref.kind == kind):
            stored = self._stored(ref)
            if stored is not None:
                yield stored

    def _stored(self, ref: Ref) -> Stored | None:
        found = self._shared.documents.get(ref)
        return None if found is None else stored_of(ref, *found, self.place)


def _swap(documents: dict[Ref, tuple[str, str]], change: Change, text: str | None) -> str:
    before = documents.get(change.ref)
    if (before[1] if before else None) != change.if_revision:
        raise ChangedMeanwhile(change.ref)
    if text is None and before is None:
        raise ChangedMeanwhile(change.ref)  # there is nothing to delete
    if change.keeps:
        return change.if_revision or ""
    if text is None:
        del documents[change.ref]
        return ""
    documents[change.ref] = text, new_revision()
    return documents[change.ref][1]
