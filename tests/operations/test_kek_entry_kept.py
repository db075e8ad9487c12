"""A KEK that was created for a store is removed again only where the store cannot be using it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kojikey.model.errors import KekMissing
from kojikey.operations.store_admin import creating, rekeying
from kojikey.sealing.kek import base, registry
from kojikey.stores.memory import MemoryStore, SharedMemory
from support.faulty import Crash, FaultyStore
from support.sample_store import OLD, Held, SampleStore


@pytest.fixture
def keychain(monkeypatch: pytest.MonkeyPatch) -> dict[str, base.LocalKek]:
    """Return the entries of a keychain that this process plays."""
    entries: dict[str, base.LocalKek] = {}

    def make(argument: str, *, store_id: str, inputs: base.KekInputs) -> tuple[dict[str, Any], base.Kek]:
        made = base.LocalKek(bytes([len(entries) + 7]) * 32)
        entries[made.kid] = made
        return {"source": "keychain", "kid": made.kid}, made

    def load(spec: dict[str, Any], inputs: base.KekInputs) -> base.Kek:
        if spec["kid"] not in entries:
            raise KekMissing("the keychain has no such entry")
        return entries[spec["kid"]]

    played = SimpleNamespace(
        make=make,
        load=load,
        discard=lambda spec, inputs: entries.pop(spec["kid"]),
        describe=lambda spec: "keychain",
        mismatch=lambda spec: "another KEK",
        is_same=lambda spec, argument: True,
    )
    real = registry._module
    monkeypatch.setattr(registry, "_module", lambda name: played if name == "keychain" else real(name))
    return entries


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_failed_creation_keeps_the_keychain_entry_only_if_the_store_exists(
    keychain: dict[str, base.LocalKek], after: bool
) -> None:
    shared_memory = SharedMemory()
    sample_store = SampleStore(lambda: MemoryStore(shared_memory))
    with pytest.raises(Crash):
        creating.create(
            FaultyStore(sample_store.opener(), Crash(), at=1, after=after),
            source="keychain",
            inputs=sample_store.inputs(),
        )
    assert len(keychain) == after
    if after:
        sample_store.add()
        assert sample_store.held() == Held(OLD)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_failed_rekeying_keeps_the_keychain_entry_only_if_it_was_announced(
    keychain: dict[str, base.LocalKek], after: bool
) -> None:
    shared_memory = SharedMemory()
    sample_store = SampleStore.made(lambda: MemoryStore(shared_memory))
    sample_store.add()
    store = FaultyStore(sample_store.opener(), Crash(), at=1, after=after)
    with pytest.raises(Crash):
        rekeying.rekey(sample_store.open_store(store), source="keychain", new_inputs=sample_store.inputs())
    assert len(keychain) == after
    rekeying.rekey(sample_store.open_store(), source="keychain", new_inputs=sample_store.inputs())
    sample_store.environ = {}
    assert sample_store.held() == Held(OLD)
    assert len(keychain) == 1
