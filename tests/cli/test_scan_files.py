"""``kojikey scan`` over files and standard input: the finds, what is left out, and the exit code."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kojikey.testing import SandboxKey
from support.program import COMMAND, Ended, Program, pieces_in


@pytest.fixture
def key(kojikey: Program) -> SandboxKey:
    """Return a key of the store, which is the previous one; the current one is ``ok_2``."""
    added = kojikey.added("elevenlabs")
    assert kojikey.rotate("elevenlabs").code == 0
    return added


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def scan(kojikey: Program, *arguments: str | Path, **more: Any) -> Ended:
    ended = kojikey("scan", *map(str, arguments), "--json", **more)
    for name in ("ok", "ok_2"):
        secret = kojikey.key("elevenlabs", name).key
        assert pieces_in(secret[24:], ended.said) == []  # the made-up keys begin alike
        assert secret not in ended.said
    return ended


def test_paths_that_overlap_are_searched_once_and_a_link_that_leads_out_of_one_is_kept(
    kojikey: Program, key: SandboxKey, tree: Path, tmp_path: Path
) -> None:
    (tree / "a").mkdir()
    (tree / "a" / "env").write_text(key.key)
    (tmp_path / "elsewhere").write_text(key.key)
    (tree / "out").symlink_to(tmp_path / "elsewhere")
    paths = (tree, tree / "a", tree / "a" / "env", f"{tree}/a/../a", tree / "out")
    ended = scan(kojikey, *paths)
    assert [row["file"] for row in ended.results] == [str(tree / "a" / "env"), str(tree / "out")]
    assert ended.document["summary"]["files"] == 2


def test_every_version_is_found_with_its_place_and_what_to_do(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    current = kojikey.key("elevenlabs", "ok_2").key
    (tree / "a").mkdir()
    (tree / "a" / "env").write_text(f"x=1\n K={key.key}\n")
    (tree / "b").write_bytes(base64.b64encode(b"x" + current.encode()))
    ended = scan(kojikey, tree)
    assert ended.code == ended.document["exit_code"] == 3
    page = "https://elevenlabs.io/app/settings/api-keys"
    first, second = ended.results
    assert first == {
        "file": str(tree / "a" / "env"), "line": 2, "column": 4, "commit": None, "object": None, "object_type": None,
        "account": "default", "provider": "elevenlabs", "stage": "previous", "masked": f"********{key.key[-4:]}",
        "encoding": "plain", "known": True, "manage_url": page,
        "hint": f"revoke it at {page}, then kojikey rotate elevenlabs --retire",
    }  # fmt: skip
    assert (second["file"], second["stage"], second["encoding"]) == (str(tree / "b"), "current", "base64")
    assert second["masked"] == f"********{current[-4:]}"
    assert second["hint"] == f"kojikey rotate elevenlabs, then revoke the old key at {page}"
    assert ended.document["summary"]["keys"] == 2


def test_a_person_sees_a_table_with_the_masked_key(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "env").write_text(key.key)
    ended = kojikey("scan", str(tree))
    assert ended.code == 3
    head, *rows, totals = ended.out.splitlines()
    row = " ".join(" ".join(rows).split())
    assert head.split()[:5] == ["PLACE", "ACCOUNT", "PROVIDER", "STAGE", "KEY"]
    assert row.split()[:5] == [f"{tree}/env:1:1", "default", "elevenlabs", "previous", f"••••••••{key.key[-4:]}"]
    assert "kojikey rotate elevenlabs --retire" in row
    assert totals == "1 place, 1 key of this store, in 1 file"
    assert key.key not in ended.said


def test_many_matches_are_written_one_per_line(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "log").write_text(f"{key.key}\n" * 300)
    ended = kojikey("scan", str(tree))
    lines = ended.out.splitlines()
    assert len(lines) == 301
    assert lines[9].startswith(f"{tree}/log:10:1  default/elevenlabs (previous)  ••••••••{key.key[-4:]}  revoke it")


def test_nothing_found_is_exit_0(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "env").write_text(key.key[:-1])
    ended = kojikey("scan", str(tree))
    assert (ended.code, ended.out) == (0, "no key found in 1 file\n")


def test_the_default_is_this_folder_with_git_and_ignored_files(
    kojikey: Program, key: SandboxKey, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    (tree / ".gitignore").write_text("ignored\n")
    (tree / "ignored").write_text(key.key)
    (tree / ".git" / "config").write_text(f"[remote]\nurl = https://{key.key}@host\n")
    monkeypatch.chdir(tree)
    ended = scan(kojikey)
    assert {row["file"] for row in ended.results} == {".git/config", "ignored"}
    assert "kojikey scan --git" in ended.err


def test_standard_input_is_a_dash(kojikey: Program, key: SandboxKey) -> None:
    ended = scan(kojikey, "-", stdin=f"\n\n{key.key}")
    assert (ended.code, ended.result["file"], ended.result["line"]) == (3, "-", 3)
    installed = kojikey.installed("scan", "-", stdin="nothing\n")
    assert (installed.code, installed.out) == (0, "no key found in 1 file\n")


def test_a_missing_path_is_exit_2_before_anything_is_read(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "env").write_text(key.key)
    (tree / "broken").symlink_to("nowhere")
    (tree / "loop").symlink_to("loop")
    for missing in ("nothere", "broken", "loop", "env/x"):
        ended = scan(kojikey, tree, tree / missing, KOJIKEY_KEK="wrong")
        assert ended.code == 2
        assert "does not exist; nothing was read" in ended.error["message"]
    assert scan(kojikey, "").code == 2


def test_without_a_key_to_look_for_it_is_exit_5(kojikey: Program, tree: Path) -> None:
    for more in ([], ["--all-accounts"]):
        ended = kojikey("scan", str(tree), "--json", *more)
        assert ended.code == 5
        assert "nothing to look for" in ended.error["message"]
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    assert kojikey("scan", str(tree), "--json").code == 5
    assert kojikey("scan", str(tree), "--json", "--account", "acme").code == 0
    assert kojikey("scan", str(tree), "--json", "--any").code == 0


def test_all_accounts_looks_for_the_keys_of_every_account(kojikey: Program, tree: Path) -> None:
    mine, theirs = kojikey.added("elevenlabs"), kojikey.added("elevenlabs", "ok_2", "--account", "acme")
    (tree / "env").write_text(f"{mine.key}\n{theirs.key}\n")
    assert [row["account"] for row in scan(kojikey, tree).results] == ["default"]
    rows = scan(kojikey, tree, "--all-accounts").results
    assert [row["account"] for row in rows] == ["default", "acme"]
    assert "kojikey rotate elevenlabs --account acme" in rows[1]["hint"]
    assert kojikey("scan", str(tree), "--all-accounts", "--account", "acme").code == 2


def test_text_with_the_shape_of_a_key_is_found_with_any(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    stranger = "sk_" + "0123456789abcdef" * 3
    (tree / "env").write_text(f"{stranger} {key.key}")
    assert [row["known"] for row in scan(kojikey, tree).results] == [True]
    unknown, known = scan(kojikey, tree, "--any").results
    assert (unknown["known"], unknown["account"], unknown["stage"]) == (False, None, None)
    assert (unknown["provider"], unknown["masked"]) == ("elevenlabs", "********cdef")
    assert known["known"]
    shown = kojikey("scan", str(tree), "--any")
    assert shown.code == 3
    assert "not in this store" in shown.out
    assert stranger not in shown.said


def test_any_without_a_store_looks_for_shapes_alone(kojikey: Program, tree: Path) -> None:
    (tree / "env").write_text("AIza" + "0123456789" * 3 + "abcde")
    ended = kojikey("scan", str(tree), "--any", "--json", KOJIKEY_KEK=None)
    assert (ended.code, ended.result["provider"]) == (3, "google_gemini")
    assert not kojikey.home.exists()


def test_pipes_sockets_devices_and_links_out_are_skipped_and_counted(
    kojikey: Program, key: SandboxKey, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").write_text(key.key)
    (tree / "inside").write_text("nothing")
    os.mkfifo(tree / "pipe")
    monkeypatch.chdir(tree)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        (tree / "out").symlink_to(tmp_path / "outside")
        (tree / "up").symlink_to("..")
        (tree / "loop").symlink_to("loop")
        (tree / "device").symlink_to("/dev/zero")
        (tree / "within").symlink_to("inside")
        ended = scan(kojikey, ".")
    assert ended.code == 0
    skipped = ended.document["summary"]["skipped"]
    assert skipped == {"fifo": 1, "socket": 1, "device": 0, "link": 4, "archive": 0}
    assert "kojikey: skipped: 1 pipe, 4 links out of the path or to nothing, 1 socket" in ended.err
    assert scan(kojikey, "/dev/null").document["summary"]["skipped"]["device"] == 1
    assert scan(kojikey, "pipe").code == 0


def test_a_path_that_is_itself_a_link_is_followed(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "env").write_text(key.key)
    link, file = tree.parent / "link", tree.parent / "file"
    link.symlink_to(tree)
    file.symlink_to(tree / "env")
    assert scan(kojikey, link).result["file"] == f"{link}/env"
    assert scan(kojikey, file).result["file"] == str(file)


def test_archives_are_not_unpacked_and_that_is_reported(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "backup").write_bytes(gzip.compress(key.key.encode()))
    ended = scan(kojikey, tree)
    assert (ended.code, ended.document["summary"]["skipped"]["archive"]) == (0, 1)
    assert "1 archive was not unpacked" in ended.err


def test_an_unreadable_file_is_named_and_is_exit_4_if_no_key_was_found(
    kojikey: Program, key: SandboxKey, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "closed\x1b[2J").write_text(key.key)
    real_open = os.open

    def refuse(path: Any, *more: Any, **other: Any) -> int:
        if "closed" in os.fsdecode(path):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *more, **other)

    monkeypatch.setattr(os, "open", refuse)
    ended = scan(kojikey, tree)
    assert ended.code == 4
    assert ended.document["unreadable"] == [{"file": f"{tree}/closed\x1b[2J", "reason": "permission denied"}]
    assert f"{tree}/closed\\x1b[2J was not read: permission denied" in ended.err
    assert "\x1b" not in ended.said
    (tree / "open").write_text(key.key)
    assert scan(kojikey, tree).code == 3


def test_a_key_in_a_name_is_found_and_the_name_is_masked(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / f"x{key.key}y").mkdir()
    (tree / f"x{key.key}y" / "env").write_text(key.key)
    rows = scan(kojikey, tree).results
    assert [(row["file"], row["line"]) for row in rows] == [
        (f"{tree}/x********y", None),
        (f"{tree}/x********y/env", 1),
    ]
    assert f"{tree}/x********y:in its name" in kojikey("scan", str(tree)).out


@pytest.mark.parametrize("name", ["a\nb", "a\r::error::x", "\x1b]0;t\x07", "##[error]x", "%0A::error::y", "\u202ex"])
def test_a_hostile_file_name_is_printed_as_text(kojikey: Program, key: SandboxKey, tree: Path, name: str) -> None:
    (tree / name).write_text(key.key)
    assert scan(kojikey, tree).result["file"] == f"{tree}/{name}"
    shown = kojikey("scan", str(tree), "--sarif", str(tree.parent / "s"), GITHUB_ACTIONS="true")
    assert shown.code == 3
    for line in shown.said.splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::") or line.startswith("::error file=")
    assert "##[" not in shown.said
    assert sum(line.startswith("::") for line in shown.said.splitlines()) == 1


def test_a_name_that_is_no_text_is_shown_escaped(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    with open(os.fsencode(tree) + b"/\xff", "w") as file:
        file.write(key.key)
    assert scan(kojikey, tree).result["file"] == f"{tree}/\\xff"


def test_a_sparse_file_is_read_without_its_holes(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    with open(tree / "sparse", "wb") as file:
        file.seek(200 * 1024**3)
        file.write(b"\n" + key.key.encode())
        file.truncate(300 * 1024**3)
    ended = scan(kojikey, tree)
    assert [(row["line"], row["column"]) for row in ended.results] == [(2, 1)]


@pytest.mark.external
def test_every_file_of_a_large_tree_is_searched(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    for number in range(300):
        (tree / f"f{number}").write_text(f"{number}\n" * 50 + (key.key if number % 10 == 0 else ""))
    (tree / "gone").symlink_to("nowhere")
    ended = kojikey.installed("scan", str(tree), "--json")
    assert sorted(row["file"] for row in ended.results) == sorted(str(tree / f"f{n}") for n in range(0, 300, 10))
    assert {row["line"] for row in ended.results} == {51}
    assert ended.document["summary"]["files"] == 300


def test_a_file_of_powershell_is_searched(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "out.txt").write_bytes(b"\xff\xfe" + f"NAME\r\nkey={key.key}\r\n".encode("utf-16-le"))
    row = scan(kojikey, tree).result
    assert (row["line"], row["column"], row["encoding"]) == (2, 5, "utf-16")
    (tree / "out.txt").write_bytes(b"\xff\xfe" + base64.b64encode(key.key.encode()).decode().encode("utf-16-le"))
    row = scan(kojikey, tree).result
    assert (row["line"], row["column"], row["encoding"]) == (1, 1, "base64")


def test_memory_is_flat_for_a_file_of_any_size(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    with open(tree / "large", "wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(300):
            file.write(block)
        file.write(key.key.encode())
    code = (
        "import sys; from kojikey.__main__ import run; code = run(sys.argv[1:]);"
        # the peak of this program alone: that of getrusage begins with what the process that started it had
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "print(peak.split()[1], file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "scan", "--json", str(tree)], env=kojikey.environ, capture_output=True, check=False
    )
    assert ended.returncode == 3
    assert int(ended.stderr.split()[-1]) < 120 * 1024


def test_a_record_that_was_changed_is_named_and_the_others_are_looked_for(
    kojikey: Program, key: SandboxKey, tree: Path
) -> None:
    import sqlite3

    kojikey.added("google_gemini")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE keys SET document = '{' WHERE provider = 'google_gemini'")
    database.close()
    (tree / "env").write_text("nothing")
    ended = scan(kojikey, tree)
    assert (ended.code, ended.document["error"]["code"]) == (8, "cannot_open")
    (tree / "env").write_text(key.key)
    assert scan(kojikey, tree).code == 3


def test_without_the_kek_nothing_is_looked_for(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    assert scan(kojikey, tree, KOJIKEY_KEK=None).code == 8


def test_scanning_changes_nothing_in_the_store(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    before = kojikey.snapshot()
    scan(kojikey, tree, "--any")
    assert kojikey.snapshot() == before


def test_a_report_path_that_cannot_be_used_is_refused_before_anything_is_read(
    kojikey: Program, key: SandboxKey, tree: Path
) -> None:
    ended = kojikey("scan", str(tree), "--sarif", str(tree / "no" / "file"))
    assert ended.code == 7
    assert "no folder" in ended.err


def test_a_path_that_looks_like_a_key_is_refused(kojikey: Program, key: SandboxKey) -> None:
    ended = kojikey("scan", key.key)
    assert ended.code == 2
    assert key.key not in ended.said


def test_the_document_has_one_line_of_json_for_each_match(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    (tree / "env").write_text(f"{key.key}\n{key.key}")
    lines = kojikey("scan", str(tree), "--json").out.splitlines()
    assert sum(json.loads(line.strip().rstrip(","))["known"] for line in lines if '"known"' in line) == 2


@pytest.mark.external
@pytest.mark.parametrize("options", ["", "--json", "--sarif -"])
@pytest.mark.parametrize("github", [None, "true"])
def test_a_closed_pipe_does_not_turn_a_match_into_exit_0(
    kojikey: Program, key: SandboxKey, tree: Path, options: str, github: str | None
) -> None:
    (tree / "log").write_text(f"{key.key}\n" * 3000)
    ended = kojikey.shell(
        f"{{ kojikey scan {tree} {options}; echo code $? >&2; }} | head -1 | wc -l", GITHUB_ACTIONS=github
    )
    assert ended.out.strip() in ("0", "1")
    assert "code 3" in ended.err
    assert "Traceback" not in ended.err
    assert "could not be written" not in ended.err


def test_ctrl_c_ends_a_scan_with_130(kojikey: Program, key: SandboxKey, tree: Path) -> None:
    import signal

    with subprocess.Popen(
        [*COMMAND, "scan", "-"], env=kojikey.environ, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        process.stdin.write(b"x" * 3_000_000)  # more than a pipe and a window hold: it is reading now
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert b"interrupted" in process.stderr.read()
        process.stdin.close()
    assert process.returncode == 130
