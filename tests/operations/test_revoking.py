"""Deleting all versions of a key that manages itself, where the provider no longer accepts the version in use."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from kojikey.model.key import Key
from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.model.verdict import Reason
from kojikey.operations.minting import retiring
from kojikey.operations.minting.provider_ids import proved_id, unproved_id
from kojikey.providers.management.base import RemoteKey
from kojikey.providers.management.deepgram import Deepgram
from support.sample_store import ACCOUNT, FakeTester, SampleStore


class Refusing(Deepgram):
    """A provider that no longer accepts the key that manages itself."""

    async def _delete(self, key: Any) -> None:
        raise ManagementRefused("the key is not accepted", Refusal.ADMIN_KEY)


def key_with_id(sample_store: SampleStore, provider: str = "deepgram") -> Key:
    sample_store.add(provider=provider)
    key = sample_store.key(provider=provider)
    assert key is not None
    sealer = sample_store.open_store().sealer(ACCOUNT)
    remote_id = proved_id(sealer, provider, 1, unproved_id(RemoteKey("key-1", parent="project-1")))
    return key.with_version(structs.replace(key.current, at_provider=remote_id))


def revoke_all(sample_store: SampleStore, key: Key, reason: Reason) -> list[int]:
    keys = Refusing(client=None)  # type: ignore[arg-type]  # it asks nothing
    left = asyncio.run(retiring.revoke_all(sample_store.open_store(), keys, key, FakeTester(reason)))
    return [version.number for version in left]


def test_a_version_that_the_provider_rejects_counts_as_deleted(sample_store: SampleStore) -> None:
    assert revoke_all(sample_store, key_with_id(sample_store), Reason.INVALID_KEY) == []


@pytest.mark.parametrize("reason", [Reason.OK, Reason.MISSING_PERMISSION])
def test_a_version_that_still_works_is_returned(sample_store: SampleStore, reason: Reason) -> None:
    assert revoke_all(sample_store, key_with_id(sample_store), reason) == [1]


def test_the_refusal_stands_where_a_test_learns_nothing(sample_store: SampleStore) -> None:
    with pytest.raises(ManagementRefused):
        revoke_all(sample_store, key_with_id(sample_store), Reason.UNREACHABLE)


def test_the_refusal_of_another_admin_key_stands(sample_store: SampleStore) -> None:
    key = key_with_id(sample_store, "xai")
    with pytest.raises(ManagementRefused):
        revoke_all(sample_store, key, Reason.INVALID_KEY)
