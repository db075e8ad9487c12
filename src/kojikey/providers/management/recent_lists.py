"""The lists of a provider's keys that a run over many keys requested in the last minute.

Owns: requesting each list once a minute and not once for each key of the run, which for a thousand keys would be
thousands of pages. Must not: answer whether a key exists; a key that a recent list lacks is looked up in a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kojikey.providers.management.remote_key import RemoteKey

_SECONDS = 60.0


class _Listed(NamedTuple):
    requested_at: float
    keys: tuple[RemoteKey, ...]


class RecentLists:
    """The lists of one admin credential, by parent, for use in one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lists: dict[str, _Listed] = {}
        self._lock = asyncio.Lock()

    async def matching(
        self,
        parent: str,
        matches: Callable[[RemoteKey], bool],
        request: Callable[[str], Awaitable[tuple[RemoteKey, ...]]],
    ) -> tuple[RemoteKey, ...]:
        """Return the keys of a parent that match, from a list that is new or at most a minute old.

        ``request`` is awaited for a new list if the recent one has no match. Other searches that wait meanwhile use its
        list too.
        """
        began = self._clock()
        async with self._lock:
            listed = self._lists.get(parent)
            if listed is not None and began - listed.requested_at <= _SECONDS:
                found = tuple(filter(matches, listed.keys))
                if found or listed.requested_at >= began:
                    return found
            requested_at = self._clock()
            self._lists[parent] = listed = _Listed(requested_at, await request(parent))
        return tuple(filter(matches, listed.keys))
