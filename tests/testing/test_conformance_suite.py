"""The published suite catches an adapter that breaks a promise: each of these passes everything else of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_MODULE = """
import pytest
from kojikey.model.errors import KojikeyError, StoreUnavailable
from kojikey.stores.base import Query
from kojikey.stores.memory import MemoryStore, Shelf
from kojikey.testing.conformance import StoreConformance


class EngineError(Exception):
    pass


class Theirs(MemoryStore):
    def _translate(self, error):
        return StoreUnavailable(self.place, "failed") if isinstance(error, EngineError) else None

{body}


class TestTheirs(StoreConformance):
    page, few, many = 40, 100, 200

    @pytest.fixture
    def make_store(self):
        shelf = Shelf()
        return lambda: Theirs(shelf)

    @pytest.fixture
    def engine_errors(self):
        return (EngineError("postgresql://koji:secret@db"),)
"""

BROKEN = {
    "lets an engine's own error escape": (
        "    def _translate(self, error):\n        return None",
        "test_an_engine_s_error_leaves_as_one_of_ours",
    ),
    "repeats what an engine said": (
        "    def _translate(self, error):\n        return StoreUnavailable(self.place, str(error))",
        "test_an_engine_s_error_leaves_as_one_of_ours",
    ),
    "takes a bug for a failure": (
        "    def _translate(self, error):\n        return StoreUnavailable(self.place, 'failed')",
        "test_a_bug_is_not_taken_for_a_failure_of_the_store",
    ),
    "has a verb of its own": (
        "    def read(self, ref):\n        return self._read(ref)",
        "test_the_verbs_are_those_of_the_interface",
    ),
}


def suite(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    path = folder / "test_theirs.py"
    path.write_text(_MODULE.format(body=body))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=300)


def test_a_store_that_keeps_every_promise_passes(tmp_path: Path) -> None:
    ended = suite(tmp_path, "")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("wrong", sorted(BROKEN))
def test_an_adapter_fails_that(tmp_path: Path, wrong: str) -> None:
    body, test = BROKEN[wrong]
    ended = suite(tmp_path, body)
    assert ended.returncode == 1
    assert test in ended.stdout, ended.stdout
