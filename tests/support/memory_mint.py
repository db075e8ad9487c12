"""One key that can be minted at a provider in memory, and the answers of a person.

Owns: running a mint, its end or its abort, and reading the key. Must not: assert what an operation does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from kojikey.model.key import Key
from kojikey.model.management_errors import ManagementUnavailable
from kojikey.operations.minting import minting
from kojikey.operations.minting.mint_planning import Choice
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import ChangeResult
from support.keys_at_provider import LOST, KeysAtProvider
from support.rotation import at_once
from support.sample_store import ACCOUNT, OLD, PROVIDER, FakeTester, SampleStore

PAGE = "https://example.com/keys"
NAMED: dict[str, Any] = {"account": ACCOUNT, "provider": PROVIDER}


@dataclass
class Mint:
    """The provider, and the answers of a person."""

    store: SampleStore
    keys: KeysAtProvider = field(default_factory=KeysAtProvider)
    test: FakeTester | None = field(default_factory=FakeTester)
    is_wider_allowed: bool = False
    is_limited_approved: bool = False
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys.put("id-old", OLD)

    def minter(self) -> Minter:
        def allow_wider(why: str) -> bool:
            self.asked.append(why)
            return self.is_wider_allowed

        return Minter(
            self.keys,
            self.test,
            lambda _: self.is_limited_approved,
            allow_wider,
            lambda *_: None,
            self.told.append,
            PAGE,
            admin_account="admins",
        )

    def mint(self, choice: Choice | None = None, *, open_store: OpenStore | None = None) -> ChangeResult:
        return at_once(minting.mint)(
            open_store or self.store.open_store(), self.minter(), choice=choice or Choice(), **NAMED
        )

    def resume(self) -> ChangeResult:
        return at_once(minting.resume)(self.store.open_store(), self.minter(), **NAMED)

    def abort(self, *, with_api: bool = True) -> ChangeResult:
        minter = self.minter() if with_api else None
        return at_once(minting.abort)(self.store.open_store(), minter, **NAMED)

    def lose(self, verb: str = "create", *, is_done: bool) -> None:
        """Mint with a lost answer; ``is_done``: the provider carried the request out."""
        failures = self.keys.after if is_done else self.keys.before
        failures[verb] = LOST
        with pytest.raises(ManagementUnavailable):
            self.mint()
        failures.clear()

    @property
    def key(self) -> Key:
        key = self.store.key()
        assert key is not None
        return key

    @property
    def created(self) -> list[str]:
        """The values of the keys that kojikey created and that exist."""
        return [value for value in self.keys.values.values() if value != OLD]
