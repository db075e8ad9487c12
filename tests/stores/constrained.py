"""A process with limited resources: ``constrained.py PATH nobody|BYTES VERB…`` prints the result of each verb.

Run by ``test_sqlite_faults``. ``nobody`` gives up root's rights; BYTES is the limit of a file's size.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
from collections.abc import Callable

from kojikey.model.errors import KojikeyError
from kojikey.model.ref import key_ref
from kojikey.stores.base import Change
from kojikey.stores.sqlite import errors
from kojikey.stores.sqlite.store import SqliteStore

NOBODY = 65534
PRELOADED = (hashlib, errors)  # once root is given up, the sources may be out of reach


def main(path: str, constraint: str, *verbs: str) -> None:
    store = SqliteStore(path)
    if constraint != "nobody":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(constraint), int(constraint)))
    elif os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    does: dict[str, Callable[[], object]] = {
        "open": store.open,
        "scan": lambda: list(store.scan()),
        "commit": lambda: store.commit([Change(key_ref("acme", "late"), {"pad": "x" * 60_000}, None)]),
        "create": lambda: store.create({"format": 1}),
    }
    for verb in verbs:
        try:
            does[verb]()
            print("done")
        except KojikeyError as error:
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
