"""``kojikey import`` tests each key as ``add`` does, at the host that belongs to it, and may be stopped meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from support.importing import GROQ, OPENAI, own_provider, run, told, value, write
from support.importing import folder as folder
from support.program import COMMAND, PATIENT, Program
from support.pseudo_terminal import end, on_a_terminal


@pytest.mark.parametrize(
    ("reason", "option", "code"),
    [("missing_permission", "--allow-limited", 3), ("redirected", "--allow-unverified", 4), ("invalid_key", "", 3)],
)
def test_a_key_is_saved_under_the_same_conditions_as_by_add(
    kojikey: Program, folder: Path, reason: str, option: str, code: int
) -> None:
    with own_provider(kojikey) as name:
        write(folder, f"{name}={kojikey.key('elevenlabs', reason).key}\n")
        ended = kojikey("import", "--json")
        assert (ended.code, ended.result["action"]) == (code, "refused")
        assert ended.result["test"]["reason"] == reason
        assert not (kojikey.home / "keys.db").exists()
        if option:
            allowed = kojikey("import", "--json", option)
            assert (allowed.code, allowed.result["action"]) == (0, "added")


def test_a_good_key_is_tested_and_added_beside_a_bad_one(kojikey: Program, folder: Path) -> None:
    with own_provider(kojikey) as name:
        write(folder, f"{name}={kojikey.key().key}\nXAI_API_KEY=Bearer xai-0123\n")
        ended = kojikey("import", "--json")
    assert (ended.code, [row["action"] for row in ended.results]) == (2, ["added", "refused"])
    assert ended.results[0]["test"]["outcome"] == "valid"


def test_a_limited_key_that_is_to_replace_another_stays_staged_and_its_line_stays(
    kojikey: Program, folder: Path
) -> None:
    kojikey.added("elevenlabs")
    key = kojikey.key("elevenlabs", "missing_permission").key
    file = write(folder, f"XI_API_KEY={key}\n")
    ended = kojikey("import", "--rotate", "--comment-out", "--json")
    assert (ended.code, ended.result["action"]) == (3, "staged")
    assert "--resume" in ended.result["hint"]
    assert file.read_text() == f"XI_API_KEY={key}\n"
    again = kojikey("import", "--rotate", "--allow-limited", "--comment-out", "--json")
    assert (again.code, again.result["action"]) == (0, "rotated")
    assert file.read_text() == "# XI_API_KEY: in kojikey\n"


def test_a_host_that_may_be_a_key_is_not_repeated(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=https://{OPENAI}.example.com/v1\n")
    ended = kojikey("import", "--json")
    assert (ended.code, ended.result["action"]) == (2, "refused")
    assert OPENAI.lower() not in ended.said.lower()


def test_the_hint_about_an_unfinished_rotation_names_the_store_and_the_account(kojikey: Program, folder: Path) -> None:
    named = ("--account", "acme", "--store", f"sqlite://{kojikey.home}/team.db")
    assert kojikey("store", "init", named[3], "--kek", "env").code == 0
    assert kojikey.add("elevenlabs", "ok", *named).code == 0
    limited = kojikey.key("elevenlabs", "missing_permission").key
    assert kojikey("rotate", "elevenlabs", "--stdin", *named, stdin=limited).code == 3
    write(folder, f"XI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\n")
    ended = kojikey("import", "--rotate", *named)
    assert ended.code == 6
    assert f"kojikey rotate elevenlabs {' '.join(named)} --resume" in ended.out


def test_on_a_terminal_a_question_about_a_limited_key_comes_after_all_tests(kojikey: Program, folder: Path) -> None:
    with own_provider(kojikey) as name:
        write(folder, f"{name}={kojikey.key('elevenlabs', 'missing_permission').key}\n")
        with on_a_terminal(kojikey, "import") as child:
            child.expect_exact("save the my_voice key anyway? [y/N] ")
            child.sendline("y")
            code, text = end(child)
    assert code == 0, text
    assert "still in clear: .env:1" in text
    assert kojikey.listed("my_voice")["source"] == "byok"


# base URLs


def test_a_base_url_applies_only_to_the_keys_of_its_file(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=https://eu.api.openai.com/v1\n")
    write(folder, f"GROQ_API_KEY={GROQ}\n", "groq.env")
    write(folder, "GROQ_BASE_URL=https://elsewhere.example.com\n", "elsewhere.env")
    assert run(kojikey, ".env", "groq.env", "elsewhere.env").code == 0
    assert kojikey.listed("openai")["base_url"] == "https://eu.api.openai.com"
    assert kojikey.listed("groq")["base_url"] == "https://api.groq.com"
    assert "OPENAI_BASE_URL=https://eu.api.openai.com/v1\n" in kojikey("export", "--reveal").out


@pytest.mark.parametrize(
    "url", ["https://gateway.example.com/v1", "http://api.openai.com", "${GATEWAY}", "https://api.openai.com.evil.org"]
)
def test_a_host_that_is_not_the_providers_is_refused_without_questions(
    kojikey: Program, folder: Path, url: str
) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL={url}\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (2, [(1, "OPENAI_API_KEY", "openai", "refused")])
    assert not kojikey.home.exists()


def test_a_host_that_is_not_the_providers_is_asked_about(kojikey: Program, folder: Path) -> None:
    key = kojikey.key("google_gemini")
    write(folder, f"GEMINI_API_KEY={key.key}\nGOOGLE_GEMINI_BASE_URL={key.base_url}\n")
    for answer, source in (("n", "built_in"), ("y", "byok")):
        with on_a_terminal(kojikey, "import") as child:
            child.expect("which is not a host of Google")
            child.expect_exact("[y/N] ")
            child.sendline(answer)
            end(child)
        assert kojikey.listed("google_gemini")["source"] == source
    assert kojikey.listed("google_gemini")["base_url"] == key.base_url


def test_ctrl_c_at_a_question_about_a_host_saves_nothing_and_names_each_key(kojikey: Program, folder: Path) -> None:
    key = kojikey.key("google_gemini")
    write(folder, f"GEMINI_API_KEY={key.key}\nGOOGLE_GEMINI_BASE_URL={key.base_url}\nGROQ_API_KEY={GROQ}\n")
    with on_a_terminal(kojikey, "import") as child:
        child.expect_exact("[y/N] ")
        child.sendintr()
        code, said = end(child)
    assert (code, said.count("kojikey stopped before it; nothing was sent or saved")) == (130, 2), said
    assert kojikey.listed("google_gemini")["source"] == "built_in"


def test_a_key_that_the_account_has_is_unchanged_whatever_its_base_url(kojikey: Program, folder: Path) -> None:
    kojikey.added("openai")
    kojikey.added("azure_openai")
    assert kojikey("export", "--reveal", "--output", ".env").code == 0
    for more in ((), ("--dry-run",)):
        ended = run(kojikey, *more)
        assert (ended.code, {row["action"] for row in ended.results}) == (0, {"unchanged"})


def test_a_key_that_replaces_another_is_used_at_the_base_url_of_that_one(kojikey: Program, folder: Path) -> None:
    old = kojikey.added("azure_openai")
    write(folder, f"AZURE_OPENAI_API_KEY={'0123456789abcdef' * 2}\n")
    assert (run(kojikey).code, run(kojikey, "--rotate", "--dry-run").results[0]["action"]) == (6, "rotated")
    assert told(run(kojikey, "--rotate")) == [(1, "AZURE_OPENAI_API_KEY", "azure_openai", "rotated")]
    assert kojikey.listed("azure_openai")["base_url"] == old.base_url


def test_azure_takes_its_own_hosts_and_needs_one(kojikey: Program, folder: Path) -> None:
    key = kojikey.key("azure_openai").key
    write(folder, f"AZURE_OPENAI_API_KEY={key}\n")
    assert run(kojikey).code == 2
    write(folder, f"AZURE_OPENAI_API_KEY={key}\nAZURE_OPENAI_ENDPOINT=https://mine.openai.azure.com/\n")
    assert told(run(kojikey)) == [(1, "AZURE_OPENAI_API_KEY", "azure_openai", "added")]
    assert kojikey.listed("azure_openai")["base_url"] == "https://mine.openai.azure.com"


# stopped in the middle


def test_an_import_that_is_killed_during_its_test_leaves_what_was_there(kojikey: Program, folder: Path) -> None:
    old, new = kojikey.added("elevenlabs"), kojikey.key("elevenlabs", "ok_2")
    write(folder, f"XI_API_KEY={new.key}\n")
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = started(kojikey, "import", "--rotate", "--comment-out", *PATIENT)
        kojikey.sandbox.wait_for_request()
        process.kill()
        process.communicate(timeout=60)
    assert value(kojikey, "elevenlabs") == old.key
    assert (folder / ".env").read_text() == f"XI_API_KEY={new.key}\n"
    again = kojikey("import", "--rotate", "--comment-out", "--json")
    assert (again.code, again.result["action"]) == (0, "rotated")
    assert (folder / ".env").read_text() == "# XI_API_KEY: in kojikey\n"
    assert value(kojikey, "elevenlabs") == new.key
    assert kojikey("audit", "--verify").code == 0


def test_ctrl_c_reports_staged_keys_and_does_not_change_the_file(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    write(folder, f"XI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\nXAI_API_KEY=Bearer x\n")
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = started(kojikey, "import", "--rotate", "--comment-out", "--json", *PATIENT)
        kojikey.sandbox.wait_for_request()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["exit_code"], document["error"]["code"]) == (130, 130, "interrupted")
    assert [row["action"] for row in document["results"]] == ["staged", "refused"]
    assert b"Traceback" not in err
    assert (folder / ".env").read_text().startswith("XI_API_KEY=")


def started(kojikey: Program, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kojikey.with_environ({})
    )
