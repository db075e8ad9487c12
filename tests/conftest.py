"""The base of every test: a clean home and environment, no network but loopback, a sandbox, and a canary key.

Owns: keeping the tests from each other, from the user who runs them and from the network.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.sealing.kek import passphrase
from kojikey.testing import Sandbox, SandboxKey
from support.loopback import sitecustomize as loopback
from support.program import KEK, Program
from support.servers.aws import aws, aws_server

_HERE = os.path.dirname(__file__)

__all__ = ["aws", "aws_server"]

pytest_plugins = ["support.marking"]

# Stores of tests are in memory where the system has a folder there: a disk would have to write each change at once.
_MEMORY, _ENOUGH = "/dev/shm", 1 << 30
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)

_OF_PYTEST = "PYTEST_CURRENT_TEST"
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SYSTEMROOT",
    _OF_PYTEST,
    "PYTEST_VERSION",
    "COVERAGE_PROCESS_START",
    "MUTANT_UNDER_TEST",
)

# The passphrases of new stores are stretched as little as may be, but in tests that ask for ``real_argon2id``.
_STRETCHED = passphrase.MEMORY_KIB, passphrase.ITERATIONS
passphrase.MEMORY_KIB, passphrase.ITERATIONS = 8 * passphrase.LANES, 1

# A shell's `&` and nohup start programs with these ignored. A program that a test starts would inherit that, and a
# test of a signal would wait for ever.
for _name, _default in (
    ("SIGHUP", signal.SIG_DFL),
    ("SIGINT", signal.default_int_handler),
    ("SIGQUIT", signal.SIG_DFL),
):
    if (_number := getattr(signal, _name, None)) is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)

CANARY = {
    "elevenlabs": "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36",
    "google_gemini": "AQ.Qz7Xw3Kp9Vn5Ht1Rb8Yd4Lf6Gs2Jm0CeTuWaIo3NxBvPq",
}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no cycles while tests are collected, nor later among them: all of them stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def clean_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the home folder of all tests; none may write to it."""
    home = tmp_path_factory.mktemp("home")
    yield home
    assert [path.name for path in home.iterdir()] == [], "a test wrote to the user's home"


@pytest.fixture(scope="session")
def network_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file to which attempts to leave this machine are written."""
    return tmp_path_factory.mktemp("network") / "report"


@pytest.fixture(scope="session")
def bare_environment(clean_home: Path, network_report: Path) -> Iterator[dict[str, str]]:
    """Take every variable away that the tests did not ask for; return them all, and give them back in the end."""
    before = dict(os.environ)
    for name in set(before) - set(_KEPT):
        del os.environ[name]
    os.environ |= {
        "HOME": str(clean_home),
        "LANG": before.get("LANG", "C.UTF-8"),
        "PYTHONPATH": os.path.join(_HERE, "support", "loopback"),
        "NO_GCE_CHECK": "true",  # google-auth would ask the metadata service of a machine
        loopback.REPORT: str(network_report),
    }
    yield before
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def clean_environment(bare_environment: dict[str, str]) -> Iterator[None]:
    """Keep from each test what another one has left in the environment."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value and name != _OF_PYTEST:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def loopback_only(network_report: Path, clean_environment: None) -> Iterator[None]:
    """Fail a test during which it, or a program that it started, tried to leave this machine."""
    yield
    if network_report.exists():
        attempts = network_report.read_text()
        network_report.unlink()
        pytest.fail(f"only loopback may be talked to:\n{attempts}")


@pytest.fixture
def real_argon2id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test stretch passphrases as the program does."""
    monkeypatch.setattr(passphrase, "MEMORY_KIB", _STRETCHED[0])
    monkeypatch.setattr(passphrase, "ITERATIONS", _STRETCHED[1])


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """Return a sandbox that serves all tests."""
    with Sandbox() as playing:
        yield playing


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """Return a sandbox with nothing broken and nothing recorded; faults of the client fail the test."""
    running_sandbox.forget()
    yield running_sandbox
    running_sandbox.mend()
    running_sandbox.forget_managed()
    running_sandbox.latency = 0.0
    assert running_sandbox.faults == ()


@pytest.fixture
def kojikey(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with a home that does not exist yet, and a KEK in its environment.

    In this process it polls, and repeats a request that failed, without the wait of a real provider.
    """
    monkeypatch.setattr("kojikey.providers.management.google_gemini.POLL_S", 0.0)
    monkeypatch.setattr("kojikey.providers.requests.retry_delay._FIRST", 0.01)
    home = tmp_path / "kojikey"
    return Program(home, sandbox, {**os.environ, "KOJIKEY_HOME": str(home), "KOJIKEY_KEK": KEK})


@pytest.fixture(params=sorted(CANARY))
def canary(request: pytest.FixtureRequest, sandbox: Sandbox) -> SandboxKey:
    """Return a key that works and of which no 8 characters may turn up anywhere, for each provider."""
    provider = str(request.param)
    return sandbox.add_key(provider, CANARY[provider])
