"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from vault import ADAPTERS, Vault


@pytest.fixture(params=sorted(ADAPTERS))
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    """Return a vault on each of the embedded stores."""
    return Vault.made(ADAPTERS[request.param](tmp_path))
