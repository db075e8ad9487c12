"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from copies import make as make
from copies import one as one
from copies import source as source
from copies import target as target
from copies import two as two
from postgres import postgres as postgres
from rekeying import keychain as keychain
from rekeying import quick_passphrases as quick_passphrases
from rekeying import sides as sides
from vault import ADAPTERS, Vault


@pytest.fixture(params=sorted(ADAPTERS))
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    """Return a vault on each of the embedded stores."""
    return Vault.made(ADAPTERS[request.param](tmp_path))
