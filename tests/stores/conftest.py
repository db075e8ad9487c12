"""Makes the servers that the tests start importable (the suite runs with ``--import-mode=importlib``).

If the driver of a store is not installed, one failing test replaces the tests of that store.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

from support.servers.postgres import database, postgres

__all__ = ["database", "postgres"]

_DRIVERS = {"test_postgres_": "psycopg", "test_dynamodb_": "boto3"}


class _WithoutDriver(pytest.Item):
    def runtest(self) -> NoReturn:
        pytest.fail(f"{self.name} is not installed: pip install -e '.[dev]'", pytrace=False)


class _Undriven(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        item = _WithoutDriver.from_parent(self, name=_driver_of(self.path))
        item.add_marker("server")
        item.add_marker("external")
        yield item


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Collect no module whose driver is not installed."""
    driver = _driver_of(module_path)
    return None if not driver or find_spec(driver) else _Undriven.from_parent(parent, path=module_path)


def _driver_of(path: Path) -> str:
    return next((driver for beginning, driver in _DRIVERS.items() if path.name.startswith(beginning)), "")
