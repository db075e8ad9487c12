"""Error trackers keep the local variables of every frame: none of ours shows a key, a KEK, a passphrase or a variable.

Each public function and each command is made to fail at one place after the other, deep inside, as a bug would; the
traceback is then taken with the locals of all its frames.
"""

from __future__ import annotations

import base64
import copy
import os
import pickle
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import kojikey as package
from kojikey.model.environment import Environment
from kojikey.model.errors import KojikeyError
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.testing import SandboxKey
from support.each import each
from support.exhaustive import exhaustive
from support.program import KEK, Program, pieces_in

PASSPHRASE = "correct horse battery staple 7f3a"
OTHER_KEK = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()
RAW = repr(bytes(range(32)))[2:-1]  # the KEK's bytes, as a repr would have them
# Where a bug is put. The frames above it are those of a real one.
PLACES = [
    "kojikey.stores.sqlite.store.SqliteStore._open",
    "kojikey.stores.sqlite.store.SqliteStore._read",
    "kojikey.stores.sqlite.store.SqliteStore._commit",
    "kojikey.stores.sqlite.store.SqliteStore._scan",
    "kojikey.stores.sqlite.store.SqliteStore._accounts",
    "kojikey.stores.sqlite.store.SqliteStore._events",
    "kojikey.sealing.envelope.parse",
    "kojikey.sealing.kek.base.parse",
    "kojikey.sealing.aead.cipher",
    "kojikey.sealing.aead.protect",
    "kojikey.sealing.aead.render",
    "kojikey.providers.requests.probe.Prober.test",
    "kojikey.cli.output.stdout.write_json",
    "kojikey.cli.output.page.Page.__init__",
    "kojikey.model.atomic_file.sync_folder",
]
COMMANDS: list[list[str]] = [
    ["add", "{provider}", "--stdin", "--base-url", "{base_url}", "--account", "second"],
    ["test", "--all-accounts"],
    ["test", "{provider}", "--stdin", "--base-url", "{base_url}"],
    ["list", "--all-accounts"],
    ["rotate", "{provider}", "--stdin", "--json"],
    ["rotate", "{provider}", "--rollback"],
    ["remove", "{provider}", "--yes"],
    ["run", "--", "true"],
    ["run", "--env", "X={provider}", "--", "true"],
    ["history", "{provider}"],
    ["check", "--require", "{provider}", "--json"],
    ["audit", "--verify"],
    ["doctor"],
    ["account", "list"],
    ["account", "disable", "default"],
    ["store", "info"],
    ["store", "rekey", "--kek", "env:OTHER_KEK"],
    ["store", "copy", "--to", "other"],
    ["import", "--env", "--map", "CANARY={provider}", "--account", "third", "--no-test"],
    ["import", "{home}/import.env", "--map", "CANARY={provider}", "--comment-out"],
    ["import", "{home}/import.env", "--rotate", "--map", "OTHER={provider}", "--json"],
    ["export", "--reveal", "--format", "json"],
    ["export", "--reveal", "--output", "{home}/export.env", "--yes"],
    ["set", "{provider}", "--label", "x"],
    ["set", "{provider}", "--unset", "base-url", "--no-test"],
]
SOURCE = os.path.join(os.path.dirname(package.__file__), "")  # not by its name: a clone of the project may have it too
# The functions in which a key is a text on purpose: where it is read, and where the header is made.
READERS = {"clean", "_problems", "read_lines", "_fields", "_line"}


def fail(*_: object, **__: object) -> object:
    raise RuntimeError("a bug")


