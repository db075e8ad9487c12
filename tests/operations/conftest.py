"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.copies import make as make
from support.copies import one as one
from support.copies import source as source
from support.copies import target as target
from support.copies import two as two
from support.rekeying import keychain as keychain
from support.rekeying import sides as sides
from support.sample_store import ADAPTERS, SampleStore
from support.servers.postgres import database as database
from support.servers.postgres import postgres as postgres


@pytest.fixture(params=sorted(ADAPTERS))
def sample_store(request: pytest.FixtureRequest, tmp_path: Path) -> SampleStore:
    """Return a vault on each of the embedded stores."""
    return SampleStore.made(ADAPTERS[request.param](tmp_path))
