"""The lists of keys that the keys of one run share."""

from __future__ import annotations

import asyncio

import pytest

from kojikey.model.management_errors import ManagementUnavailable
from kojikey.providers.management.base import RemoteKey
from kojikey.providers.management.recent_lists import RecentLists


class Provider:
    """A list of keys that counts its requests, and a clock that a test sets."""

    def __init__(self, *names: str) -> None:
        self.keys = tuple(RemoteKey(name) for name in names)
        self.requested: list[str] = []
        self.now = 1000.0
        self.fails = False
        self.recent = RecentLists(lambda: self.now)

    async def list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        self.requested.append(parent)
        await asyncio.sleep(0)
        if self.fails:
            raise ManagementUnavailable("no answer", is_uncertain=False)
        return self.keys

    async def find(self, name: str, parent: str = "team") -> list[str]:
        found = await self.recent.matching(parent, lambda key: key.key_id == name, self.list_keys)
        return [key.key_id for key in found]

    def find_all(self, *names: str) -> list[list[str]]:
        async def find() -> list[list[str]]:
            return await asyncio.gather(*map(self.find, names))

        return asyncio.run(find())


def test_many_keys_are_found_with_one_request() -> None:
    provider = Provider("a", "b", "c")
    assert provider.find_all("a", "b", "c") == [["a"], ["b"], ["c"]]
    provider.now += 60
    assert provider.find_all("b", "a") == [["b"], ["a"]]
    assert provider.requested == ["team"]


def test_after_a_minute_the_list_is_requested_again() -> None:
    provider = Provider("a")
    provider.find_all("a")
    provider.now += 61
    provider.keys = ()
    assert provider.find_all("a") == [[]]
    assert provider.requested == ["team"] * 2


def test_a_key_that_the_recent_list_lacks_is_looked_up_in_a_new_one() -> None:
    provider = Provider("a")
    provider.find_all("a")
    provider.now += 1
    provider.keys += (RemoteKey("new"),)
    assert provider.find_all("new", "a") == [["new"], ["a"]]
    assert provider.requested == ["team"] * 2


def test_searches_that_wait_for_a_request_use_its_list_whether_it_has_their_key_or_not() -> None:
    provider = Provider("a")
    assert provider.find_all("a", "missing", "missing too") == [["a"], [], []]
    assert provider.requested == ["team"]


def test_each_parent_has_a_list_of_its_own() -> None:
    provider = Provider("a")
    for parent in ("one", "two", "one"):
        assert asyncio.run(provider.find("a", parent)) == ["a"]
    assert provider.requested == ["one", "two"]


def test_a_list_that_was_refused_is_requested_again() -> None:
    provider = Provider("a")
    provider.fails = True
    for _ in range(2):
        with pytest.raises(ManagementUnavailable):
            provider.find_all("a")
    provider.fails = False
    assert provider.find_all("a") == [["a"]]
    assert provider.requested == ["team"] * 3