def frames_of(error: BaseException) -> Iterator[str]:
    """Yield each frame of an exception and of those that it came from, with its locals."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[traceback.TracebackException | None] = [found]
    while chain:
        one = chain.pop()
        if one is None:
            continue
        chain += [one.__cause__, one.__context__]
        yield from one.format_exception_only()
        for frame in one.stack:
            is_ours = frame.filename.startswith(SOURCE) and not frame.filename.startswith(SOURCE + "testing")
            if is_ours and frame.name not in READERS:
                yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"


def assert_hidden(error: BaseException, key: SandboxKey) -> None:
    for frame in frames_of(error):
        for secret in (key.key, KEK, OTHER_KEK, PASSPHRASE, RAW):
            assert pieces_in(secret, frame) == [], frame[:2000]


@contextmanager
def errors_of_commands() -> Iterator[list[Exception]]:
    """Collect what commands fail with, before it is made a message."""
    found: list[Exception] = []

    def keep(tokens: list[str], error: Exception) -> int:
        found.append(error)
        return 1

    with mock.patch("kojikey.cli.output.failure.report", keep):
        yield found


@pytest.fixture
def filled(kojikey: Program, canary: SandboxKey) -> Program:
    """Return the program with a key, a previous version of it, and another store."""
    kojikey.environ["OTHER_KEK"] = OTHER_KEK
    options = ("--stdin", "--base-url", canary.base_url)
    assert kojikey("add", canary.provider, *options, "--no-test", stdin=canary.key).code == 0
    other = kojikey("store", "init", f"sqlite:///{kojikey.home}/other.db", "--name", "other", "--kek", "env:OTHER_KEK")
    assert other.code == 0
    kojikey.environ["CANARY"] = canary.key
    (kojikey.home / "import.env").write_text(f"CANARY={canary.key}\nOTHER={canary.key}x\n")
    return kojikey


@pytest.mark.parametrize("canary", ["elevenlabs", exhaustive("google_gemini")], indirect=True)
@pytest.mark.parametrize("place", PLACES)
def test_a_failing_command_has_no_secret_in_a_local_variable(filled: Program, canary: SandboxKey, place: str) -> None:
    whole = (filled.home / "keys.db").read_bytes()
    failed = 0
    for command in COMMANDS:
        with errors_of_commands() as found, mock.patch("os.execvpe", fail), mock.patch(place, fail):
            places = {"base_url": canary.base_url, "home": filled.home}
            words = (word.format(provider=canary.provider, **places) for word in command)
            filled(*words, stdin=canary.key)
        for error in found:
            assert_hidden(error, canary)
        failed += len(found)
        (filled.home / "keys.db").write_bytes(whole)
    assert failed, "no command came there"


@pytest.mark.parametrize("place", [*PLACES[:2], *PLACES[6:9]])
def test_a_failing_resolve_has_no_secret_in_a_local_variable(filled: Program, canary: SandboxKey, place: str) -> None:
    environ = mock.patch.dict(os.environ, filled.environ, clear=True)
    with environ, mock.patch(place, fail), pytest.raises(RuntimeError) as caught:
        package.resolve(canary.provider)
    assert_hidden(caught.value, canary)


def damaged(home: Path) -> None:
    """Change one character of the sealed record of the key."""
    with closing(sqlite3.connect(home / "keys.db", isolation_level=None)) as database:
        ((document,),) = database.execute("SELECT document FROM keys").fetchall()
        at = document.index('"sealed":"') + 300
        changed = document[:at] + ("A" if document[at] != "A" else "B") + document[at + 1 :]
        database.execute("UPDATE keys SET document = ?", (changed,))


WRONG: dict[str, Callable[[Program], dict[str, str]]] = {
    "another KEK": lambda kojikey: {"KOJIKEY_KEK": OTHER_KEK},
    "a KEK with a slip": lambda kojikey: {"KOJIKEY_KEK": KEK[:-4]},
    "a changed record": lambda kojikey: damaged(kojikey.home) or {},  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("what", WRONG)
def test_a_resolve_that_cannot_open_has_no_secret_in_a_local_variable(
    filled: Program, canary: SandboxKey, what: str
) -> None:
    environ = filled.environ | WRONG[what](filled)
    with mock.patch.dict(os.environ, environ, clear=True), pytest.raises(KojikeyError) as caught:
        package.resolve(canary.provider)
    assert_hidden(caught.value, canary)


def test_a_passphrase_store_that_does_not_open_has_no_secret_in_a_local_variable(
    kojikey: Program, canary: SandboxKey, tmp_path: Path
) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n")
    file.chmod(0o600)
    kojikey.environ["KOJIKEY_PASSPHRASE_FILE"] = str(file)
    options = ("--stdin", "--no-test", "--base-url", canary.base_url)
    assert kojikey("store", "init", "local", "--kek", "passphrase").code in (0, 2)
    assert kojikey("add", canary.provider, *options, stdin=canary.key, KOJIKEY_KEK=None).code == 0
    file.write_text(f"{PASSPHRASE} with a slip\n")
    with mock.patch.dict(os.environ, kojikey.environ, clear=True), pytest.raises(KojikeyError) as caught:
        package.resolve(canary.provider)
    assert_hidden(caught.value, canary)


# what holds a secret, taken apart

HOLDERS: dict[str, Callable[[], Any]] = {
    "Secret": lambda: Secret(PASSPHRASE),
    "Sealer": lambda: Sealer(bytes(range(32)), store="s", account="a"),
    "LocalKek": lambda: LocalKek(bytes(range(32))),
    "Environment": lambda: Environment({"KOJIKEY_KEK": KEK}),
}
WAYS: dict[str, Callable[[Any], object]] = {
    "getstate": lambda holder: holder.__getstate__(),
    "reduce": lambda holder: holder.__reduce__(),
    "reduce_ex": lambda holder: holder.__reduce_ex__(4),
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "vars": vars,
}


@each("way", WAYS)
@each("holder", HOLDERS)
def test_objects_with_a_secret_cannot_be_converted_to_a_dict(holder: str, way: str) -> None:
    with pytest.raises(TypeError) as caught:
        WAYS[way](HOLDERS[holder]())
    assert pieces_in(PASSPHRASE, str(caught.value)) == pieces_in(KEK, str(caught.value)) == []


def test_an_environment_shows_names_and_is_read_as_a_mapping() -> None:
    environ = Environment({"A": "secret-value", "B": "2"})
    assert repr(environ) == str(environ) == f"{environ}" == "<Environment A B>"
    assert (environ["A"], environ.get("C"), environ.get("C", "x"), "A" in environ, len(environ)) == (
        "secret-value", None, "x", True, 2,
    )  # fmt: skip
    assert dict(environ) == {"A": "secret-value", "B": "2"}
    assert dict(environ.joined({"B": "3"}))["B"] == "3"
    assert "secret-value" not in repr(KekInputs(environ, None))


def test_hidden_bytes_compute_and_show_nothing() -> None:
    hidden = HiddenBytes(b"material")
    assert bytes(hidden) == b"material"
    assert "material" not in f"{hidden!r} {hidden} {[hidden]}"
