"""The JSON of the contract: one document for every command, its fields and their types, on success and on failure."""

from __future__ import annotations

import errno
import json
import os
import re
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from kojikey import wiring
from kojikey.cli import registry
from kojikey.cli.exits import MEANING, Exit
from support.program import Ended, Program

NULL = type(None)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIMES = {
    "created_at", "rotated_at", "tested_at", "last_valid_at", "expires_at", "promoted_at", "resets_at", "time",
}  # fmt: skip
Shape = dict[str, "type | types.UnionType | Shape"]

CHECK: Shape = {
    "name": str, "required": bool, "outcome": str, "reason": str, "http_status": int | NULL, "latency_ms": int | NULL,
}  # fmt: skip
VERDICT: Shape = {
    "outcome": str, "reason": str, "authentic": bool | NULL, "missing_permissions": list, "detail": str, "hint": str,
    "manage_url": str, "checks": list, "latency_ms": int, "attempts": int, "tested_at": str,
}  # fmt: skip
TESTED: Shape = {"account": str, "provider": str, "masked": str, "version": int | NULL, **VERDICT}
USAGE: Shape = {
    "unit": str, "used": float | int | NULL, "limit": float | int | NULL,
    "remaining": float | int | NULL, "resets_at": str | NULL, "plan": str | NULL,
    "status": str | NULL,
}  # fmt: skip
LAST_TEST: Shape = {"outcome": str, "reason": str, "tested_at": str, "last_valid_at": str | NULL}
LISTED: Shape = {
    "account": str, "provider": str, "source": str, "billed_to": str, "masked": str, "version": int,
    "fingerprint": str, "label": str | NULL, "base_url": str, "models": list, "capabilities": list,
    "created_at": str, "rotated_at": str | NULL, "age_days": int, "rotate_after_days": int | NULL,
    "rotation_due": bool, "expires_at": str | NULL,
}  # fmt: skip
CHANGED: Shape = {"account": str, "provider": str, "action": str, "masked": str, "version": int}
EVENT: Shape = {
    "seq": int, "time": str, "actor": str, "account": str, "provider": str | NULL, "action": str,
    "version": int | NULL, "fingerprint": str | NULL, "outcome": str | NULL, "reason": str | NULL,
}  # fmt: skip


def assert_shape(document: dict[str, Any], shape: Shape) -> None:
    for name, kind in shape.items():
        assert name in document, f"{name} is missing"
        if isinstance(kind, dict):
            assert_shape(document[name], kind)
            continue
        value = document[name]
        assert isinstance(value, kind), f"{name} is {value!r}"
        if kind is int:
            assert not isinstance(value, bool), f"{name} is {value!r}"
    assert_times(document)


