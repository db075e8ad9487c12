"""A canary key goes through every command, with success and failure: no 8 characters of it appear anywhere."""

from __future__ import annotations

import base64
import gc
import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from unittest import mock

import pytest

from kojikey.testing import SandboxKey
from support.program import COMMAND, KEK, PATIENT, Program, pieces_in

SLOW = ("timeout", "rate_limited", "provider_unavailable", "unreachable")  # retried, and of no words of the provider
OTHER = {
    "elevenlabs": "sk_5c0d9b7e3f1a48266d8e4b2097c5f3a1e8d7b6c40f2938a1",
    "google_gemini": "AQ.Yt5Rf8Wq1Zx6Nc3Vb0Lk9Mj4Hg7Pd2SaEuOiTy5QwXeRv",
}


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Return all that is logged, at the lowest level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def with_key(kojikey: Program, key: SandboxKey, *arguments: str) -> int:
    return kojikey(*arguments, "--stdin", "--base-url", key.base_url, stdin=key.key + "\n").code


def planted(kojikey: Program, key: SandboxKey) -> str:
    """Return a folder in which a key stands in a file, in the file's name and in base64."""
    folder = kojikey.home.parent / "planted"
    folder.mkdir(exist_ok=True)
    (folder / f"name-{key.key}").write_text(f"{key.key}\n{base64.b64encode(key.key.encode()).decode()}\n")
    return str(folder)


def settings_file(kojikey: Program, key: SandboxKey) -> str:
    """Return a ``.env`` file in which a key stands well and badly, under names that are known and unknown."""
    file = kojikey.home.parent / "settings.env"
    lines = (f"CANARY={key.key}", f"OPENAI_API_KEY={key.key}", f"UNKNOWN={key.key}", f"{key.key}={key.key}", key.key)
    file.write_text("\n".join((*lines, f"GROQ_API_KEY='Bearer {key.key}'", f'XAI_API_KEY="{key.key}')))
    return str(file)


def through_import_export_and_set(kojikey: Program, key: SandboxKey, *more: str) -> None:
    """Send a key through what takes keys out of files, and puts them into some."""
    provider, file = key.provider, settings_file(kojikey, key)
    source = [file, "--map", f"CANARY={provider}", "--account", "third", "--no-test"]
    for options in (["--dry-run"], [], ["--rotate"], ["--comment-out"], ["--map", f"UNKNOWN={provider}"]):
        kojikey("import", *source, *options, *more)
    kojikey("import", file, "--timeout", "0.3", *more)
    kojikey("import", "-", *more, stdin=f'{{"openai": "{key.key}", "x": {{"y": "{key.key}"}}}}')
    kojikey("import", "--env", *more, GROQ_API_KEY=key.key, UNKNOWN=key.key)
    kojikey("export", "--account", "third", *more)
    kojikey("export", "--account", "third", "--reveal", "--output", f"{file}.out", "--yes", *more)
    kojikey("export", "--account", "third", "--reveal", "--output", "/nonexistent/x", *more)
    kojikey("set", provider, "--account", "third", "--label", "x", *more)
    kojikey("set", provider, "--account", "third", "--base-url", key.base_url, *more)


def through_batches(kojikey: Program, key: SandboxKey, other: SandboxKey, *more: str) -> None:
    """Send two keys through the batches, each also as a line that is no JSON."""
    for batch in ("add", "rotate"):
        for item in (key, other):
            line = {"account": "many", "provider": item.provider, "key": item.key, "base_url": item.base_url}
            kojikey(batch, "--batch", "-", *more, stdin=json.dumps(line) + f"\n{item.key}\n")


