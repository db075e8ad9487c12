"""The base of the stores: its defaults for engines, and the values that stores save."""

from __future__ import annotations

import pytest

from kojikey.model.errors import StoreNotFound
from kojikey.model.ref import HEADER, key_ref
from kojikey.stores import base
from kojikey.stores.base import Change, Stored, new_revision, slot_of
from kojikey.stores.memory import MemoryStore


class _Silent(MemoryStore):
    """The person at the terminal presses Ctrl-C while the store has not answered."""

    def _commit(self, changes: object, events: object) -> tuple[str, ...]:
        raise KeyboardInterrupt


def test_the_slot_of_a_key_stays_as_stores_have_saved_it() -> None:
    assert slot_of(key_ref("acme", "elevenlabs")) == 0x3893_9C96
    assert slot_of(key_ref("default", "google_gemini")) == 0xF46A_BF88


def test_a_revision_is_64_random_bits() -> None:
    revisions = {new_revision() for _ in range(100)}
    assert len(revisions) == 100
    assert {len(bytes.fromhex(revision)) for revision in revisions} == {8}


def test_ctrl_c_during_a_change_says_that_the_change_may_have_been_made() -> None:
    with pytest.raises(KeyboardInterrupt, match="it is not known whether it was made"):
        _Silent().commit([Change(key_ref("acme", "elevenlabs"), {}, None)])


def test_the_header_is_read_again_without_opening_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    with pytest.raises(StoreNotFound):
        store.header()
    store.create({"format": 1})

    def opened() -> Stored:
        raise AssertionError("the store was opened again")

    monkeypatch.setattr(store, "open", opened)
    assert store.header() == store.read(HEADER)


def test_a_page_of_an_engine_without_pages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_PAGE", 3)
    store = MemoryStore()
    store.create({"format": 1})
    for number in range(7):
        store.commit([Change(key_ref(f"account-{number}", "elevenlabs"), {"number": number}, None)])
    assert [len(page) for page in store.pages()] == [3, 3, 1]
