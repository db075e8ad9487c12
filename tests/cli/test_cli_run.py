"""``kojikey run`` replaces itself by the program, sets the SDKs' variables, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import COMMAND, SECONDS, Program, pieces_in

SHOW = """import json, os, sys
json.dump({"argv": [os.fsencode(a).hex() for a in sys.argv[1:]], "env": dict(os.environ)}, sys.stdout)"""
SECRETS = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ELEVENLABS_API_KEY", "GOOGLE_GEMINI_BASE_URL")


def added_environment(kojikey: Program, *options: str, **environ: Any) -> dict[str, str]:
    """Return what the program finds in its environment beyond what kojikey was given."""
    ended = kojikey.installed("run", *options, "--", sys.executable, "-c", SHOW, **environ)
    assert ended.code == 0, ended.said
    found: dict[str, str] = json.loads(ended.out)["env"]
    before = kojikey.with_environ(environ)
    assert {name: found.get(name) for name in before} == before | {k: found[k] for k in before if k in SECRETS}
    return {name: value for name, value in found.items() if before.get(name) != value and name != "LC_CTYPE"}


def test_the_keys_are_under_the_names_that_the_sdks_read_and_nothing_else_is_added(kojikey: Program) -> None:
    gemini, eleven = kojikey.added("google_gemini"), kojikey.added("elevenlabs")
    assert added_environment(kojikey) == {
        "GEMINI_API_KEY": gemini.key,
        "GOOGLE_API_KEY": gemini.key,
        "GOOGLE_GEMINI_BASE_URL": gemini.base_url,
        "ELEVENLABS_API_KEY": eleven.key,
    }


def test_only_the_keys_of_named_providers_are_passed_on(kojikey: Program) -> None:
    kojikey.added("google_gemini")
    eleven = kojikey.added("elevenlabs")
    assert added_environment(kojikey, "--provider", "elevenlabs") == {"ELEVENLABS_API_KEY": eleven.key}
    assert added_environment(kojikey, "-p", "elevenlabs") == {"ELEVENLABS_API_KEY": eleven.key}


def test_a_key_is_passed_on_under_a_chosen_name(kojikey: Program) -> None:
    kojikey.added("google_gemini")
    eleven = kojikey.added("elevenlabs")
    assert added_environment(kojikey, "--env", "VOICE=elevenlabs") == {"VOICE": eleven.key}
    found = added_environment(kojikey, "--env", "VOICE=elevenlabs", "-p", "elevenlabs")
    assert found == {"VOICE": eleven.key, "ELEVENLABS_API_KEY": eleven.key}
    about = kojikey("run", "--help").out
    assert "without --provider, set no others" in " ".join(about.split())


def test_the_environment_is_passed_on_except_the_identities_that_open_the_store(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    nested = [sys.executable, "-m", "kojikey", "get", "elevenlabs", "--reveal"]
    assert kojikey.installed("run", "-q", "--", *nested).code == 0
    assert kojikey.installed("run", "-q", "--", "env", "-u", "KOJIKEY_KEK", *nested).code == 8


@pytest.mark.parametrize(
    ("value", "is_noted"),
    [
        ("https://gateway.example.com/openai?token=t0p", True),
        ("https://api.openai.com.example.com/v1", True),
        ("https://api.openai.com/v1/", False),
        ("https://api.openai.com", False),
        ("", False),
    ],
)
def test_a_variable_that_leads_a_key_to_another_place_is_noted(kojikey: Program, value: str, is_noted: bool) -> None:
    kojikey("add", "openai", "--stdin", "--no-test", stdin=kojikey.key("openai").key)
    for quiet in ((), ("-q",)):
        ended = kojikey.installed("run", *quiet, "--", "printenv", "OPENAI_BASE_URL", OPENAI_BASE_URL=value)
        assert ended.out.strip() == value, ended.said
        assert ("OPENAI_BASE_URL is set, so the program may send the openai key there" in ended.err) is (
            is_noted and not quiet
        )
        assert "gateway" not in ended.err


def test_a_key_with_a_base_url_of_its_own_replaces_the_variable_without_a_note(kojikey: Program) -> None:
    gemini = kojikey.added("google_gemini")
    ended = kojikey.installed(
        "run", "--", "printenv", "GOOGLE_GEMINI_BASE_URL", GOOGLE_GEMINI_BASE_URL="https://gateway.example.com"
    )
    assert (ended.out.strip(), ended.err) == (gemini.base_url, "")


def test_the_default_base_url_is_not_put_into_the_environment(kojikey: Program) -> None:
    key = kojikey.key("google_gemini")
    kojikey("add", "google_gemini", "--stdin", "--no-test", stdin=key.key)
    assert added_environment(kojikey, "-q") == {"GEMINI_API_KEY": key.key, "GOOGLE_API_KEY": key.key}


def test_a_named_provider_without_a_key_is_mentioned_and_its_variables_are_not_changed(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    script = ("--", "sh", "-c", 'printf %s "$GEMINI_API_KEY"')
    named = ("run", "-p", "google_gemini", "-p", "elevenlabs")
    ended = kojikey.installed(*named, *script, GEMINI_API_KEY="mine")
    assert (ended.code, ended.out) == (0, "mine")
    assert ended.err == "kojikey: no google_gemini key for account default; its variables were not changed\n"
    quiet = kojikey.installed(*named, "--quiet", *script, GEMINI_API_KEY="mine")
    assert (quiet.out, quiet.err) == ("mine", "")


def test_a_provider_that_is_not_named_and_has_no_key_is_not_mentioned(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey.installed("run", "--", "true")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("options", [["--require"], ["--require", "-p", "google_gemini"]], ids=" ".join)
def test_require_makes_a_missing_key_an_error_and_starts_nothing(kojikey: Program, options: list[str]) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey.installed("run", *options, "--", "echo", "started")
    assert (ended.code, ended.out) == (5, "")
    assert "kojikey add google_gemini" in ended.err


@pytest.mark.parametrize(
    "options",
    [
        ["-p", "nonsense"],
        ["--env", "X=nonsense"],
        ["--env", "nonsense"],
        ["--env", "1X=elevenlabs"],
        ["--env", "=elevenlabs"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_mistake_starts_nothing(kojikey: Program, options: list[str]) -> None:
    ended = kojikey.installed("run", *options, "--", "echo", "started")
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 255])
def test_the_exit_status_is_that_of_the_program(kojikey: Program, code: int) -> None:
    assert kojikey.installed("run", "-q", "--", "sh", "-c", f"exit {code}").code == code


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT", "SIGSEGV"])
def test_a_program_that_a_signal_kills_ends_kojikey_by_the_same_signal(kojikey: Program, name: str) -> None:
    ended = kojikey.installed("run", "-q", "--", "sh", "-c", f"kill -s {name[3:]} $$")
    assert ended.code == -getattr(signal, name)


def test_not_found_is_127_and_not_executable_126(kojikey: Program, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    assert kojikey.installed("run", "-q", "--", "there-is-no-such-program").code == 127
    assert kojikey.installed("run", "-q", "--", str(tmp_path / "none")).code == 127
    for path in (plain, tmp_path):
        ended = kojikey.installed("run", "-q", "--", str(path))
        assert (ended.code, "could not be started" in ended.err) == (126, True)
    ended = kojikey.installed("run", "-q", "--json", "--", str(plain))
    assert (ended.document["exit_code"], ended.error["code"]) == (126, "not_executable")
    script = tmp_path / "script"
    script.write_text("#!/there/is/no/interpreter\n")
    script.chmod(0o700)
    ended = kojikey.installed("run", "-q", "--", str(script))
    assert (ended.code, "interpreter that its first line names was not found" in ended.err) == (126, True)
    script.write_text("exit 0\n")
    for mask in ([], ["--mask"]):
        ended = kojikey.installed("run", "-q", *mask, "--", str(script))
        assert (ended.code, "a script needs a first line, for example #!/bin/sh" in ended.err) == (126, True)
    for name in ("there-is-no-such-program", ""):
        ended = kojikey.installed("run", "-q", "--json", "--", name)
        assert (ended.document["exit_code"], ended.error["code"]) == (127, "not_found")
        assert ended.err == f"kojikey: {name or 'the program'} was not found\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--", "-x", "--account", "acme", "--help"],
        ["a b", "", "*", "$HOME", "'", '"', "\\", "a\nb"],
        ["--json", "-q", "--version", "run", "--", "--"],
        [b"\xff\xfe not text", "é"],
        ["sk_" + "0123456789abcdef" * 3],
    ],
    ids=["options", "quoting", "dashes", "bytes", "a key"],
)
@pytest.mark.parametrize("dashes", [["--"], []], ids=["dashes", "no dashes"])
def test_the_arguments_arrive_as_they_were_given(
    kojikey: Program, arguments: list[str | bytes], dashes: list[str]
) -> None:
    ended = kojikey.installed("run", "-q", *dashes, sys.executable, "-c", SHOW, *arguments)
    assert [bytes.fromhex(text) for text in json.loads(ended.out)["argv"]] == [os.fsencode(a) for a in arguments]


def test_variables_that_are_not_text_arrive_as_they_were(kojikey: Program) -> None:
    environ = {**os.environb, **{k.encode(): os.fsencode(v) for k, v in kojikey.environ.items()}, b"ODD": b"\xff\xfe"}
    command = [*COMMAND, "run", "-q", "--", "sh", "-c", 'printf %s "$ODD"']
    finished = subprocess.run(command, env=environ, capture_output=True, timeout=SECONDS, check=False)
    assert (finished.returncode, finished.stdout) == (0, b"\xff\xfe")


def test_the_program_has_the_signals_and_files_that_a_shell_would_give_it(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    script = "grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l"
    direct = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    ended = kojikey.shell(f"kojikey run -q -- sh -c {json.dumps(script)}")
    assert ended.out == direct.stdout


def test_a_pipe_that_closes_ends_the_program_quietly(kojikey: Program) -> None:
    ended = kojikey.shell('kojikey run -q -- yes | head -1; echo "${PIPESTATUS[0]}"')
    assert ended.out == "y\n141\n"


def test_nothing_is_written_to_disk(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    before = kojikey.snapshot()
    folder = kojikey.home.stat().st_mtime_ns
    assert kojikey.installed("run", "-q", "--", "true").code == 0
    assert kojikey.snapshot() == before
    assert kojikey.home.stat().st_mtime_ns == folder


def test_nothing_is_created_without_a_store(kojikey: Program) -> None:
    assert kojikey.installed("run", "-q", "--", "true").code == 0
    assert not kojikey.home.exists()


def test_an_account_whose_keys_are_disabled_uses_the_built_in_allocation(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    kojikey("account", "disable", "default")
    assert added_environment(kojikey, "-q") == {}
    assert kojikey.installed("run", "--require", "-p", "elevenlabs", "--", "true").code == 5


def test_a_kek_that_is_missing_or_wrong_starts_nothing(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    other = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
    for kek in (None, other, "nonsense"):
        ended = kojikey.installed("run", "-q", "--", "echo", "started", KOJIKEY_KEK=kek)
        assert (ended.code, ended.out) == (8, "")


def test_without_a_program_the_usage_is_suggested(kojikey: Program) -> None:
    for tokens in (["run"], ["run", "--"], ["run", "-p", "elevenlabs"]):
        ended = kojikey(*tokens)
        assert (ended.code, "kojikey run -- CMD" in ended.err) == (2, True)


def test_a_key_among_its_own_options_is_refused(kojikey: Program) -> None:
    key = "sk_" + "0123456789abcdef" * 3
    for options in (["-a", key], ["-p", key], ["--env", f"X={key}"], ["-s", key], [f"--account={key}"], [f"-q{key}"]):
        ended = kojikey("run", *options, "--", "true")
        assert (ended.code, "revoke" in ended.err, key[:8] in ended.said) == (2, True, False)


@pytest.mark.parametrize("dashes", [[], ["--"]], ids=["no dashes", "dashes"])
def test_for_a_key_instead_of_a_program_the_hint_is_to_revoke_it(kojikey: Program, dashes: list[str]) -> None:
    key = "sk_" + "0123456789abcdef" * 3
    ended = kojikey("run", "-q", "--json", *dashes, key)
    assert (ended.code, "was not found" in ended.err, "shell's history" in ended.err) == (127, True, True)
    assert "revoke" in ended.error["hint"]
    assert pieces_in(key, ended.said) == []


def test_a_program_that_is_not_started_leaves_signals_as_they_were(kojikey: Program) -> None:
    before = signal.getsignal(signal.SIGPIPE)
    assert kojikey("run", "--", "no-such-program").code == 127
    assert signal.getsignal(signal.SIGPIPE) is before
    assert before is signal.SIG_IGN


def test_a_dry_run_says_which_names_would_be_set_and_starts_nothing(kojikey: Program, tmp_path: Path) -> None:
    gemini, eleven = kojikey.added("google_gemini"), kojikey.added("elevenlabs")
    marker = tmp_path / "started"
    words = ("run", "--dry-run", "--env", "VOICE=elevenlabs", "-p", "google_gemini")
    ended = kojikey(*words, "--json", "--", "touch", str(marker), KOJIKEY_KEK=None)
    assert ended.code == 0
    assert [(row["name"], row["provider"], row["masked"], row["base_url"]) for row in ended.results] == [
        ("GEMINI_API_KEY", "google_gemini", f"********{gemini.key[-4:]}", None),
        ("GOOGLE_API_KEY", "google_gemini", f"********{gemini.key[-4:]}", None),
        ("GOOGLE_GEMINI_BASE_URL", "google_gemini", f"********{gemini.key[-4:]}", gemini.base_url),
        ("VOICE", "elevenlabs", f"********{eleven.key[-4:]}", None),
    ]
    assert not marker.exists()
    assert kojikey(*words).out.splitlines() == [
        f"GEMINI_API_KEY  google_gemini  ••••••••{gemini.key[-4:]}",
        f"GOOGLE_API_KEY  google_gemini  ••••••••{gemini.key[-4:]}",
        f"GOOGLE_GEMINI_BASE_URL  google_gemini  {gemini.base_url}",
        f"VOICE  elevenlabs  ••••••••{eleven.key[-4:]}",
    ]


def test_a_dry_run_has_the_exit_code_of_a_missing_key_and_sets_nothing_for_a_disabled_account(
    kojikey: Program,
) -> None:
    kojikey.added("elevenlabs")
    assert kojikey("run", "--dry-run", "-p", "google_gemini", "--require").code == 5
    kojikey("account", "disable", "default")
    ended = kojikey("run", "--dry-run", "-p", "elevenlabs")
    assert (ended.code, ended.out) == (0, "")
    assert "disabled" in ended.err
