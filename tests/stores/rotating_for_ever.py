"""A process that rotates one key again and again, whatever happens to the store: ``rotating_for_ever.py URL PROVIDER``.

Run by ``test_postgres_failover``. It does what a person would do after each message, prints a line for every rotation
(``acked VERSION`` or ``failed MESSAGE``), and ends after the rotation during which its standard input is closed.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile, StoreUnavailable, VersionNotFound
from kojikey.model.secret import Secret
from kojikey.operations import rotating
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.registry import store_from_url

ACCOUNT = "acme"
ATTEMPTS = 20_000


def main(url: str, provider: str) -> None:
    store = store_from_url(url)
    open_store = OpenStore(store, store.open().document, KekInputs(os.environ, None), actor="test")
    for number in range(ATTEMPTS):
        try:
            result = rotate(open_store, provider, f"sk_{provider}_{os.getpid()}_{number:08}")
        except StoreUnavailable as error:
            print(f"failed {error}", flush=True)
        except ChangedMeanwhile:
            print("failed lost to another", flush=True)
        else:
            print(f"acked {result.version}", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    open_store.close()


def rotate(open_store: OpenStore, provider: str, value: str) -> ChangeResult:
    """Rotate to a new value; one that was left staged by a failure is promoted instead."""
    try:
        return asyncio.run(
            rotating.resume(open_store, account=ACCOUNT, provider=provider, test=None, approve=lambda _: True)
        )
    except VersionNotFound:
        new = Replacement(ACCOUNT, provider, Secret(value), KeySettings())
    try:
        return asyncio.run(rotating.rotate(open_store, new, test=None, approve=lambda _: True))
    except AlreadyStaged:
        raise AssertionError("nobody else rotates this key") from None


if __name__ == "__main__":
    main(*sys.argv[1:])
