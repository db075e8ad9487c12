"""Connections whose requests a function answers, for tests without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpcore2

from kojikey.providers.requests.session import Opener

Play = Callable[[httpcore2.Request], Awaitable[httpcore2.Response]]


class _Played(httpcore2.AsyncConnectionInterface):
    """A connection that is never used twice."""

    def __init__(self, play: Play) -> None:
        self._play = play

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        return await self._play(request)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def is_available(self) -> bool:
        return False


def opener_of(play: Play) -> Opener:
    """Return an opener of connections whose requests the function answers."""
    return lambda: _Played(play)
