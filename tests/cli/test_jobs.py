"""``kojikey test --jobs``: several processes ask, one records, and the run keeps every promise of one process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kojikey.cli.commands.test import run_options
from kojikey.cli.commands.test.run_options import MANY_KEYS, RunOptions
from kojikey.cli.commands.test.usable_cores import usable_cores
from kojikey.testing import Sandbox, load_key
from kojikey.testing.sandbox.journal import Journal, RecordedRequest
from support.many import PROVIDERS, account_name, fill_home
from support.program import COMMAND, KEK, PATIENT, SECONDS, Program

REASONS = ("ok", "missing_permission", "invalid_key")
ALL = ("test", "--all-accounts", "--json")
pytestmark = pytest.mark.external


@pytest.fixture
def many(kojikey: Program, sandbox: Sandbox) -> Iterator[Program]:
    """Return a program whose store has 24 keys of 12 accounts; every third account's are unknown to the provider."""
    sandbox.accept_any = True
    fill_home(kojikey.home, KEK, sandbox, 12, reason=lambda number: REASONS[number % 3])
    yield kojikey
    sandbox.accept_any = False


def pairs(results: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(result["account"], result["provider"]) for result in results}


def without_times(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return results without what differs from run to run; "checks" have times of their own."""
    kept = json.loads(json.dumps(results))
    for result in kept:
        for part in (result, *result["checks"]):
            part.pop("latency_ms")
        result.pop("tested_at")
    return sorted(kept, key=lambda result: (result["account"], result["provider"]))


def started(program: Program, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments, *PATIENT], env=program.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the worker processes of a run; they are its only children."""
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return [pid for pid in children if b"kojikey.providers.requests.worker" in _read(pid, "cmdline")]


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def wait_for_requests(program: Program, count: int) -> None:
    while len(program.sandbox.requests) < count:
        program.sandbox.wait_for_request()


def test_the_results_are_those_of_one_process(many: Program) -> None:
    alone, divided = many(*ALL, "--jobs", "1"), many(*ALL, "--jobs", "3")
    assert alone.code == divided.code == 3
    assert divided.err == alone.err
    assert len(divided.results) == 24
    assert without_times(divided.results) == without_times(alone.results)
    assert {key: divided.document[key] for key in ("summary", "groups")} == {
        key: alone.document[key] for key in ("summary", "groups")
    }
    assert {result["recorded"] for result in divided.results} == {True}


def test_only_the_process_with_the_store_records_the_workers_outcomes(many: Program) -> None:
    ended = many(*ALL, "--jobs", "2")
    rows = {(row["account"], row["provider"]): row["last_test"] for row in many.contents()["list"]}
    assert {place: test["outcome"] for place, test in rows.items()} == {
        (result["account"], result["provider"]): result["outcome"] for result in ended.results
    }
    assert many("audit", "--all-accounts", "--verify").code == 0


@pytest.mark.parametrize("value", ["0", "-1", "65", "1.5", "x", "", "nan"])
def test_a_number_of_processes_out_of_range_is_refused(kojikey: Program, value: str) -> None:
    ended = kojikey("test", "--all-accounts", f"--jobs={value}", KOJIKEY_STORE="sqlite:///nowhere/at/all.db")
    assert ended.code == 2, ended.said
    assert "--jobs" in ended.err


def test_no_more_requests_are_under_way_than_allowed_over_all_processes(
    many: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first requests are held until there are as many as may be, so that all slots are taken from then on."""
    many.sandbox.forget()
    most, begin = 0, Journal.begin

    def counted(journal: Journal, request: RecordedRequest) -> int:
        nonlocal most
        number = begin(journal, request)
        most = max(most, len(journal._under_way))
        return number

    monkeypatch.setattr(Journal, "begin", counted)
    with many.sandbox.hold():
        running = started(many, *ALL, "--jobs", "2", "--concurrency", "3")
        wait_for_requests(many, 3)
        assert len(workers_of(running)) == 2
    out, _ = running.communicate(timeout=SECONDS)
    assert len(json.loads(out)["results"]) == 24
    assert most == 3


def test_keys_are_in_no_argument_and_no_variable_and_the_kek_in_no_worker(many: Program) -> None:
    many.environ["PGPASSWORD"] = "a-password"
    keys = [load_key(provider, number, REASONS[number % 3]) for provider in PROVIDERS for number in range(12)]
    many.sandbox.forget()
    with many.sandbox.hold():
        running = started(many, *ALL, "--jobs", "2")
        wait_for_requests(many, 2)
        of_workers = [_read(pid, name) for pid in workers_of(running) for name in ("cmdline", "environ")]
        of_run = [_read(running.pid, name) for name in ("cmdline", "environ")]
    running.communicate(timeout=SECONDS)
    assert len(of_workers) == 4
    for text in of_workers + of_run:
        assert not any(key.encode() in text for key in keys)
    for text in of_workers:
        assert KEK.encode() not in text
        assert b"a-password" not in text


def test_ctrl_c_stops_at_once_keeps_finished_outcomes_and_leaves_no_worker(many: Program) -> None:
    many.sandbox.forget()
    with many.sandbox.hold(after=20):
        running = started(many, *ALL, "--jobs", "2", "--concurrency", "4")
        wait_for_requests(many, 22)
        handles = [os.pidfd_open(pid) for pid in workers_of(running)]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=SECONDS)
    document = json.loads(out)
    assert running.returncode == document["exit_code"] == 130
    assert "Traceback" not in err
    done = pairs(document["results"])
    assert 4 <= len(done) < 24
    assert document["left"] == 24 - len(done)
    assert len(handles) == 2
    assert all(map(is_gone, handles))
    rest = many(*ALL, *document["error"]["hint"].partition("with ")[2].split())
    assert pairs(rest.results) | done == {(account_name(n), p) for n in range(12) for p in PROVIDERS}
    assert len(rest.results) + len(done) == 24


def is_gone(handle: int) -> bool:
    """Wait until a process is gone, and return whether it is."""
    found = select.select([handle], [], [], SECONDS)[0]
    os.close(handle)
    return bool(found)


def test_no_worker_outlives_a_run_that_is_killed(many: Program) -> None:
    many.sandbox.forget()
    with many.sandbox.hold():
        running = started(many, *ALL, "--jobs", "3")
        wait_for_requests(many, 3)
        handles = [os.pidfd_open(pid) for pid in workers_of(running)]
        running.kill()
        running.communicate(timeout=SECONDS)
        assert len(handles) == 3
        assert all(map(is_gone, handles))


def test_a_worker_that_is_killed_loses_no_key(many: Program) -> None:
    many.sandbox.forget()
    with many.sandbox.hold():
        running = started(many, *ALL, "--jobs", "2")
        wait_for_requests(many, 4)
        os.kill(workers_of(running)[0], signal.SIGKILL)
    out, err = running.communicate(timeout=SECONDS)
    document = json.loads(out)
    assert (running.returncode, err) == (3, "")
    assert len(pairs(document["results"])) == len(document["results"]) == 24
    assert document["summary"] == {"tested": 24, "valid": 8, "limited": 8, "rejected": 8, "indeterminate": 0}


def test_an_endpoint_that_is_down_is_reported_once_by_all_processes(kojikey: Program, sandbox: Sandbox) -> None:
    sandbox.accept_any = True
    fill_home(kojikey.home, KEK, sandbox, 30)
    sandbox.fault("elevenlabs", "down")
    ended = kojikey(*ALL, "--concurrency", "4", "--jobs", "2")
    sandbox.accept_any = False
    skipped = [result for result in ended.results if result["provider"] == "elevenlabs" and result["attempts"] == 0]
    assert ended.code == 4
    assert len(skipped) > 15
    assert not any(result["recorded"] for result in skipped)
    assert ended.err.count("no other key is tested there for") == 1
    assert {result["outcome"] for result in ended.results if result["provider"] == "google_gemini"} == {"valid"}


def test_workers_test_keys_of_a_users_own_provider_too(kojikey: Program, sandbox: Sandbox) -> None:
    folder = kojikey.home / "providers"
    folder.mkdir(parents=True, mode=0o700)
    kojikey.home.chmod(0o700)
    skeleton = kojikey("providers", "new", "mine")
    assert skeleton.code == 0, skeleton.said
    base_url = sandbox.key("elevenlabs", "ok").base_url
    for account in ("a", "b"):
        added = kojikey(
            "add",
            "mine",
            "-a",
            account,
            "--stdin",
            "--base-url",
            base_url,
            "--no-test",
            stdin=f"mine-{account}-0123456789",
        )
        assert added.code == 0, added.said
    alone, divided = kojikey(*ALL), kojikey(*ALL, "--jobs", "2")
    assert len(divided.results) == 2
    assert without_times(divided.results) == without_times(alone.results)
    assert "bug" not in divided.said


def test_a_proxy_that_cannot_be_used_ends_a_run_of_workers_as_it_ends_one_of_one_process(
    kojikey: Program, sandbox: Sandbox
) -> None:
    for account in ("a", "b"):
        kojikey("add", "elevenlabs", "-a", account, "--stdin", "--no-test", stdin="sk_" + account * 48)
    alone, divided = (kojikey(*ALL, "--jobs", jobs, HTTPS_PROXY="nonsense://x") for jobs in ("1", "2"))
    assert (divided.code, divided.error) == (alone.code, alone.error)
    assert "HTTPS_PROXY" in divided.error["message"]


# --- how many processes ---


@pytest.mark.parametrize(
    ("given", "total", "concurrency", "jobs"),
    [
        (None, MANY_KEYS, 16, 1), (None, MANY_KEYS + 1, 16, 4), (None, MANY_KEYS + 1, 3, 3),
        (1, 10 * MANY_KEYS, 16, 1), (8, 100, 16, 8), (8, 5, 16, 5), (8, 100, 2, 2), (2, 0, 16, 1),
    ],
)  # fmt: skip
def test_the_number_of_processes_is_that_of_the_cores_for_many_keys_alone(
    given: int | None, total: int, concurrency: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_options, "usable_cores", lambda: 4)
    chosen = RunOptions(concurrency, None, given, "limited", (), ())
    assert chosen.jobs_for(total) == jobs


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("nonsense", None), ("1 0", None), (None, None)],
)
def test_the_cores_of_a_container_are_those_that_it_may_use(
    quota: str | None, cores: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota + "\n")
    assert usable_cores(str(file)) == (cores or len(os.sched_getaffinity(0)))
