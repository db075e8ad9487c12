"""``kojikey test`` over many keys, as a person or a job sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kojikey.cli.commands.test import key_run, test
from kojikey.model.errors import StoreUnreachable
from kojikey.providers.requests import traffic
from kojikey.providers.requests.traffic import Traffic
from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing import Sandbox
from support.many import PROVIDERS, fill_home
from support.program import COMMAND, KEK, PATIENT, SECONDS, Program


@pytest.fixture
def sandbox_of_all(sandbox: Sandbox) -> Iterator[Sandbox]:
    sandbox.accept_any = True
    yield sandbox
    sandbox.accept_any = False


@pytest.fixture
def many(kojikey: Program, sandbox_of_all: Sandbox) -> Program:
    """Return a program whose store has 24 keys of 12 accounts; every third account's are unknown to the provider."""
    reasons = ("ok", "missing_permission", "invalid_key")
    fill_home(kojikey.home, KEK, sandbox_of_all, 12, reason=lambda number: reasons[number % 3])
    return kojikey


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a run of a few keys one that is too long to be held back."""
    monkeypatch.setattr(key_run, "FEW", 5)


def pairs(results: list[dict[str, object]]) -> set[tuple[object, object]]:
    return {(result["account"], result["provider"]) for result in results}


def test_all_keys_of_all_accounts_are_tested_and_counted(many: Program) -> None:
    ended = many("test", "--all-accounts", "--json")
    assert ended.code == 3
    assert len(pairs(ended.results)) == 24
    assert ended.document["summary"] == {"tested": 24, "valid": 8, "limited": 8, "rejected": 8, "indeterminate": 0}
    groups = {(group["provider"], group["reason"]): group["count"] for group in ended.document["groups"]}
    assert groups == {
        (provider, reason): 4 for provider in PROVIDERS for reason in ("invalid_key", "missing_permission")
    }
    assert all(group["next"] for group in ended.document["groups"])


def test_a_long_run_is_one_document_too(many: Program, streamed: None) -> None:
    ended = many("test", "--all-accounts", "--json", "--concurrency", "4")
    assert (ended.code, ended.document["exit_code"]) == (3, 3)
    assert (ended.document["schema"], ended.document["command"]) == ("kojikey/1", "test")
    assert len(pairs(ended.results)) == 24


def test_a_long_run_lists_every_key_and_the_next_steps(many: Program, streamed: None) -> None:
    ended = many("test", "--all-accounts")
    lines = ended.out.splitlines()
    assert sum(line.startswith(("✓ ", "! ", "✗ ")) for line in lines) == 24
    assert "24 tested: 8 valid, 8 limited, 8 rejected" in lines
    assert "    next: create new keys, then rotate them all at once: kojikey rotate --batch FILE" in lines


def test_json_lines_are_one_per_result_and_the_summary_is_last(many: Program) -> None:
    ended = many("test", "--all-accounts", "--jsonl")
    *results, last = [json.loads(line) for line in ended.out.splitlines()]
    assert len(pairs(results)) == 24
    assert last["summary"]["tested"] == 24
    assert last["exit_code"] == ended.code == 3


def test_the_shards_have_every_key_exactly_once(many: Program) -> None:
    parts = [pairs(many("test", "--all-accounts", "--shard", f"{part}/3", "--json").results) for part in (1, 2, 3)]
    assert sum(map(len, parts)) == 24
    assert len(set.union(*parts)) == 24


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_processes_that_share_a_run_test_and_record_each_key_once(many: Program, jobs: str) -> None:
    command = [*COMMAND, "test", "--all-accounts", "--json", "--jobs", jobs]
    running = [
        subprocess.Popen([*command, "--shard", f"{part}/4"], env=many.environ, stdout=subprocess.PIPE, text=True)
        for part in range(1, 5)
    ]
    results = [json.loads(process.communicate(timeout=SECONDS)[0])["results"] for process in running]
    tested = [result for part in results for result in part]
    assert pairs(tested) == {(f"account-{number:05}", provider) for number in range(12) for provider in PROVIDERS}
    assert len(tested) == 24
    assert all(result["recorded"] for result in tested)
    events = many("audit", "--all-accounts", "--json").results
    assert sum(event["action"] == "tested" for event in events) == 24
    assert many("audit", "--all-accounts", "--verify").code == 0


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b", "1/3/5", "-1/3"])
def test_a_malformed_shard_is_refused(many: Program, shard: str) -> None:
    assert many("test", "--all-accounts", f"--shard={shard}").code == 2


NO_PACE = [
    ("--rate", "0"), ("--rate=-1",), ("--rate", "nan"), ("--rate", "inf"), ("--concurrency", "0"), ("--timeout", "0"),
    ("--concurrency", "100000"),
]  # fmt: skip


@pytest.mark.parametrize("option", NO_PACE, ids=" ".join)
@pytest.mark.parametrize("command", [("test", "--all-accounts"), ("rotate", "--batch", "-")], ids=" ".join)
def test_a_rate_or_concurrency_out_of_range_is_refused_before_anything_is_read(
    kojikey: Program, command: tuple[str, ...], option: tuple[str, ...]
) -> None:
    ended = kojikey(*command, *option, KOJIKEY_STORE="sqlite:///nowhere/at/all.db")
    assert ended.code == 2, ended.said
    assert option[0].partition("=")[0] in ended.err


@pytest.mark.parametrize("place", ["{}/no/such/folder/x", "{}", "/dev/null"])
@pytest.mark.parametrize(
    "command", [("test", "--all-accounts", "--junit"), ("test", "--all-accounts", "--html"), ("scan", "--sarif")]
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(
    kojikey: Program, tmp_path: Path, command: tuple[str, ...], place: str
) -> None:
    path = place.format(tmp_path)
    ended = kojikey(*command, path, "--json", KOJIKEY_STORE="sqlite:///nowhere/at/all.db")
    assert (ended.code, ended.error["code"]) == (7, "store_unavailable")
    assert ended.error["message"].startswith(f"the report {path} cannot be written (")
    assert ended.error["message"].endswith("; nothing was done")


@pytest.mark.parametrize(
    "options",
    [("--junit", ""), ("--html", ""), ("--junit", "{}/x", "--html", "{}/x"), ("--junit", "{}/x", "--html", "{}/./x")],
)
def test_two_reports_for_one_file_are_refused_before_anything_is_read(
    kojikey: Program, tmp_path: Path, options: tuple[str, ...]
) -> None:
    named = [option.format(tmp_path) for option in options]
    assert kojikey("test", "--all-accounts", *named, KOJIKEY_STORE="sqlite:///nowhere/at/all.db").code == 2
    assert kojikey("test", "elevenlabs", "--stdin", *named, stdin="sk_" + "a1" * 24).code == 2


def test_a_batch_refuses_an_account_because_each_line_has_its_own(kojikey: Program) -> None:
    ended = kojikey("rotate", "--batch", "-", "-a", "acme")
    assert ended.code == 2
    assert "--account" in ended.err


def test_keys_that_were_tested_lately_are_left_out(many: Program) -> None:
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(many("test", "google_gemini", "--all-accounts", "--json").results) == 12
    rest = many("test", "--all-accounts", "--not-tested-since", "1h", "--json")
    assert pairs(rest.results) == {(f"account-{number:05}", "elevenlabs") for number in range(12)}
    nothing = many("test", "--all-accounts", "--not-tested-since", began, "--json")
    assert (nothing.code, nothing.results) == (0, [])


@pytest.mark.parametrize(("fail_on", "code"), [("rejected", 0), ("limited", 3), ("indeterminate", 3)])
def test_an_option_chooses_the_outcomes_that_fail_the_run(
    kojikey: Program, sandbox_of_all: Sandbox, fail_on: str, code: int
) -> None:
    fill_home(kojikey.home, KEK, sandbox_of_all, 2, reason=lambda _: "missing_permission")
    assert kojikey("test", "--all-accounts", "--fail-on", fail_on).code == code


@pytest.mark.parametrize("fault", ["reset", "garbage", "portal", "rate_limit_all", "down"])
def test_a_broken_provider_rejects_no_key_and_does_not_delay_the_others(many: Program, fault: str) -> None:
    many.sandbox.fault("elevenlabs", fault)
    many.sandbox.retry_after = 0
    ended = many("test", "--all-accounts", "--json", "--fail-on", "rejected")
    many.sandbox.retry_after = 1
    outcomes = {provider: [r["outcome"] for r in ended.results if r["provider"] == provider] for provider in PROVIDERS}
    assert outcomes["elevenlabs"] == ["indeterminate"] * 12
    assert sorted(outcomes["google_gemini"]) == ["limited"] * 4 + ["rejected"] * 4 + ["valid"] * 4


def test_a_provider_that_answers_byte_by_byte_is_a_timeout_and_not_a_bad_key(
    kojikey: Program, sandbox_of_all: Sandbox
) -> None:
    fill_home(kojikey.home, KEK, sandbox_of_all, 3)
    sandbox_of_all.fault("google_gemini", "slow")
    ended = kojikey("test", "--all-accounts", "--json", "--timeout", "1.5")
    assert {r["reason"] for r in ended.results if r["provider"] == "google_gemini"} == {"timeout"}
    assert {r["reason"] for r in ended.results if r["provider"] == "elevenlabs"} == {"ok"}
    assert ended.code == 4


def test_an_endpoint_that_is_down_is_reported_once_and_its_keys_are_left_for_another_run(
    kojikey: Program, sandbox_of_all: Sandbox
) -> None:
    fill_home(kojikey.home, KEK, sandbox_of_all, 30)
    sandbox_of_all.fault("elevenlabs", "down")
    ended = kojikey("test", "--all-accounts", "--json", "--concurrency", "4")
    down = [result for result in ended.results if result["provider"] == "elevenlabs"]
    skipped = [result for result in down if result["attempts"] == 0]
    assert ended.code == 4
    assert {result["reason"] for result in down} == {"unreachable"}
    assert len(skipped) > 15
    assert not any(result["recorded"] for result in skipped)
    assert ended.err.count("no other key is tested there for") == 1
    sandbox_of_all.mend()
    rest = kojikey("test", "--all-accounts", "--json", "--not-tested-since", "1h")
    assert pairs(skipped) == pairs(rest.results)
    assert rest.code == 0


def test_ctrl_c_keeps_finished_outcomes_and_prints_how_to_continue(many: Program) -> None:
    with many.sandbox.hold(after=20):
        running = subprocess.Popen(
            [*COMMAND, "test", "--all-accounts", "--concurrency", "2", "--json", *PATIENT],
            env=many.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(many.sandbox.requests) < 22:
            many.sandbox.wait_for_request()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=SECONDS)
    document = json.loads(out)
    assert running.returncode == document["exit_code"] == 130
    assert document["error"]["code"] == "interrupted"
    done = pairs(document["results"])
    assert 5 <= len(done) < 24
    assert document["left"] == 24 - len(done)
    hint = document["error"]["hint"]
    assert hint in err
    rest = many("test", "--all-accounts", "--json", *hint.partition("with ")[2].split())
    assert pairs(rest.results) | done == {(f"account-{n:05}", p) for n in range(12) for p in PROVIDERS}
    assert len(rest.results) + len(done) == 24


def test_a_continued_run_names_the_start_of_the_first_one(many: Program) -> None:
    """Keys that were tested between the two moments would be tested again by the later one."""
    many.sandbox.forget()
    with many.sandbox.hold(after=2):
        running = subprocess.Popen(
            [*COMMAND, "test", "--all-accounts", "--not-tested-since", "2026-11-23T04:47:00Z", "--concurrency", "1",
             *PATIENT],
            env=many.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(many.sandbox.requests) < 3:
            many.sandbox.wait_for_request()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert "the same command with --not-tested-since 2026-11-23T04:47:00Z" in err


def test_a_bar_is_drawn_on_a_terminal_and_leaves_no_trace_in_a_pipe(many: Program) -> None:
    assert "\r" not in many.installed("test", "--all-accounts").err
    import pexpect

    drawn = pexpect.run(
        " ".join([*COMMAND, "test", "--all-accounts", "--concurrency", "1"]),
        env={**os.environ, **many.environ, "TERM": "xterm"}, timeout=SECONDS,
    )  # fmt: skip
    assert isinstance(drawn, bytes)
    assert b"failed" in drawn
    assert b" left" in drawn
    after = drawn.rpartition(b" left")[2]
    assert b"\x1b[2K" in after, "the bar was not taken away"


def test_a_report_in_a_missing_folder_is_refused_before_a_question(many: Program, tmp_path: Path) -> None:
    many.sandbox.forget()
    ended = many("test", "--all-accounts", "--junit", str(tmp_path / "nowhere" / "keys.xml"))
    assert ended.code == 7
    assert many.sandbox.requests == ()
    assert many("test", "--all-accounts", "--html", str(tmp_path)).code == 7


def test_a_run_that_cannot_finish_its_report_keeps_the_old_one(many: Program, tmp_path: Path) -> None:
    report = tmp_path / "keys.html"
    report.write_text("old")
    from kojikey.model.atomic_file import write_whole

    def pieces() -> object:
        yield "new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(str(report), pieces())  # type: ignore[arg-type]
    assert report.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["keys.html"]


def test_a_report_that_cannot_be_written_fails_a_run_that_went_well(
    kojikey: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, _: object) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("kojikey.cli.reports.report_file.write_whole", full)
    kojikey.added("elevenlabs")
    ended = kojikey("test", "--json", "--junit", str(tmp_path / "keys.xml"))
    assert (ended.code, ended.document["exit_code"]) == (7, 7)
    assert ended.result["outcome"] == "valid"
    assert "No space left on device" in ended.error["message"]


def test_the_run_keeps_to_the_rate_of_the_option(
    kojikey: Program, sandbox_of_all: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Traffic] = []

    def noted(**choices: Any) -> Traffic:
        runs.append(Traffic(**choices))
        return runs[-1]

    monkeypatch.setattr(traffic, "Traffic", noted)
    fill_home(kojikey.home, KEK, sandbox_of_all, 2)
    assert kojikey("test", "--all-accounts", "--rate", "20").code == 0
    assert {run.rate for run in runs} == {20}
    assert set(runs[-1]._next_slots) == set(PROVIDERS)


def test_the_next_steps_name_the_store_that_was_tested(kojikey: Program, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'team.db'}"
    assert kojikey("store", "init", url, "--kek", "env", "--name", "team").code == 0
    for account in ("a", "b"):
        kojikey.added("elevenlabs", "invalid_key", "--no-test", "--store", "team", "--account", account)
    one = kojikey("test", "--store", "team", "--account", "a", "--json").document["groups"][0]["next"]
    assert one.endswith("kojikey rotate elevenlabs --account a --store team")
    both = kojikey("test", "--store", "team", "--all-accounts", "--json").document["groups"][0]["next"]
    assert both.endswith("kojikey rotate --store team --batch FILE")


def test_a_bug_in_one_test_does_not_hide_that_the_store_went_away(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is still completed, and says why the run stopped."""
    kojikey.added("elevenlabs")

    def broken(*_: object) -> None:
        raise ExceptionGroup("both", [ValueError("a bug"), StoreUnreachable("the place", "is gone")])

    monkeypatch.setattr(key_run.KeyRun, "_test_all", broken)
    ended = kojikey("test", "--json")
    assert (ended.code, ended.error["code"]) == (7, "store_unavailable")
    assert "is gone" in ended.error["message"]


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the local store be one that charges for each scan, of which five keys are read ahead."""
    monkeypatch.setattr(SqliteStore, "partitioned", True)
    monkeypatch.setattr(test, "MANY_KEYS", 4)
    monkeypatch.setattr(key_run, "FEW", 4)


@pytest.mark.usefixtures("uncounted")
def test_keys_that_were_not_counted_before_are_tested_and_counted_during_the_run(many: Program) -> None:
    ended = many("test", "--all-accounts", "--json")
    assert ended.code == 3
    assert len(pairs(ended.results)) == 24
    assert ended.document["summary"] == {"tested": 24, "valid": 8, "limited": 8, "rejected": 8, "indeterminate": 0}


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize(("most", "left", "words"), [(100, 24, "0 of 24"), (3, 8, "0 of at least 8")])
def test_a_stopped_run_counts_a_limited_number_of_unread_keys(
    many: Program, monkeypatch: pytest.MonkeyPatch, most: int, left: int, words: str
) -> None:
    async def interrupted(_: object, keys: Iterator[object], **__: object) -> None:
        for _ in range(5):
            next(keys)
        raise KeyboardInterrupt

    monkeypatch.setattr(key_run, "run_tests", interrupted)
    monkeypatch.setattr(key_run, "MOST_COUNTED", most)
    ended = many("test", "--all-accounts", "--json")
    assert (ended.code, ended.document["left"]) == (130, left)
    assert f"interrupted: {words} keys done" in ended.err
