"""A URL names a store; other text is refused without repeating it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.model.errors import UsageError
from kojikey.stores.registry import GROUP, schemes, store_from_url
from kojikey.testing.conformance import Maker, SharedStoreConformance
from kojikey.testing.conformance.contention import compete
from support.each import each


@each(
    ("url", "place"),
    [
        ("sqlite:///srv/keys.db", "/srv/keys.db"),
        ("sqlite:////srv/keys.db", "/srv/keys.db"),
        ("SQLite:///srv/keys.db", "/srv/keys.db"),
        ("sqlite:///srv/a%20b%3Fc%23d%25.db", "/srv/a b?c#d%.db"),
        ("sqlite:///srv/%E9%8D%B5.db", "/srv/鍵.db"),
        ("sqlite:///srv/鍵.db", "/srv/鍵.db"),
        ("sqlite:///srv/%FF.db", "/srv/\\xff.db"),
        ("sqlite:///srv/x/../keys.db", "/srv/keys.db"),
        ("sqlite:///keys.db", "/keys.db"),
    ],
)
def test_an_sqlite_url_names_the_file_of_its_whole_path(url: str, place: str) -> None:
    assert store_from_url(url).place == place


@each(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://host/keys.db",
        "sqlite://keys.db",
        "sqlite:///keys.db?mode=memory",
        "sqlite:///keys.db#part",
        "sqlite:///a%00b",
        "sqlite:/keys.db",
        "sqlite:keys.db",
        "",
        "keys.db",
        "/srv/keys.db",
        "./keys.db",
        "C:\\keys.db",
        "://",
        "memory",
    ],
)
def test_a_malformed_store_url_is_refused_with_the_correct_form(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        store_from_url(url)
    assert raised.value.hint or "\0" in url or "%00" in url


def test_an_unknown_scheme_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there are no redis stores") as raised:
        store_from_url("redis://localhost/0")
    assert raised.value.hint is not None
    assert all(f"{scheme}://" in raised.value.hint for scheme in schemes())


@each(
    "url",
    [
        "redis://user:CANARY@host/db",
        "user:CANARY@host",
        "CANARY",
        "sk-CANARY://x",
        "a" * 40 + "CANARY://x",
        "sqlite://user:CANARY@host/keys.db",
        "sqlite:///keys.db?password=CANARY",
        "user:CANARY@redis://x",
    ],
)
def test_a_password_or_a_key_in_place_of_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        store_from_url(url)
    assert "CANARY" not in f"{raised.value} {raised.value.hint}"


def test_opening_a_url_touches_nothing_before_the_first_verb(tmp_path: object) -> None:
    assert store_from_url(f"sqlite://{tmp_path}/none/keys.db").describe().place == f"{tmp_path}/none/keys.db"


DEAR = {
    "asyncio", "cryptography", "dataclasses", "httpcore2", "inspect", "logging", "pathlib", "platformdirs", "rich",
    "secrets", "shlex", "subprocess", "tomllib", "typer", "urllib.parse", "hashlib",
    "kojikey.stores.memory", "kojikey.stores.sqlite.errors",
}  # fmt: skip


def test_opening_and_one_read_import_no_slow_module(tmp_path: object) -> None:
    store_from_url(f"sqlite://{tmp_path}/keys.db").create({})
    script = (
        "import sys; before = set(sys.modules)\n"
        "from kojikey.stores.registry import store_from_url\n"
        "from kojikey.model.ref import key_ref\n"
        f"store = store_from_url('sqlite://{tmp_path}/keys.db')\n"
        "store.open(), store.read(key_ref('acme', 'elevenlabs')), store.close()\n"
        "print(*(set(sys.modules) - before))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    assert "_sqlite3" in imported
    assert imported & DEAR == set()


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an installed package that has its own store, for this process and its children."""
    folder = tmp_path / "site"
    info = folder / "their_store-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-store\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = their_store:from_url\nbroken = not_there:from_url\n")
    (folder / "their_store.py").write_text(
        "from kojikey.stores.sqlite.store import SqliteStore\n"
        "def from_url(url):\n"
        "    return SqliteStore(url.removeprefix('theirs://'), busy_timeout=30)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
    return folder


def test_a_store_of_another_package_is_found_by_its_scheme(another_package: Path, tmp_path: Path) -> None:
    for scheme in ("theirs", "Theirs"):
        assert store_from_url(f"{scheme}://{tmp_path}/keys.db").place == f"{tmp_path}/keys.db"


@pytest.mark.usefixtures("another_package")
def test_a_package_that_cannot_be_imported_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="broken:// stores cannot be used"):
        store_from_url("broken://anywhere")


@pytest.mark.usefixtures("another_package")
class TestTheirStore(SharedStoreConformance):
    """The published suite for that store, including the tests with competing processes."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"theirs://{tmp_path}/theirs.db"

    @pytest.fixture
    def make_store(self, url: str) -> Maker:
        return lambda: store_from_url(url)

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        return (sqlite3.Error("what a row says"),)


def test_a_competing_process_that_ends_at_once_reports_why() -> None:
    with pytest.raises(AssertionError, match="there are no nobodys stores"):
        compete("increment", "nobodys://x", [[1]])
