"""Fills a store with many keys, for the tests of runs over them.

Must not: assert what a run does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kojikey.model.secret import Secret
from kojikey.operations.adding import NewKey
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.store_admin import creating
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Store
from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing import Sandbox, load_key
from support.rotation import add

PROVIDERS = ("elevenlabs", "google_gemini")


def account_name(number: int) -> str:
    """Return the name of the account of that number."""
    return f"account-{number:05}"


def fill(
    open_store: OpenStore,
    accounts: int,
    *,
    base_url: Callable[[str], str] = lambda provider: f"https://{provider.replace('_', '-')}.example",
    reason: Callable[[int], str] = lambda _: "ok",
) -> None:
    """Add a key at each provider for so many accounts, untested."""
    for number in range(accounts):
        for provider in PROVIDERS:
            secret = Secret(load_key(provider, number, reason(number)))
            target = Target(provider, base_url(provider))
            add(
                open_store,
                NewKey(account_name(number), target, secret, KeySettings()),
                test=None,
                approve=lambda _: True,
            )


def made(store: Store, kek: str) -> OpenStore:
    """Create a store and return it open."""
    inputs = KekInputs({"KOJIKEY_KEK": kek}, None)
    header, key = creating.create(store, source="env", inputs=inputs)
    open_store = OpenStore(store, header, inputs, actor="somebody@somewhere")
    open_store.adopt(key)
    return open_store


def fill_home(
    home: Path, kek: str, sandbox: Sandbox, accounts: int, *, reason: Callable[[int], str] = lambda _: "ok"
) -> None:
    """Create the local store of a program's home, with keys of the sandbox."""
    home.mkdir(mode=0o700, exist_ok=True)
    open_store = made(SqliteStore(str(home / "keys.db")), kek)
    fill(open_store, accounts, base_url=sandbox.base_url, reason=reason)
    open_store.close()
