"""One key's document during several steps: read once, and changed as long as nobody else changes the key.

Owns: that each change is a compare-and-swap on the document that was read. Must not: know what a change means.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.model.errors import ChangedMeanwhile
from kojikey.model.key import Key, Stage, Version
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.key_records import key_of
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Stored


class KeyDocument:
    """A key as it was last read or written by this run."""

    def __init__(self, open_store: OpenStore, stored: Stored) -> None:
        self.open_store, self._stored = open_store, stored
        self.key = key_of(stored)

    def save(
        self,
        changed: Callable[[Key, Sealer], Key],
        *,
        event: str = "",
        versions: list[Version] | None = None,
    ) -> None:
        """Change the key as one compare-and-swap, again where only something else of it changed (a test was recorded).

        Raises:
            ChangedMeanwhile: another process went on with this key.
        """
        ref, seen = self._stored.ref, self.key

        def attempt(stored: Stored) -> tuple[Stored, Key]:
            made: list[Key] = []

            def plan(sealer: Sealer) -> Plan:
                key = changed(key_of(stored), sealer)
                made[:] = [key]
                drafts = (event_draft(event, ref.provider, versions[0]),) if event and versions else ()
                return Plan((Change(ref, key.as_document(), stored.revision),), drafts)

            (written,) = Ledger(self.open_store).record(ref.account, plan)
            return written, made[0]

        def again() -> Stored:
            stored = self.open_store.store.read(ref)
            found = key_of(stored) if stored else None
            if stored is None or found is None or _standing(found) != _standing(seen):
                raise ChangedMeanwhile(ref)
            return stored

        self._stored, self.key = retry_on_conflict(attempt, self._stored, again, refs=(ref,))


def _standing(key: Key) -> tuple[object, ...]:
    """Return what of a key a run of the protocol stands on."""
    intent, staged = key.minting, key.version(Stage.STAGED)
    return (intent.name if intent else None, staged.sealed if staged else None, key.current.sealed)