def through_everything(kojikey: Program, key: SandboxKey, other: SandboxKey) -> None:
    """Send two keys through every command, with and without --json, well and badly."""
    provider = key.provider
    for more in ([], ["--json"]):
        with_key(kojikey, key, "test", provider, *more)
        for reason in ("invalid_key", "unknown", "redirected"):
            kojikey.sandbox.set_reason(key.key, reason)
            with_key(kojikey, key, "test", provider, "--timeout", "0.3", *more)
        for kind in ("garbage", "portal"):
            kojikey.sandbox.fault(provider, kind)
            with_key(kojikey, key, "test", provider, "--timeout", "0.2", *more)
        kojikey.sandbox.mend()
        kojikey.sandbox.set_reason(key.key, "invalid_key")
        with_key(kojikey, key, "add", provider, *more)
        kojikey.sandbox.set_reason(key.key, "ok")
        for wrong in (
            f'"{key.key}"',
            f"Bearer {key.key}",
            f"X={key.key}",
            f"{key.key[:20]} {key.key[20:]}",
            f"{key.key}é",
        ):
            kojikey("add", provider, "--stdin", *more, stdin=wrong)
        with_key(kojikey, key, "add", provider, *more)
        with_key(kojikey, key, "add", provider, *more)
        for command in (
            ["list"], ["list", "--all-accounts"], ["test"], ["history", provider], ["audit"], ["audit", "--verify"],
            ["scan", planted(kojikey, key)], ["scan", "--any", planted(kojikey, key)],
            ["config", "get"], ["config", "set", "account", key.key], ["config", "set", "stores.team.url", key.key],
            ["store", "list"], ["store", "use", key.key], ["completion", "bash"], ["completion", key.key],
            ["unlock"], ["unlock", "--for", key.key], ["unlock", "--store", key.key],
            ["doctor"], ["store", "info"], ["account", "list"], ["get", provider], ["remove", provider],
            ["store", "rekey", "--kek", "env:OTHER_KEK"], ["store", "rekey", "--kek", "env"],
        ):  # fmt: skip
            kojikey(*command, *more, OTHER_KEK="Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=")
        through_import_export_and_set(kojikey, key, *more)
        through_batches(kojikey, key, other, *more)
        kojikey("test", "--all-accounts", "--jobs", "2", *more)
        kojikey("rotate", provider, "--stdin", "--no-test", *more, stdin=other.key)
        kojikey("rotate", provider, "--rollback", *more)
        kojikey("rotate", provider, "--retire", *more)
        for kek in (None, "nonsense", "A" * 43):
            kojikey("test", *more, KOJIKEY_KEK=kek)
            kojikey("get", provider, "--reveal", *more, KOJIKEY_KEK=kek)
        kojikey("remove", provider, "--yes", *more)


@pytest.fixture
def other(canary: SandboxKey, kojikey: Program) -> SandboxKey:
    """Return a second canary."""
    return kojikey.sandbox.add_key(canary.provider, OTHER[canary.provider])


@pytest.mark.external
def test_no_command_shows_or_logs_a_key(
    kojikey: Program, canary: SandboxKey, other: SandboxKey, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    through_everything(kojikey, canary, other)
    assert len(kojikey.seen) > 60
    assert {ended.code for ended in kojikey.seen} >= {0, 2, 3, 4, 6, 8}
    for key in (canary.key, other.key):
        for ended in kojikey.seen:
            assert pieces_in(key, ended.said) == []
        assert pieces_in(key, log.getvalue()) == []
        assert pieces_in(key, "".join(capfd.readouterr())) == []
    assert log.getvalue(), "nothing was logged, so nothing was looked at"


@pytest.mark.parametrize("provider", ["google_gemini", "elevenlabs"])
def test_a_provider_that_repeats_the_key_is_scrubbed(kojikey: Program, provider: str, log: io.StringIO) -> None:
    """Every made-up key: some answers have the key in a message, in a reason, in a header or in HTML."""
    for key in kojikey.sandbox.keys:
        if key.provider == provider and key.reason not in SLOW:
            for more in ([], ["--json"]):
                with_key(kojikey, key, "test", provider, "--timeout", "1", *key.options, *more)
                own = key.key[12:] if provider == "google_gemini" else key.key[27:]  # the made-up keys begin alike
                assert pieces_in(own, kojikey.seen[-1].said) == [], key.name
    assert log.getvalue()


def test_no_file_has_a_key(kojikey: Program, canary: SandboxKey, other: SandboxKey, tmp_path: Path) -> None:
    """The database with its journal, and everything that was written beside it or as a temporary file."""
    environ = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONFAULTHANDLER": "1"}
    (tmp_path / "tmp").mkdir()
    kojikey.environ.update(environ)
    with_key(kojikey, canary, "add", canary.provider)
    kojikey("rotate", canary.provider, "--stdin", stdin=other.key)
    connection = sqlite3.connect(kojikey.home / "keys.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE marker (x)")  # the journal is on the disk now
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"keys.db", "keys.db-journal"} <= {path.name for path in files}
    for path in files:
        for key in (canary.key, other.key):
            assert pieces_in(key, path.read_bytes()) == [], path.name
        assert KEK.encode() not in path.read_bytes()
    connection.execute("ROLLBACK")
    connection.close()


def test_a_removed_key_is_gone_from_the_store_file(kojikey: Program, canary: SandboxKey) -> None:
    with_key(kojikey, canary, "add", canary.provider)
    connection = sqlite3.connect(kojikey.home / "keys.db")
    sealed = [row for row in connection.iterdump() if "eyJ" in row]
    connection.close()
    records = [part for row in sealed for part in row.split('"') if part.count(".") == 4 and part.startswith("eyJ")]
    record = next(part for part in records if b'"provider"' in base64.urlsafe_b64decode(part.split(".")[0] + "=="))
    assert record.encode() in (kojikey.home / "keys.db").read_bytes()
    kojikey("remove", canary.provider, "--yes")
    assert record.split(".")[3].encode() not in (kojikey.home / "keys.db").read_bytes()


@pytest.fixture
def own_canary(canary: SandboxKey, kojikey: Program) -> SandboxKey:
    """Return a canary of this test alone: it looks at all processes, those of tests that run beside it too."""
    beginning, rest = canary.key[:3], len(canary.key[3:])
    return kojikey.sandbox.add_key(canary.provider, beginning + token_hex(rest)[:rest])


