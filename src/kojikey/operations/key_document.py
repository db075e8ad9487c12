"""Changes one key's document, by a compare-and-swap on the document that was last read or written.

Owns: repeating a change after a conflict that does not concern it. Must not: know the changes.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.model.errors import ChangedMeanwhile
from kojikey.model.key import Key, Stage
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.key_records import key_of
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Stored

KeyChange = Callable[[Key, Sealer], tuple[Key, tuple[EventDraft, ...]]]
"""Returns a changed key and its events; called again for the key as it is after a conflict."""


def change_key(
    open_store: OpenStore, stored: Stored, change: KeyChange, *, may_repeat: Callable[[Key], bool]
) -> tuple[Stored, Key]:
    """Change a key, and return its new document and the key.

    If somebody else changed the key first, for example recorded a test, the change is repeated if ``may_repeat``
    accepts the key as it is now.

    Raises:
        ChangedMeanwhile: it does not, or the key was removed. CannotOpen, StoreUnavailable: nothing was changed.
    """
    ref = stored.ref

    def attempt(found: Stored) -> tuple[Stored, Key]:
        changed: list[Key] = []

        def plan(sealer: Sealer) -> Plan:
            key, drafts = change(key_of(found), sealer)
            changed[:] = [key]
            return Plan((Change(ref, key.as_document(), found.revision),), drafts)

        (written,) = Ledger(open_store).record(ref.account, plan)
        return written, changed[0]

    def again() -> Stored:
        found = open_store.store.read(ref)
        if found is None or not may_repeat(key_of(found)):
            raise ChangedMeanwhile(ref)
        return found

    return retry_on_conflict(attempt, stored, again, refs=(ref,))


class KeyDocument:
    """A key as one mint last read or wrote it."""

    def __init__(self, open_store: OpenStore, stored: Stored) -> None:
        self.open_store, self._stored = open_store, stored
        self.key = key_of(stored)

    def save(self, change: KeyChange) -> None:
        """Change the key, as :func:`change_key` does.

        Raises:
            ChangedMeanwhile: another process continued the mint, or rotated or removed the key.
        """
        basis = _basis(self.key)
        self._stored, self.key = change_key(
            self.open_store, self._stored, change, may_repeat=lambda key: _basis(key) == basis
        )


def _basis(key: Key) -> tuple[object, ...]:
    """Return the parts of a key that must not change during a mint: the intent and the staged and current values."""
    intent, staged = key.minting, key.version(Stage.STAGED)
    return (intent.name if intent else None, staged.sealed if staged else None, key.current.sealed)
