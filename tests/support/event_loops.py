"""The event loops that requests are made on: asyncio's own for a few keys, another one for thousands."""

from __future__ import annotations

import asyncio

import pytest

from kojikey.providers.requests import fast_loop

_RUNNERS = {"asyncio": asyncio.run, "fast": fast_loop.run}


@pytest.fixture(params=_RUNNERS)
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``asyncio.run`` of a test run on each of the loops."""
    monkeypatch.setattr(asyncio, "run", _RUNNERS[request.param])
