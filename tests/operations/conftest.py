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
from support.rekeying import quick_passphrases as quick_passphrases
from support.rekeying import sides as sides
from support.servers.postgres import postgres as postgres
from support.vault import ADAPTERS, Vault


@pytest.fixture(params=sorted(ADAPTERS))
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    """Return a vault on each of the embedded stores."""
    return Vault.made(ADAPTERS[request.param](tmp_path))
