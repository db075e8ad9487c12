"""One key's document over several steps of a mint: read once, then changed unless somebody else changes the key.

Owns: that each change is a compare-and-swap on the document that was last read or written. Must not: know the changes.
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
    """A key as this run last read or wrote it."""

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
        """Change the key by one compare-and-swap; repeat it if somebody else only recorded a test or changed a setting.

        ``event`` is the action of the event about ``versions[0]``, which ``changed`` fills in.

        Raises:
            ChangedMeanwhile: another process continued the mint, or rotated or removed the key.
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
            if stored is None or found is None or _basis(found) != _basis(seen):
                raise ChangedMeanwhile(ref)
            return stored

        self._stored, self.key = retry_on_conflict(attempt, self._stored, again, refs=(ref,))


def _basis(key: Key) -> tuple[object, ...]:
    """Return the parts of a key that must not change during a mint: the intent and the staged and current values."""
    intent, staged = key.minting, key.version(Stage.STAGED)
    return (intent.name if intent else None, staged.sealed if staged else None, key.current.sealed)
