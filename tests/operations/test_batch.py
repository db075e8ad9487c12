"""``kojikey rotate --batch``: each line on its own, in order, safe to repeat and to kill, no key in the output."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import UsageError
from kojikey.operations.rotating_many import FailedLine, RunSettings, rotate_all
from kojikey.testing import Sandbox, load_key
from support.many import account_name, fill_home
from support.program import COMMAND, KEK, PATIENT, SECONDS, Ended, Program, pieces_in
from support.sample_store import SampleStore

ACCOUNTS = 6


@pytest.fixture
def sample_store() -> SampleStore:
    return SampleStore.in_memory()


@pytest.fixture
def filled(kojikey: Program, sandbox: Sandbox) -> Iterator[Program]:
    sandbox.accept_any = True
    fill_home(kojikey.home, KEK, sandbox, ACCOUNTS)
    yield kojikey
    sandbox.accept_any = False


def new_key(number: int, reason: str = "ok", provider: str = "elevenlabs") -> str:
    return load_key(provider, 1000 + number, reason)


def line(number: int, reason: str = "ok", **more: object) -> str:
    fields = {"account": account_name(number), "provider": "elevenlabs", "key": new_key(number, reason), **more}
    return json.dumps(fields)


def rotated(program: Program, lines: list[str], *options: str) -> Ended:
    return program("rotate", "--batch", "-", *options, stdin="\n".join(lines) + "\n")


def results_of(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(text) for text in ended.out.splitlines()]


def versions(program: Program) -> list[int]:
    rows = program("list", "elevenlabs", "--all-accounts", "--json").results
    return [row["version"] for row in rows]


def test_every_line_is_rotated_and_results_come_in_order(filled: Program) -> None:
    numbers = [3, 0, 5, 1, 4, 2]
    ended = rotated(filled, [line(number) for number in numbers], "--concurrency", "4")
    results = results_of(ended)
    assert ended.code == 0, ended.said
    assert [result["line"] for result in results] == [1, 2, 3, 4, 5, 6]
    assert [result["account"] for result in results] == [account_name(number) for number in numbers]
    assert {result["action"] for result in results} == {"rotated"}
    assert versions(filled) == [2] * ACCOUNTS
    for number in numbers:
        assert pieces_in(new_key(number), ended.said) == []


def test_the_same_batch_again_changes_nothing(filled: Program) -> None:
    lines = [line(number) for number in range(ACCOUNTS)]
    rotated(filled, lines)
    before = filled.contents()
    again = rotated(filled, lines)
    assert again.code == 0
    assert {result["action"] for result in results_of(again)} == {"unchanged"}
    assert filled.contents() == before


@pytest.mark.parametrize("member", ["account", "label", "provider", "base_url"])
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--json",)], ids=["", "dry", "json"])
@pytest.mark.parametrize("key", [new_key(1), "a-key-of-no-known-shape"], ids=["known", "unknown"])
def test_a_key_in_the_wrong_member_is_refused_and_not_repeated(
    filled: Program, member: str, options: tuple[str, ...], key: str
) -> None:
    misplaced = f"https://{key}.example" if member == "base_url" else key
    before = filled.contents()
    ended = rotated(filled, [line(1, **{"key": key, member: misplaced})], *options)
    assert ended.code == 2
    assert pieces_in(key, ended.said) == []
    assert f"line 1: its {member} looks like a provider key" in ended.out
    assert filled.contents() == before


MALFORMED = {
    "no JSON": "{",
    "not an object": "[1]",
    "no key": json.dumps({"account": "a", "provider": "elevenlabs"}),
    "a number for a key": json.dumps({"account": "a", "provider": "elevenlabs", "key": 5}),
    "null for a key": json.dumps({"account": "a", "provider": "elevenlabs", "key": None}),
    "a member too many": line(0, comment="x"),
    "a member twice": '{"account":"a","account":"b","provider":"elevenlabs","key":"sk_' + "a" * 48 + '"}',
    "a bad account": line(0, account="NOT AN ACCOUNT"),
    "an unknown provider": line(0, provider="nobody"),
    "a key with a space in it": line(0, key="sk_abc def"),
    "a key of another provider": line(0, key="AIza" + "Sy" + "a" * 33),
    "http": line(0, base_url="http://example.com"),
    "a label that is too long": line(0, label="x" * 300),
    "too long": line(0, label="x" * 70_000),
    "deep": "[" * 60_000,
    "not UTF-8": "\udcff",
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_fails_alone_with_its_number(filled: Program, malformed: str) -> None:
    lines = [line(1), "", malformed, line(2)]
    ended = filled("rotate", "--batch", "-", stdin="\n".join(lines).encode("utf-8", "surrogateescape"))
    first, bad, last = results_of(ended)
    assert ended.code == 2
    assert (first["action"], last["action"]) == ("rotated", "rotated")
    assert (bad["line"], bad["action"], bad["exit_code"]) == (3, "refused", 2)
    assert bad["error"]["message"].startswith("line 3: ")
    assert versions(filled) == [1, 2, 2, 1, 1, 1]
    if len(malformed) < 1000:
        for piece in ("sk_abc", "NOT AN", "a" * 9):
            assert piece not in ended.said


@pytest.mark.parametrize(
    ("reasons", "code"),
    [(("ok", "ok"), 0), (("ok", "invalid_key"), 3), (("unknown", "missing_permission"), 3), (("ok", "unknown"), 4)],
)
def test_the_exit_code_is_that_of_the_worst_line(filled: Program, reasons: tuple[str, ...], code: int) -> None:
    ended = rotated(filled, [line(number, reason) for number, reason in enumerate(reasons)])
    assert ended.code == code, ended.said


def test_a_rejected_key_is_discarded_and_an_indeterminate_one_stays_staged(filled: Program) -> None:
    ended = rotated(filled, [line(0, "invalid_key"), line(1, "unknown"), line(2, "missing_permission")])
    assert [result["action"] for result in results_of(ended)] == ["aborted", "staged", "staged"]
    assert versions(filled) == [1] * ACCOUNTS
    allowed = rotated(filled, [line(2, "missing_permission")], "--allow-limited")
    assert [result["action"] for result in results_of(allowed)] == ["rotated"]
    assert allowed.code == 0


def test_a_line_without_a_key_to_rotate_or_with_another_staged_value_fails_alone(filled: Program) -> None:
    rotated(filled, [line(0, "unknown")])
    ended = rotated(filled, [line(99), line(0), line(1)])
    assert [result["exit_code"] for result in results_of(ended)] == [5, 6, 0]
    assert ended.code == 5


def test_two_lines_for_one_key_run_one_after_the_other(filled: Program) -> None:
    lines = [line(0), line(0, key=new_key(50)), line(0, key=new_key(51))]
    ended = rotated(filled, lines, "--concurrency", "8")
    assert [result["version"] for result in results_of(ended)] == [2, 3, 4]


def test_a_base_url_and_a_label_belong_to_the_new_version(filled: Program) -> None:
    url = filled.sandbox.base_url("elevenlabs") + "/"
    ended = rotated(filled, [line(0, base_url=url, label="for the build")])
    assert ended.code == 0
    assert filled("list", "elevenlabs", "-a", account_name(0), "--json").result["label"] == "for the build"


def test_a_dry_run_reports_and_changes_nothing(filled: Program) -> None:
    rotated(filled, [line(0), line(1, "unknown")])
    before, requests = filled.contents(), filled.sandbox.request_count
    ended = rotated(filled, [line(0), line(1, "unknown"), line(2), line(99), "{"], "--dry-run")
    told = [result.get("would") for result in results_of(ended)]
    assert told == ["unchanged", "resume", "rotate", None, None]
    assert ended.code == 5
    assert filled.contents() == before
    assert filled.sandbox.request_count == requests


def test_a_dry_run_considers_the_lines_before(filled: Program) -> None:
    other = line(0, key=new_key(50))
    lines = [line(0), line(0), other, other, line(0), line(1)]
    ended = rotated(filled, lines, "--dry-run")
    told = [result["would"] for result in results_of(ended)]
    assert told == ["rotate", "unchanged", "rotate", "unchanged", "rotate", "rotate"]
    done = {"rotated": "rotate", "unchanged": "unchanged"}
    assert [done[result["action"]] for result in results_of(rotated(filled, lines))] == told


def test_with_json_the_output_is_one_document(filled: Program) -> None:
    ended = rotated(filled, [line(0), line(99)], "--json")
    assert (ended.document["command"], ended.document["exit_code"]) == ("rotate", 5)
    assert [result["line"] for result in ended.results] == [1, 2]
    assert rotated(filled, [], "--json").results == []


@pytest.mark.parametrize("after", [1, 3, 6, 9])
def test_a_batch_killed_at_any_line_is_finished_by_the_same_batch(filled: Program, tmp_path: Path, after: int) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("\n".join(line(number) for number in range(ACCOUNTS)))
    path.chmod(0o600)
    filled.sandbox.forget()
    with filled.sandbox.hold(after=after):
        running = subprocess.Popen(
            [*COMMAND, "rotate", "--batch", str(path), "--concurrency", "2", *PATIENT],
            env=filled.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        while len(filled.sandbox.requests) <= after:
            filled.sandbox.wait_for_request()
        running.kill()
        running.communicate(timeout=SECONDS)
    again = filled("rotate", "--batch", str(path))
    assert again.code == 0, again.said
    assert {result["action"] for result in results_of(again)} <= {"rotated", "unchanged"}
    assert versions(filled) == [2] * ACCOUNTS
    assert filled("audit", "--verify", "--all-accounts").code == 0


def test_ctrl_c_stops_a_batch_at_once_and_the_same_batch_finishes_it(filled: Program, tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("\n".join(line(number) for number in range(ACCOUNTS)))
    path.chmod(0o600)
    filled.sandbox.forget()
    with filled.sandbox.hold(after=5):
        running = subprocess.Popen(
            [*COMMAND, "rotate", "--batch", str(path), "--concurrency", "2", *PATIENT],
            env=filled.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(filled.sandbox.requests) <= 5:
            filled.sandbox.wait_for_request()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert "run the same command again to finish the rest" in err
    assert filled("rotate", "--batch", str(path)).code == 0
    assert versions(filled) == [2] * ACCOUNTS


def test_finished_lines_behind_one_that_hangs_are_reported_at_a_stop(filled: Program, tmp_path: Path) -> None:
    """The first line's endpoint does not come to an end with its answer."""
    path = tmp_path / "keys.jsonl"
    first = json.dumps(
        {"account": account_name(0), "provider": "google_gemini", "key": load_key("google_gemini", 1000)}
    )
    path.write_text("\n".join([first, *(line(number) for number in range(3))]))
    path.chmod(0o600)
    filled.sandbox.fault("google_gemini", "slow")
    filled.sandbox.forget()
    running = subprocess.Popen(
        [*COMMAND, "rotate", "--batch", str(path), *PATIENT],
        env=filled.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while versions(filled)[:3] != [2, 2, 2]:
        pass
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert [json.loads(text)["line"] for text in out.splitlines()] == [2, 3, 4]
    assert "3 lines done, 1 left" in err


def test_a_batch_stops_and_fails_if_nobody_reads_its_output(filled: Program, tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("\n".join(line(number) for number in range(ACCOUNTS)))
    path.chmod(0o600)
    filled.sandbox.forget()
    with filled.sandbox.hold(after=2):
        running = subprocess.Popen(
            [*COMMAND, "rotate", "--batch", str(path), "--concurrency", "1", *PATIENT],
            env=filled.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout
        assert running.stderr
        assert json.loads(running.stdout.readline())["line"] == 1
        running.stdout.close()
    err = running.stderr.read()
    assert running.wait(SECONDS) == 7, err
    done = versions(filled).count(2)
    assert f"the output was closed; {done} lines done, the rest left" in err
    assert "run the same command again to finish the rest" in err
    assert 2 <= done < ACCOUNTS
    running.stderr.close()


def test_a_reader_that_closes_at_the_end_is_not_an_error(filled: Program, tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("\n".join(line(number) for number in range(ACCOUNTS)))
    path.chmod(0o600)
    ended = filled.shell(f"set -o pipefail; kojikey rotate --batch {path} --dry-run | head -1")
    assert (ended.code, ended.err.count("warning")) == (0, 0)


def test_a_line_read_after_the_stop_of_a_batch_is_dropped(
    sample_store: SampleStore, recwarn: pytest.WarningsRecorder
) -> None:
    stopped, read_on = threading.Event(), threading.Event()

    def lines() -> Iterator[FailedLine]:
        yield FailedLine(1, None, None, UsageError("line 1: it makes no sense"))
        stopped.wait(SECONDS)
        yield FailedLine(2, None, None, UsageError("line 2: it makes no sense"))
        read_on.set()

    async def run() -> None:
        emitted = asyncio.Event()
        settings = RunSettings(None, lambda _: True, 1)
        running = asyncio.ensure_future(
            rotate_all(sample_store.open_store(), lines(), settings, lambda _: emitted.set())
        )
        await emitted.wait()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())
    stopped.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "kojikey-lines"]
    thread.join(SECONDS)
    gc.collect()
    assert not read_on.is_set()
    assert [warning for warning in map(str, recwarn) if "never awaited" in warning] == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused_with_the_command_that_fixes_it(
    filled: Program, tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "new keys.jsonl"
    path.write_text(line(0))
    path.chmod(mode)
    ended = filled("rotate", "--batch", str(path), "--json")
    assert ended.code == 2
    assert f"chmod 600 '{path}'" in ended.error["hint"]
    assert versions(filled) == [1] * ACCOUNTS
    os.chmod(path, 0o600)
    assert filled("rotate", "--batch", str(path)).code == 0


@pytest.mark.parametrize(
    "more", [["elevenlabs"], ["--resume"], ["--stdin"], ["--label", "x"], ["--rate", "0"], ["--concurrency", "0"]]
)
def test_options_for_a_single_key_are_refused_with_a_batch(filled: Program, more: list[str]) -> None:
    assert rotated(filled, [line(0)], *more).code == 2
    assert versions(filled) == [1] * ACCOUNTS


def test_without_a_batch_a_provider_is_needed(filled: Program) -> None:
    assert filled("rotate", "--no-input").code == 2
    assert filled("rotate", "elevenlabs", "--dry-run").code == 2
