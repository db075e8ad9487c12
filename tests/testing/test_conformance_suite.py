"""The published suite fails for each kind of faulty adapter; each of these adapters passes all its other tests."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

_HEAD = """
import pytest
from kojikey.model.errors import StoreUnavailable
from kojikey.stores.memory import MemoryStore, SharedMemory
from kojikey.testing.conformance import StoreConformance


class EngineError(Exception):
    pass
"""
_ADAPTER = """

class Store{number}(MemoryStore):
    def _translate(self, error):
        return StoreUnavailable(self.place, "failed") if isinstance(error, EngineError) else None

{body}


class Test{number}(StoreConformance):
    page, few, many = 40, 100, 200

    @pytest.fixture
    def make_store(self):
        shared_memory = SharedMemory()
        return lambda: Store{number}(shared_memory)

    @pytest.fixture
    def engine_errors(self):
        return (EngineError("postgresql://koji:secret@db"),)
"""

BROKEN = {
    "lets an engine's own error escape": (
        "    def _translate(self, error):\n        return None",
        "test_an_error_of_the_engine_leaves_as_a_store_error",
    ),
    "repeats what an engine said": (
        "    def _translate(self, error):\n        return StoreUnavailable(self.place, str(error))",
        "test_an_error_of_the_engine_leaves_as_a_store_error",
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


KINDS = ["keeps every promise", *sorted(BROKEN)]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> list[set[str]]:
    """Return the tests that failed for each kind of adapter, from one run of the suite on all of them."""
    folder = tmp_path_factory.mktemp("theirs")
    path = folder / "test_theirs.py"
    bodies = ["", *(BROKEN[kind][0] for kind in KINDS[1:])]
    adapters = [_ADAPTER.format(number=number, body=body) for number, body in enumerate(bodies)]
    path.write_text(_HEAD + "".join(adapters))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=300)
    results = re.findall(r"^(PASSED|FAILED) \S*::Test(\d)::(test_\w+)", ended.stdout, re.MULTILINE)
    for number in range(len(KINDS)):
        assert len([name for word, of, name in results if (word, of) == ("PASSED", str(number))]) > 30, ended.stdout
    return [{name for word, of, name in results if (word, of) == ("FAILED", str(n))} for n in range(len(KINDS))]


def test_a_store_that_keeps_every_promise_passes(failed: list[set[str]]) -> None:
    assert failed[0] == set()


@pytest.mark.parametrize("wrong", KINDS[1:])
def test_each_faulty_adapter_fails_the_test_of_its_fault(failed: list[set[str]], wrong: str) -> None:
    assert BROKEN[wrong][1] in failed[KINDS.index(wrong)]
