"""A re-keying that is killed around its n-th commit: ``dying_rekey.py PATH N``. Before it took effect where n is odd.

Run by ``test_kills_and_races``. It ends well where it has fewer commits to make than that.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from kojikey.model.ref import Document
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import rekeying
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change
from kojikey.stores.sqlite.store import SqliteStore


class DyingStore(SqliteStore):
    """A store whose process is killed."""

    left = 0
    is_odd = False

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        self.left -= 1
        if self.left == 0 and self.is_odd:
            os.kill(os.getpid(), signal.SIGKILL)
        revisions = super()._commit(changes, events)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return revisions


def main(path: str, commits: str) -> None:
    store = DyingStore(path)
    store.left, store.is_odd = int(commits), int(commits) % 2 == 1
    inputs = KekInputs(os.environ, None)
    open_store = OpenStore(store, store.open().document, inputs, actor="somebody@somewhere")
    rekeying.rekey(open_store, source="env:NEW_KEK", new_inputs=inputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
