"""The event loops on which requests are made: asyncio's own for a few keys, ``fast_loop`` for thousands."""

from __future__ import annotations

import asyncio

import pytest

from kojikey.providers.requests import fast_loop

_RUNNERS = {"asyncio": asyncio.run, "fast": fast_loop.run}


@pytest.fixture(params=_RUNNERS)
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test once with each loop behind ``asyncio.run``."""
    monkeypatch.setattr(asyncio, "run", _RUNNERS[request.param])
