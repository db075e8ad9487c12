"""``add --batch``: each line on its own, a second run changes nothing, and a person sees a table and a bar."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.program import COMMAND, PATIENT, SECONDS, Ended, Program, pieces_in
from support.pseudo_terminal import printed_on_a_terminal

BATCHES = ["add", "rotate"]


def line(kojikey: Program, account: str, name: str = "ok", provider: str = "elevenlabs", **more: Any) -> dict[str, Any]:
    key = kojikey.key(provider, name)
    return {"account": account, "provider": provider, "key": key.key, "base_url": key.base_url, **more}


def text_of(lines: list[Any]) -> str:
    return "".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in lines)


def added(kojikey: Program, lines: list[Any], *more: str) -> Ended:
    return kojikey("add", "--batch", "-", *more, stdin=text_of(lines))


def results(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(row) for row in ended.out.splitlines()]


def actions_of(ended: Ended) -> list[str | None]:
    return [row["action"] for row in results(ended)]


def test_keys_are_tested_and_added_in_the_order_of_the_lines(kojikey: Program) -> None:
    lines = [line(kojikey, f"a{number}", label=f"number {number}") for number in range(5)]
    ended = added(kojikey, lines, "--concurrency", "4")
    assert ended.code == 0, ended.said
    assert actions_of(ended) == ["added"] * 5
    assert [row["account"] for row in results(ended)] == [f"a{number}" for number in range(5)]
    assert results(ended)[3]["test"]["outcome"] == "valid"
    row = kojikey("list", "elevenlabs", "--account", "a3", "--json").result
    assert (row["label"], row["version"], row["last_test"]["outcome"]) == ("number 3", 1, "valid")
    assert kojikey("audit", "--verify", "--all-accounts").code == 0


def test_the_first_key_of_a_new_account_is_marked_and_the_new_accounts_are_named(kojikey: Program) -> None:
    lines = [line(kojikey, "a1"), line(kojikey, "a1", provider="google_gemini")]
    lines += [line(kojikey, f"b{number:02}") for number in range(11)]
    ended = added(kojikey, lines, "--no-test", "--concurrency", "1")
    assert [row["new_account"] for row in results(ended)] == [True, False, *[True] * 11]
    names = ", ".join(["a1", *(f"b{number:02}" for number in range(9))])
    assert ended.err.endswith(f"kojikey: 12 new accounts: {names} and more\n")
    again = added(kojikey, lines, "--no-test")
    assert ("new account" in again.err, [row.get("new_account") for row in results(again)]) == (False, [None] * 13)


def test_the_document_of_a_first_key_says_that_its_account_is_new(kojikey: Program) -> None:
    def document(provider: str) -> dict[str, Any]:
        key = kojikey.key(provider).key
        return kojikey("add", provider, "--stdin", "--no-test", "-a", "acme", "--json", stdin=key).result

    assert [document(provider)["new_account"] for provider in ("elevenlabs", "google_gemini")] == [True, False]


def test_a_second_run_changes_nothing(kojikey: Program) -> None:
    lines = [line(kojikey, "a1"), line(kojikey, "a2", provider="google_gemini")]
    added(kojikey, lines)
    before, asked = kojikey.contents(), len(kojikey.sandbox.requests)
    ended = added(kojikey, lines)
    assert (ended.code, actions_of(ended)) == (0, ["unchanged", "unchanged"])
    assert (kojikey.contents(), len(kojikey.sandbox.requests)) == (before, asked)


def test_an_existing_different_key_is_not_changed(kojikey: Program) -> None:
    added(kojikey, [line(kojikey, "a1")])
    before = kojikey.contents()
    ended = added(kojikey, [line(kojikey, "a1", "ok_2")])
    (row,) = results(ended)
    assert (ended.code, row["action"], row["exit_code"], row["error"]["code"]) == (6, "exists", 6, "conflict")
    assert kojikey.contents() == before


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["", "dry"])
def test_every_row_says_which_key_it_is_about_as_far_as_its_line_can_be_read(
    kojikey: Program, more: tuple[str, ...]
) -> None:
    added(kojikey, [line(kojikey, "a1")])
    ended = added(kojikey, [line(kojikey, "a1"), line(kojikey, "a1", "ok_2"), "no json"], *more)
    same, other = (f"********{kojikey.key('elevenlabs', name).key[-4:]}" for name in ("ok", "ok_2"))
    assert [row["masked"] for row in results(ended)] == [same, other, None]
    assert [row["version"] for row in results(ended)[1:]] == [None, None]
    missing = kojikey("rotate", "--batch", "-", *more, stdin=text_of([line(kojikey, "a2")]))
    assert [(row["action"], row["masked"], row["version"]) for row in results(missing)] == [(None, same, None)]


def test_two_lines_for_one_key_are_processed_in_order(kojikey: Program) -> None:
    ended = added(kojikey, [line(kojikey, "a1"), line(kojikey, "a1"), line(kojikey, "a1", "ok_2")])
    assert (ended.code, actions_of(ended)) == (6, ["added", "unchanged", "exists"])


@pytest.mark.parametrize(
    ("names", "code"),
    [(["invalid_key", "malformed", "exists", "redirected"], 3), (["malformed", "exists", "redirected"], 2),
     (["exists", "redirected"], 6), (["redirected", "ok"], 4), (["ok"], 0)],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_worst_line(kojikey: Program, names: list[str], code: int) -> None:
    added(kojikey, [line(kojikey, "taken")])
    lines: list[Any] = []
    for number, name in enumerate(reversed(names)):
        special = {"malformed": "no json", "exists": line(kojikey, "taken", "ok_2")}
        lines.append(special[name] if name in special else line(kojikey, f"a{number}", name))
    assert added(kojikey, lines).code == code


def test_a_byte_order_mark_and_empty_lines_are_skipped_and_a_malformed_line_fails_alone(kojikey: Program) -> None:
    unknown = {**line(kojikey, "a2"), "provider": "nonsense"}
    text = "\ufeff" + text_of([line(kojikey, "a1"), "", "   ", "{", unknown, line(kojikey, "a3")])
    ended = kojikey("add", "--batch", "-", stdin=text)
    assert ended.code == 2
    assert [(row["line"], row["action"]) for row in results(ended)] == [
        (1, "added"),
        (4, "refused"),
        (5, "refused"),
        (6, "added"),
    ]
    assert "line 4: it is not a JSON object" in results(ended)[1]["error"]["message"]
    assert "a JSON object with account, provider and key" in results(ended)[1]["error"]["hint"]


def test_a_key_that_is_not_valid_is_saved_only_with_an_option(kojikey: Program) -> None:
    lines = [line(kojikey, "a1", "missing_permission"), line(kojikey, "a2", "redirected")]
    ended = added(kojikey, lines)
    assert (ended.code, actions_of(ended)) == (3, ["refused", "refused"])
    ended = added(kojikey, lines, "--allow-limited", "--allow-unverified")
    assert (ended.code, actions_of(ended)) == (0, ["added", "added"])
    ended = added(kojikey, [line(kojikey, "a3", "invalid_key")], "--no-test", "--expires", "2999-01-01")
    assert (ended.code, actions_of(ended)) == (0, ["added"])
    assert kojikey("list", "elevenlabs", "--account", "a3", "--json").result["expires_at"] == "2999-01-01T23:59:59Z"


def test_refused_keys_leave_no_store_behind(kojikey: Program) -> None:
    assert added(kojikey, [line(kojikey, "a1", "invalid_key"), "no json"]).code == 3
    assert not (kojikey.home / "keys.db").exists()
    assert added(kojikey, [line(kojikey, "a1"), line(kojikey, "a2")]).code == 0
    assert {row["account"] for row in kojikey("list", "--all-accounts", "--json").results} >= {"a1", "a2"}


@pytest.mark.external
def test_without_a_kek_source_nothing_is_created_and_no_request_is_sent(kojikey: Program) -> None:
    del kojikey.environ["KOJIKEY_KEK"]
    ended = added(kojikey, [line(kojikey, "a1")])
    assert ended.code == 8
    assert "KOJIKEY_PASSPHRASE_FILE" in ended.err
    assert not kojikey.sandbox.requests
    assert not (kojikey.home / "keys.db").exists()


def test_a_dry_run_says_what_would_be_added_and_does_nothing(kojikey: Program) -> None:
    lines = [line(kojikey, "a1"), line(kojikey, "a1"), line(kojikey, "a1", "ok_2"), "no json"]
    ended = added(kojikey, lines, "--dry-run")
    assert [(row.get("would"), row.get("action")) for row in results(ended)] == [
        ("add", None), ("unchanged", None), (None, "exists"), (None, "refused"),
    ]  # fmt: skip
    assert ended.code == 2
    assert not kojikey.sandbox.requests
    assert not kojikey.home.exists()
    added(kojikey, lines[:1])
    assert results(added(kojikey, lines[:1], "--dry-run"))[0]["would"] == "unchanged"


def test_one_document_has_all_results(kojikey: Program) -> None:
    ended = added(kojikey, [line(kojikey, "a1"), "no json"], "--json")
    assert ended.document["command"] == "add"
    assert ended.document["exit_code"] == ended.code == 2
    assert ended.document["summary"] == {"lines": 2, "added": 1, "refused": 1, "failed": 1}
    assert [row["line"] for row in ended.results] == [1, 2]


def test_a_provider_without_a_default_base_url_needs_one(kojikey: Program) -> None:
    ended = added(kojikey, [{"account": "a", "provider": "azure_openai", "key": "0123456789abcdef0123456789abcdef"}])
    assert (ended.code, results(ended)[0]["exit_code"]) == (2, 2)


@pytest.mark.parametrize("command", BATCHES)
@pytest.mark.parametrize(
    "more", [["elevenlabs"], ["--stdin"], ["--label", "x"], ["--json", "--jsonl"], ["--account", "a"]]
)
def test_options_that_exclude_a_batch_are_refused_with_it(kojikey: Program, command: str, more: list[str]) -> None:
    ended = kojikey(command, "--batch", "-", *more, stdin=text_of([line(kojikey, "a1")]))
    assert (ended.code, ended.out if "--json" not in more else "") == (2, "")
    assert not kojikey.sandbox.requests


@pytest.mark.parametrize("command", BATCHES)
@pytest.mark.parametrize("more", [["--dry-run"], ["--jsonl"], ["--rate", "1"], ["--concurrency", "2"]])
def test_options_of_a_batch_are_refused_without_one(kojikey: Program, command: str, more: list[str]) -> None:
    ended = kojikey(command, "elevenlabs", "--stdin", *more, stdin=kojikey.key().key)
    assert ended.code == 2
    assert f"kojikey {command} --batch FILE {more[0]}" in ended.err


@pytest.mark.parametrize("command", BATCHES)
def test_no_output_of_a_batch_has_a_key_even_if_it_is_in_the_wrong_member(kojikey: Program, command: str) -> None:
    key = kojikey.key().key
    for item in (
        line(kojikey, "a1"),
        line(kojikey, key[:30]),
        line(kojikey, "a1", label=key),
        f'{{"key": "{key}"',
        [key],
    ):
        for more in ([], ["--json"], ["--dry-run"]):
            kojikey(command, "--batch", "-", *more, stdin=text_of([item]))
            assert pieces_in(key[4:], kojikey.seen[-1].said) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("command", BATCHES)
def test_a_batch_in_utf_16_from_a_windows_shell_is_read(
    kojikey: Program, tmp_path: Path, command: str, encoding: str
) -> None:
    if command == "rotate":
        added(kojikey, [line(kojikey, "acme"), line(kojikey, "globex")])
    path = tmp_path / "keys.jsonl"
    path.touch(mode=0o600)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    last = json.dumps(line(kojikey, "globex", "ok_2", label="à droite 右"), ensure_ascii=False)
    lines = [line(kojikey, "acme", "ok_2"), "", "no json", last]
    path.write_bytes((mark + text_of(lines)).encode(encoding))
    ended = kojikey(command, "--batch", str(path), "--no-test")
    done = "added" if command == "add" else "rotated"
    assert (ended.code, [(row["line"], row["action"]) for row in results(ended)]) == (
        2, [(1, done), (3, "refused"), (4, done)]
    )  # fmt: skip
    assert kojikey("list", "elevenlabs", "--account", "globex", "--json").result["label"] == "à droite 右"


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("after", [1, 5, 9])
def test_after_a_stop_at_any_point_the_same_batch_finishes_the_rest(
    kojikey: Program, tmp_path: Path, stop: signal.Signals, code: int, after: int
) -> None:
    path = tmp_path / "keys.jsonl"
    path.touch(mode=0o600)
    path.write_text(text_of([line(kojikey, f"a{number}") for number in range(8)]))
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold(after=after):
        running = subprocess.Popen(
            [*COMMAND, "add", "--batch", str(path), "--concurrency", "2", *PATIENT],
            env=kojikey.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(kojikey.sandbox.requests) <= after:
            kojikey.sandbox.wait_for_request()
        running.send_signal(stop)
        _, err = running.communicate(timeout=SECONDS)
    assert running.returncode == code
    assert ("run the same command again to finish the rest" in err) == (stop is signal.SIGINT)
    ended = kojikey("add", "--batch", str(path))
    assert ended.code == 0, ended.said
    assert set(actions_of(ended)) <= {"added", "unchanged"}
    assert len(kojikey("list", "elevenlabs", "--all-accounts", "--json").results) == 8
    assert kojikey("audit", "--verify", "--all-accounts").code == 0


@pytest.mark.parametrize("command", BATCHES)
def test_on_a_terminal_a_table_and_a_bar_are_shown(kojikey: Program, tmp_path: Path, command: str) -> None:
    if command == "rotate":
        added(kojikey, [line(kojikey, "acme"), line(kojikey, "globex")])
    path = tmp_path / "keys.jsonl"
    path.touch(mode=0o600)
    path.write_text(text_of([line(kojikey, "acme", "ok_2"), line(kojikey, "globex", "invalid_key"), "no json"]))
    code, text = printed_on_a_terminal(kojikey, command, "--batch", str(path), columns=100)
    assert code == 3
    assert "2 left" in text or "3 left" in text
    assert all(word in text for word in ("ACCOUNT", "PROVIDER", "RESULT", "acme", "globex", "invalid_key"))
    assert "line 3: it is not a JSON object" in text
    assert "{" not in text
    code, text = printed_on_a_terminal(kojikey, command, "--batch", str(path), "--jsonl", "--quiet", columns=100)
    assert [json.loads(row)["line"] for row in text.splitlines() if row.startswith("{")] == [1, 2, 3]
    assert "ACCOUNT" not in text