def assert_times(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in TIMES and inner is not None:
                assert STAMP.fullmatch(inner), f"{name} is {inner}"
            assert_times(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_times(inner)


def assert_one_document(ended: Ended, command: str | None) -> dict[str, Any]:
    assert ended.out.isascii()
    document = ended.document  # a second document, or a word beside it, would not parse
    assert (document["schema"], document["command"], document["exit_code"]) == ("kojikey/1", command, ended.code)
    assert ("error" in document) or "results" in document
    if "error" in document:
        assert_shape(document["error"], {"code": str, "message": str, "hint": str | NULL})
        assert document["error"]["code"] == Exit(ended.code).label
        assert document["error"]["message"] in ended.err
    assert "Traceback" not in ended.err
    assert_times(document)
    return document


def test_a_result_of_test_has_every_field(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "missing_permission", "--allow-limited")
    ended = kojikey("test", "--json")
    document = assert_one_document(ended, "test")
    assert ended.code == 3
    result = ended.result
    assert_shape(result, TESTED)
    for check in result["checks"]:
        assert_shape(check, CHECK)
    assert (result["outcome"], result["reason"], result["authentic"]) == ("limited", "missing_permission", True)
    assert result["missing_permissions"] == ["text_to_speech"]
    assert result["manage_url"].startswith("https://")
    assert result["detail"]
    assert result["hint"]
    assert document["summary"] == {"tested": 1, "valid": 0, "limited": 1, "rejected": 0, "indeterminate": 0}


def test_usage_is_shown_where_the_provider_tells_it(kojikey: Program) -> None:
    kojikey.added()
    kojikey.added("google_gemini")
    by_provider = {result["provider"]: result for result in kojikey("test", "--json").results}
    assert_shape(by_provider["elevenlabs"]["usage"], USAGE)
    assert by_provider["elevenlabs"]["usage"]["unit"] == "credits"
    assert "usage" not in by_provider["google_gemini"]


def test_a_result_of_list_has_every_field(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate()
    kojikey.rotate("elevenlabs", "missing_permission")
    ended = kojikey("list", "--json")
    assert_one_document(ended, "list")
    own, built_in = ended.results
    assert_shape(own, LISTED | {"last_test": LAST_TEST, "staged": {}, "previous": {}})
    assert (own["staged"]["version"], own["previous"]["version"]) == (3, 1)
    assert (built_in["source"], built_in["billed_to"]) == ("built_in", "koji")
    assert set(built_in) == set(own)


def test_add_rotate_and_remove_have_one_result_with_an_action(kojikey: Program) -> None:
    ended = kojikey.add("elevenlabs", "ok", "--json")
    assert_one_document(ended, "add")
    assert_shape(ended.result, CHANGED | {"test": VERDICT})
    ended = kojikey.rotate("elevenlabs", "ok_2", "--json")
    assert_one_document(ended, "rotate")
    assert_shape(ended.result, CHANGED | {"test": VERDICT})
    ended = kojikey("remove", "elevenlabs", "--yes", "--json")
    assert_one_document(ended, "remove")
    assert_shape(ended.result, CHANGED)


def test_an_event_of_audit_has_every_field(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("audit", "--json")
    assert_one_document(ended, "audit")
    assert_shape(ended.result, EVENT)
    assert (ended.result["seq"], ended.result["action"], ended.result["outcome"]) == (1, "added", "valid")
    assert "@" in ended.result["actor"]
    assert "masked" not in ended.result


def test_the_error_of_a_document_has_a_code_a_message_and_a_hint(kojikey: Program) -> None:
    ended = kojikey("rotate", "google_gemini", "--stdin", "--json", stdin=kojikey.key("google_gemini").key)
    assert ended.document == {
        "schema": "kojikey/1",
        "command": "rotate",
        "exit_code": 5,
        "error": {
            "code": "not_found",
            "message": "no google_gemini key for account default",
            "hint": "kojikey add google_gemini",
        },
    }


SUCCEED: dict[str, tuple[str, ...]] = {
    "test": ("test",),
    "list": ("list",),
    "remove": ("remove", "elevenlabs", "--yes"),
    "get": ("get", "elevenlabs", "--reveal"),
    "providers": ("providers",),
    "history": ("history", "elevenlabs"),
    "store init": ("store", "init"),
    "store info": ("store", "info"),
    "store rekey": ("store", "rekey", "--kek", "env:OTHER_KEK"),
    "audit": ("audit", "--verify"),
    "doctor": ("doctor",),
    "help": ("help", "exit-codes"),
    "account list": ("account", "list"),
    "account disable": ("account", "disable", "default"),
    "account enable": ("account", "enable", "default"),
    "account remove": ("account", "remove", "default", "--confirm", "default"),
}
OTHER_KEK = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="


@pytest.mark.parametrize("name", SUCCEED)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_every_command_has_one_document_when_it_succeeds(kojikey: Program, name: str, encoding: str) -> None:
    kojikey.added("elevenlabs", "ok", "--label", "naïve – 鍵")
    ended = kojikey(*SUCCEED[name], "--json", encoding=encoding, OTHER_KEK=OTHER_KEK)
    assert ended.code == 0, ended.said
    assert_one_document(ended, name)


def test_every_command_but_those_that_are_not_tried_here_succeeds_above() -> None:
    elsewhere = {"add", "rotate", "run", "sandbox", "complete", "check"}
    elsewhere |= {"import", "export", "set", "store recipients"}
    elsewhere |= {"store copy", "store grant", "store revoke", "store policy", "scan", "unlock", "lock"}
    elsewhere |= {
        "set",
        "config path",
        "config get",
        "config set",
        "config unset",
        "store list",
        "store use",
        "completion",
    }
    assert set(registry.MODULES) - elsewhere - set(SUCCEED) == set()


@pytest.mark.parametrize("name", [name for name in registry.MODULES if name not in registry.HIDDEN])
@pytest.mark.parametrize(
    "tail",
    [["--nonsense"], ["--no-color=yes"], ["a", "b", "c", "d"], ["--account"], ["--store", "\udcff\udcfe"], ["\udcff"]],
    ids=["unknown option", "a value for a flag", "too many", "no value", "no such store", "not text"],
)
def test_every_command_has_one_document_for_a_malformed_command_line(
    kojikey: Program, name: str, tail: list[str]
) -> None:
    tokens = [*name.split(), "--json", *tail] if name != "run" else ["run", "--json", *tail[:2], "--", "\udcff"]
    ended = kojikey(*tokens)
    if name == "run" and ended.code == 127:
        assert ended.document["exit_code"] == 127
        return
    assert ended.code in (2, 5), ended.said  # 5: where anything may follow and the key is looked for first
    assert_one_document(ended, name)


@pytest.mark.parametrize(
    ("tokens", "command"),
    [
        (["--json"], None),
        (["nonsense", "--json"], None),
        (["--nonsense", "--json"], None),
        (["store", "--json"], None),
        (["store", "nonsense", "--json"], None),
        (["add", "nonsense", "--json"], "add"),
        (["rotate", "--json"], "rotate"),
        (["list", "\udcff\udcfe", "--json"], "list"),
        (["list", "a\0b", "--json"], "list"),
        (["list", "", "--json"], "list"),
        (["help", "nonsense", "--json"], "help"),
        (["run", "--json"], "run"),
        (["test", "--fail-on", "nothing", "--json"], "test"),
        (["sandbox", "--port", "-1", "--json"], "sandbox"),
        (["sandbox", "--port", "99999", "--json"], "sandbox"),
        (["sandbox", "--port", "x", "--json"], "sandbox"),
        (["store", "rekey", "--json"], "store rekey"),
        (["store", "init", "--kek", "nonsense", "--json"], "store init"),
        (["audit", "--since", "yesterday", "--json"], "audit"),
    ],
    ids=str,
)
def test_a_mistake_is_a_document_with_a_hint(kojikey: Program, tokens: list[str], command: str | None) -> None:
    ended = kojikey(*tokens)
    assert ended.code == 2, ended.said
    assert assert_one_document(ended, command)["error"]["hint"]


def broken_config(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text('account = "acme"\nstroe = "team"\nkek = 3\n')


def unsafe(kojikey: Program) -> None:
    kojikey.added()
    (kojikey.home / "keys.db").chmod(0o644)


def corrupt(kojikey: Program) -> None:
    kojikey.added()
    (kojikey.home / "keys.db").write_bytes(b"this is no database, and it is long enough to be seen as none" * 40)


def home_is_a_file(kojikey: Program) -> None:
    kojikey.home.write_text("")


@pytest.mark.parametrize(
    ("broken", "code"),
    [(broken_config, 2), (unsafe, 7), (corrupt, 7), (home_is_a_file, 7)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize(
    "tokens", [["list"], ["test"], ["audit"], ["remove", "elevenlabs", "--yes"], ["history", "elevenlabs"]], ids=str
)
def test_a_broken_set_up_is_reported_as_a_document_and_not_changed(
    kojikey: Program, broken: Callable[[Program], None], code: int, tokens: list[str]
) -> None:
    broken(kojikey)
    before = kojikey.snapshot()
    ended = kojikey(*tokens, "--json")
    assert ended.code == code, ended.said
    assert_one_document(ended, tokens[0])
    assert kojikey.snapshot() == before


def test_messages_for_people_go_to_stderr_when_stdout_has_the_document(kojikey: Program) -> None:
    key = kojikey.key()
    ended = kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, "--json", stdin=f"  {key.key}\n")
    assert_one_document(ended, "add")
    assert "white space" in ended.err


def test_a_key_is_masked_in_ascii_in_the_message_of_an_error_too(kojikey: Program) -> None:
    key = kojikey.added()
    ended = kojikey("remove", "elevenlabs", "--revoke", "--json")
    assert (ended.code, ended.error["hint"]) == (2, "kojikey remove elevenlabs --revoke --yes")
    assert f"********{key.key[-4:]}" in ended.error["message"]
    assert "\u2022" not in ended.error["message"]


def test_json_after_the_dashes_belongs_to_the_started_program(kojikey: Program) -> None:
    ended = kojikey("run", "--require", "-p", "elevenlabs", "--", "true", "--json")
    assert (ended.code, ended.out) == (5, "")


def test_the_exit_codes_are_those_of_the_contract(kojikey: Program) -> None:
    rows = [(row["code"], row["name"]) for row in kojikey("help", "exit-codes", "--json").results]
    assert rows == [
        (0, "ok"), (1, "internal"), (2, "usage"), (3, "key_failed"), (4, "indeterminate"), (5, "not_found"),
        (6, "conflict"), (7, "store_unavailable"), (8, "cannot_open"), (130, "interrupted"),
    ]  # fmt: skip
    table = kojikey("help", "exit-codes").out
    assert "nobody reads the results any more while keys are left; a file that was to be written cannot be" in table
    assert all(f"{int(code)}" in table and code.label in table for code in MEANING)


def test_the_sandbox_has_one_document_with_a_key_for_every_reason(kojikey: Program) -> None:
    script = (
        "kojikey sandbox --json > $OUT & child=$!\n"
        'until [ -s "$OUT" ] && tail -c 3 "$OUT" | grep -q "^}"; do read -rt 0.05 <> <(:) || :; done\n'
        "kill -INT $(pgrep -P $child) $child 2>/dev/null; wait $child; cat $OUT"
    )
    out = kojikey.home.parent / "sandbox.json"
    ended = kojikey.shell(script, OUT=str(out))
    document = json.loads(ended.out)
    assert (document["schema"], document["command"], document["exit_code"]) == ("kojikey/1", "sandbox", 0)
    for row in document["results"]:
        assert_shape(row, {"provider": str, "reason": str, "outcome": str, "base_url": str, "key": str})
    reasons = {(row["provider"], row["reason"]) for row in document["results"]}
    assert {("google_gemini", "ok"), ("elevenlabs", "ok"), ("elevenlabs", "missing_permission")} <= reasons


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=errno.errorcode.get)
def test_a_lack_of_descriptors_or_memory_is_not_taken_for_lost_output(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing = mock.Mock(side_effect=OSError(number, os.strerror(number)))
    monkeypatch.setattr(wiring, "open_chosen_store", failing)
    ended = kojikey("list", "--json")
    assert (ended.code, ended.error["code"]) == (7, "store_unavailable")
    assert ended.error["message"] == f"the operating system refused: {os.strerror(number)}"
