"""A re-keying to the present KEK is recognised: nothing changes, or only the place of the KEK."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojikey.model.errors import CannotOpen
from kojikey.model.ref import HEADER
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import creating, rekeying
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.memory import MemoryStore, SharedMemory
from support.program import KEK, Program
from support.sample_store import SampleStore
from support.servers.aws import REGION, Aws


@pytest.fixture
def sample_store() -> SampleStore:
    shared_memory = SharedMemory()
    return SampleStore.made(lambda: MemoryStore(shared_memory))


def test_the_kek_that_a_store_has_changes_nothing(sample_store: SampleStore) -> None:
    sample_store.add()
    before = sample_store.opener().read(HEADER)
    result = rekeying.rekey(sample_store.open_store(), source="env", new_inputs=sample_store.inputs())
    assert (result.is_same_kek, result.is_same_place, result.rewrapped, result.already) == (True, True, 0, 1)
    assert sample_store.opener().read(HEADER) == before
    assert "rekeyed" not in sample_store.actions()
    sample_store.verify()


def test_a_missing_kek_is_not_taken_for_the_same_one(sample_store: SampleStore) -> None:
    with pytest.raises(CannotOpen):
        rekeying.rekey(sample_store.open_store(environ={}), source="env", new_inputs=sample_store.inputs())


@pytest.mark.parametrize("source", ["env", "file", "awskms"])
def test_the_command_says_that_nothing_was_changed(kojikey: Program, aws: Aws, tmp_path: Path, source: str) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    kek = {
        "env": "env",
        "file": f"file:{tmp_path}/elsewhere/kek",
        "awskms": f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}",
    }[source]
    kojikey.environ |= {"AWS_ACCESS_KEY_ID": "AKIAMADEUPMADEUP0000", "AWS_SECRET_ACCESS_KEY": "made-up"}
    assert kojikey("store", "init", "--kek", kek).code == 0
    kojikey.added()
    ended = kojikey("store", "rekey", "--kek", kek)
    assert ended.code == 0
    assert "already has this key-encryption key" in " ".join(ended.out.split())
    assert "nothing was changed" in " ".join(ended.out.split())
    assert "another key-encryption key" not in ended.out
    told = kojikey("store", "rekey", "--kek", kek, "--json").result
    assert (told["action"], told["rewrapped"], told["already"], told["resumed"]) == ("unchanged", 0, 1, False)
    assert set(told) == {"action", "rewrapped", "already", "kek", "resumed"}


def test_rekeying_to_the_same_kek_at_another_place_is_reported_as_that(kojikey: Program) -> None:
    assert kojikey("store", "init", "--kek", "env").code == 0
    key = kojikey.added()
    ended = kojikey("store", "rekey", "--kek", "env:OTHER_NAME", OTHER_NAME=KEK)
    said = " ".join(ended.out.split())
    assert ended.code == 0
    assert "has the same key-encryption key as before, now from: the environment variable OTHER_NAME" in said
    assert "nothing was wrapped anew" in said
    assert "no longer opens anything here" not in said
    told = kojikey("get", "elevenlabs", "--reveal", KOJIKEY_KEK=None, OTHER_NAME=KEK)
    assert told.out.strip() == key.key


def test_the_same_kms_key_under_another_name_is_saved_with_the_new_name(aws: Aws) -> None:
    arn = aws.new_key()
    nobody, store = KekInputs({}, None), MemoryStore()
    rest = f"?region={REGION}&endpoint={aws.endpoint}"
    creating.create(store, source=f"awskms:{arn}{rest}", inputs=nobody)
    name = arn.rpartition("/")[2]
    open_store = OpenStore(store, store.open().document, nobody, actor="test")
    result = rekeying.rekey(open_store, source=f"awskms:{name}{rest}", new_inputs=nobody)
    assert (result.is_same_kek, result.is_same_place) == (True, False)
    assert store.open().document["kek"]["name"] == name
    assert store.open().document["next_kek"] is None
