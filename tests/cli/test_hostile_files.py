"""Files in places where others can write: kojikey does not wait for them, import from them, or share them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.model.errors import UnsafePermissions
from kojikey.stores.sqlite import file
from support.program import Program


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Return a named pipe that nobody writes: who opens it in the usual way waits for ever."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    return path


def test_a_key_is_not_read_from_a_named_pipe(kojikey: Program, fifo: Path) -> None:
    ended = kojikey("add", "elevenlabs", "--from-file", str(fifo))
    assert ended.code == 2
    assert "not a regular file" in ended.err
    assert "--stdin" in ended.err


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/"])
def test_a_key_is_not_read_from_a_device_or_a_folder(kojikey: Program, path: str) -> None:
    assert kojikey.installed("add", "elevenlabs", "--from-file", path).code == 2


def test_a_key_is_read_from_the_pipe_of_a_process_substitution(kojikey: Program) -> None:
    key = kojikey.key()
    ended = kojikey.shell(
        'kojikey add elevenlabs --base-url "$URL" --from-file <(sleep 0; printf %s "$THE_KEY")',
        URL=key.base_url, THE_KEY=key.key,
    )  # fmt: skip
    assert ended.code == 0, ended.said


def test_a_batch_is_not_read_from_a_named_pipe(kojikey: Program, fifo: Path) -> None:
    kojikey.added()
    ended = kojikey("rotate", "--batch", str(fifo))
    assert ended.code == 2
    assert "not a regular file" in ended.err


def test_config_toml_is_not_read_from_a_named_pipe(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    os.mkfifo(kojikey.home / "config.toml", 0o600)
    ended = kojikey("list")
    assert ended.code == 2
    assert "config.toml" in ended.err
    assert "it cannot be read (it is not a regular file)" in ended.err


def test_a_passphrase_is_not_read_from_a_named_pipe(kojikey: Program, fifo: Path) -> None:
    kojikey.environ["KOJIKEY_PASSPHRASE_FILE"] = str(fifo)
    ended = kojikey("add", "elevenlabs", "--stdin", "--no-test", stdin=kojikey.key().key, KOJIKEY_KEK=None)
    assert ended.code == 8
    assert f"the passphrase file {fifo} is not a file" in ended.err
    assert "name a regular file of mode 600" in ended.err


def test_a_store_in_a_folder_of_another_user_is_refused(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kojikey.added()
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 4_000)
    if os.stat(tmp_path).st_uid == 0:  # root's own folder may hold anybody's store
        file.refuse_shared_folder(str(tmp_path), "place")
        os.chown(tmp_path, 4_001, -1)
    with pytest.raises(UnsafePermissions, match="belongs to uid"):
        file.refuse_shared_folder(str(tmp_path), "place")


@pytest.mark.parametrize("report", ["junit", "html"])
def test_only_the_owner_can_read_a_report(kojikey: Program, tmp_path: Path, report: str) -> None:
    kojikey.added()
    path = tmp_path / "report"
    path.write_text("an older one")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        assert kojikey("test", f"--{report}", str(path)).code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_python_m_imports_nothing_from_the_working_directory(kojikey: Program, tmp_path: Path) -> None:
    marks = tmp_path / "imported"
    marks.mkdir()
    for name in ("h11", "httpcore2", "anyio", "rich", "typer", "certifi", "platformdirs", "cryptography"):
        (tmp_path / f"{name}.py").write_text(f"open({str(marks / name)!r}, 'w').close()\nraise SystemExit(99)\n")
    key = kojikey.key()
    for command in (["list"], ["--help"], ["add", "elevenlabs", "--stdin", "--base-url", key.base_url]):
        done = subprocess.run(
            [sys.executable, "-m", "kojikey", *command], cwd=tmp_path, env=kojikey.environ, input=key.key.encode(),
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert list(marks.iterdir()) == []