def processes() -> Iterator[tuple[int, bytes]]:
    """Yield the arguments and the environment of every process of this machine that may be looked at."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            for file in ("cmdline", "environ"):
                try:
                    yield int(name), Path("/proc", name, file).read_bytes()
                except OSError:
                    continue


def test_no_process_has_the_key_in_its_arguments_or_environment_while_it_is_tested(
    kojikey: Program, own_canary: SandboxKey
) -> None:
    command = [*COMMAND, "add", own_canary.provider, "--stdin", "--base-url", own_canary.base_url, *PATIENT]
    with kojikey.sandbox.hold() as gate:
        process = subprocess.Popen(
            command, env=kojikey.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            assert process.stdin
            process.stdin.write(own_canary.key.encode())
            process.stdin.close()
            process.stdin = None
            kojikey.sandbox.wait_for_request()
            seen = list(processes())
            assert any(number == process.pid for number, _ in seen)
            for number, data in seen:
                assert pieces_in(own_canary.key, data) == [], number
            gate.open()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert pieces_in(own_canary.key, out + err) == []


def test_only_the_program_that_run_starts_has_the_key_in_its_environment(
    kojikey: Program, own_canary: SandboxKey
) -> None:
    with_key(kojikey, own_canary, "add", own_canary.provider)
    command = [*COMMAND, "run", "-q", "--", "sh", "-c", "echo ready; read x"]
    with subprocess.Popen(command, env=kojikey.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        holders = {number for number, data in processes() if pieces_in(own_canary.key, data)}
        assert holders == {process.pid}
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert pieces_in(own_canary.key, arguments) == []
        process.communicate(b"\n", timeout=60)


# a bug with a key in scope


def raising(what: Callable[[], BaseException]) -> Callable[..., object]:
    def fail(*arguments: object, **_: object) -> object:
        raise what()

    return fail


BUGS = {
    "in the prober": "kojikey.providers.requests.probe.Prober.test",
    "while sealing": "kojikey.operations.adding.sealed_version",
    "while cleaning": "kojikey.providers.key_cleaning.clean",
    "while saving": "kojikey.stores.sqlite.store.SqliteStore._commit",
}


@pytest.mark.parametrize("where", BUGS)
@pytest.mark.parametrize("chained", [False, True], ids=["raised", "raised from another"])
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["", "json"])
def test_a_bug_with_the_key_in_its_message_is_reported_without_it(
    kojikey: Program, canary: SandboxKey, where: str, chained: bool, more: list[str]
) -> None:
    def error() -> BaseException:
        made = RuntimeError(f"bad value {canary.key!r}")
        if chained:
            made.__cause__ = UnicodeEncodeError("ascii", canary.key, 0, 1, canary.key)
        return made

    with mock.patch(BUGS[where], raising(error)):
        code = with_key(kojikey, canary, "add", canary.provider, *more)
    ended = kojikey.seen[-1]
    assert code == (4 if where == "in the prober" else 1), "a test that meets a bug judges nothing"
    assert "a bug in kojikey: RuntimeError" in ended.err
    assert "Traceback" not in ended.err
    assert pieces_in(canary.key, ended.said) == []
    assert kojikey.listed(canary.provider)["source"] == "built_in"


def test_a_bug_in_the_installed_program_has_no_traceback(kojikey: Program, canary: SandboxKey, tmp_path: Path) -> None:
    (tmp_path / "usercustomize.py").write_text("")
    script = (
        "import sys, faulthandler; faulthandler.enable()\n"
        "import kojikey.providers.key_cleaning as hygiene\n"
        "def clean(text, *more, **other): key = text; raise RuntimeError(key)\n"
        "hygiene.clean = clean\n"
        "from kojikey.__main__ import main\n"
        f"sys.argv = ['kojikey', 'add', {canary.provider!r}, '--stdin']\n"
        "main()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", script],
        input=canary.key.encode(), env=kojikey.environ, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 1
    assert b"Traceback" not in finished.stderr
    assert pieces_in(canary.key, finished.stdout + finished.stderr) == []


def test_importing_kojikey_reads_no_key(canary: SandboxKey, kojikey: Program) -> None:
    """At import time nothing looks at the environment's keys, and after a run nothing of ours holds one."""
    with_key(kojikey, canary, "test", canary.provider)
    gc.collect()
    held = [
        name
        for name, module in sys.modules.items()
        if name.startswith("kojikey") and not name.startswith("kojikey.testing") and canary.key in str(vars(module))
    ]
    assert held == []


def test_the_sandboxs_own_records_have_no_key(kojikey: Program, canary: SandboxKey) -> None:
    with_key(kojikey, canary, "test", canary.provider)
    assert kojikey.sandbox.requests
    assert pieces_in(canary.key, f"{kojikey.sandbox.requests!r} {kojikey.sandbox!r} {canary!r}") == []
