"""``kojikey import``: keys that lie about in clear are found, tested and saved; everything else is left alone."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kojikey.providers.index import FOLDER
from support.program import COMMAND, Ended, Program
from support.pseudo_terminal import end, on_a_terminal
from support.saving import actions

OPENAI = "sk-proj-0f9e8d7c6b5a49382716a5b4c3d2e1f0A1B2"
OTHER_OPENAI = "sk-proj-1a2b3c4d5e6f708192a3b4c5d6e7f809C3D4"
GROQ = "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"
OPENROUTER = "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"
PASSWORD = "hunter2 is 'mine' #€"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the program is in."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, content: str | bytes, name: str = ".env") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def run(kojikey: Program, *arguments: str, stdin: str = "", **environ: str) -> Ended:
    """Import without tests, and return how that ended."""
    return kojikey("import", *arguments, "--no-test", "--json", stdin=stdin, **environ)


def told(ended: Ended) -> list[tuple[Any, ...]]:
    return [(row["line"], row["name"], row["provider"], row["action"]) for row in ended.results]


def value(kojikey: Program, provider: str = "openai", *more: str) -> str:
    return kojikey("get", provider, "--reveal", *more).out


@contextmanager
def own_provider(kojikey: Program) -> Iterator[str]:
    """Yield the variable of a provider of the user's own, whose host is the sandbox."""
    text = Path(FOLDER, "elevenlabs.toml").read_text()
    text = text.replace('id = "elevenlabs"', 'id = "my_voice"').replace('["ELEVENLABS_API_KEY"]', '["MY_VOICE_KEY"]')
    text = text.replace("https://api.elevenlabs.io", kojikey.sandbox.base_url("elevenlabs"))
    text = "\n".join(line for line in text.splitlines() if not line.startswith("aliases"))
    place = kojikey.home / "providers"
    place.mkdir(parents=True, mode=0o700)
    (place / "my_voice.toml").write_text(text)
    (place / "my_voice.toml").chmod(0o600)
    yield "MY_VOICE_KEY"


# what is found


def test_keys_are_taken_from_the_default_files_and_nothing_else_is_shown(kojikey: Program, folder: Path) -> None:
    write(folder, f"\nDB_PASSWORD={PASSWORD}\nexport OPENAI_API_KEY='{OPENAI}'  # main\n")
    write(folder, f"GROQ_API_KEY={GROQ}\n", ".env.local")
    ended = run(kojikey)
    assert ended.code == 0
    assert told(ended) == [(3, "OPENAI_API_KEY", "openai", "added"), (1, "GROQ_API_KEY", "groq", "added")]
    assert [row["file"] for row in ended.results] == [".env", ".env.local"]
    assert (value(kojikey), value(kojikey, "groq")) == (OPENAI, GROQ)
    assert ended.document["in_clear"] == [
        {"file": ".env", "line": 3, "name": "OPENAI_API_KEY"},
        {"file": ".env.local", "line": 1, "name": "GROQ_API_KEY"},
    ]
    for secret in (OPENAI, GROQ, "hunter2", "DB_PASSWORD"):
        assert secret not in ended.said


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("GOOGLE_GENERATIVE_AI_API_KEY", "google_gemini"), ("XI_API_KEY", "elevenlabs"),
        ("HUGGING_FACE_HUB_TOKEN", "huggingface"), ("CO_API_KEY", "cohere"), ("PPLX_API_KEY", "perplexity"),
    ],
)  # fmt: skip
def test_names_of_other_programs_are_known(kojikey: Program, folder: Path, name: str, provider: str) -> None:
    key = kojikey.key(provider)
    write(folder, f"{name}={key.key}\n")
    assert told(run(kojikey)) == [(1, name, provider, "added")]


def test_the_keys_of_llm_are_read(kojikey: Program, folder: Path) -> None:
    names = {"// Note": "secret", "openai": OPENAI, "gemini": kojikey.key("google_gemini").key, "unknown": "x"}
    write(folder, json.dumps(names, indent=2), "keys.json")
    ended = run(kojikey, "keys.json")
    assert told(ended) == [(3, "openai", "openai", "added"), (4, "gemini", "google_gemini", "added")]


def test_a_json_object_may_have_groups(kojikey: Program, folder: Path) -> None:
    content = {"ai": {"OPENAI_API_KEY": OPENAI}, "GROQ_API_KEY": {"computed": GROQ, "note": ""}}
    write(folder, json.dumps(content), "secrets.json")
    ended = run(kojikey, "secrets.json")
    assert [(row["group"], row["provider"], row["action"]) for row in ended.results] == [
        ("ai", "openai", "added"), ("GROQ_API_KEY", "groq", "added"),
    ]  # fmt: skip


def test_two_groups_with_two_values_are_two_values(kojikey: Program, folder: Path) -> None:
    content = {"dev": {"OPENAI_API_KEY": OPENAI}, "prod": {"OPENAI_API_KEY": OTHER_OPENAI}}
    write(folder, json.dumps(content), "secrets.json")
    assert run(kojikey, "secrets.json").code == 2
    assert kojikey.listed("openai")["source"] == "none"


def test_standard_input_and_the_environment_are_sources(kojikey: Program, folder: Path) -> None:
    ended = run(kojikey, "-", "--env", stdin=f"OPENAI_API_KEY={OPENAI}", GROQ_API_KEY=GROQ)
    assert [(row["file"], row["line"], row["provider"]) for row in ended.results] == [
        ("-", 1, "openai"), (None, None, "groq"),
    ]  # fmt: skip
    assert (ended.code, ended.document["in_clear"]) == (0, [])


def test_a_key_of_distinctive_shape_under_another_name_is_listed_with_the_map_that_takes_it(
    kojikey: Program, folder: Path
) -> None:
    write(folder, f"MY_KEY={OPENROUTER}\nMD5=d41d8cd98f00b204e9800998ecf8427e\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "MY_KEY", "openrouter", "skipped")])
    assert ended.result["hint"] == "kojikey import --map MY_KEY=openrouter"
    taken = run(kojikey, "--map", "MY_KEY=openrouter")
    assert (taken.code, told(taken)) == (0, [(1, "MY_KEY", "openrouter", "added")])


def test_one_command_takes_all_keys_under_other_names_whatever_else_is_to_be_done(
    kojikey: Program, folder: Path
) -> None:
    write(folder, f"MY_KEY={OPENROUTER}\nOTHER={GROQ}\nOPENAI_API_KEY={OPENAI}\n")
    next_steps = [line for line in kojikey("import", "--no-test").out.splitlines() if line.startswith("next: ")]
    assert next_steps == [
        "next: kojikey import --comment-out",
        "next: kojikey import --map MY_KEY=openrouter --map OTHER=groq",
    ]


@pytest.mark.parametrize("pair", ["MY_KEY", "=openai", "MY_KEY=", "MY_KEY=nobody"])
def test_a_map_that_makes_no_sense_is_refused_before_anything(kojikey: Program, folder: Path, pair: str) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    assert run(kojikey, "--map", pair).code == 2
    assert not kojikey.home.exists()


# which value counts


def test_two_names_with_one_value_are_one_key(kojikey: Program, folder: Path) -> None:
    key = kojikey.key("google_gemini").key
    write(folder, f"GEMINI_API_KEY={key}\nGOOGLE_API_KEY='{key}'\n")
    ended = run(kojikey)
    assert told(ended) == [(1, "GEMINI_API_KEY", "google_gemini", "added")]
    assert ended.result["also"] == [{"file": ".env", "line": 2, "name": "GOOGLE_API_KEY"}]
    assert len(ended.document["in_clear"]) == 2


def test_two_names_with_two_values_take_nothing_of_that_provider(kojikey: Program, folder: Path) -> None:
    one, two = kojikey.key("google_gemini").key, kojikey.key("google_gemini", "ok_2").key
    write(folder, f"GEMINI_API_KEY={one}\nGOOGLE_API_KEY={two}\nOPENAI_API_KEY={OPENAI}\n")
    ended = run(kojikey)
    assert (ended.code, [row["action"] for row in ended.results]) == (2, ["refused", "refused", "added"])
    assert kojikey.listed("google_gemini")["source"] == "built_in"


def test_the_last_value_of_a_name_wins_and_the_others_are_named_as_still_in_clear(
    kojikey: Program, folder: Path
) -> None:
    write(folder, f"OPENAI_API_KEY={OTHER_OPENAI}\n")
    write(folder, f"OPENAI_API_KEY={OTHER_OPENAI}x\nOPENAI_API_KEY={OPENAI}\n", ".env.local")
    ended = run(kojikey, ".env", ".env.local", "--comment-out")
    assert [row["action"] for row in ended.results] == ["skipped", "skipped", "added"]
    assert value(kojikey) == OPENAI
    assert [(one["file"], one["line"]) for one in ended.document["in_clear"]] == [(".env", 1), (".env.local", 1)]
    assert (folder / ".env").read_text() == f"OPENAI_API_KEY={OTHER_OPENAI}\n"
    assert (folder / ".env.local").read_text() == f"OPENAI_API_KEY={OTHER_OPENAI}x\n# OPENAI_API_KEY: in kojikey\n"


def test_the_environment_wins_over_files(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OTHER_OPENAI}\n")
    run(kojikey, ".env", "--env", OPENAI_API_KEY=OPENAI)
    assert value(kojikey) == OPENAI


@pytest.mark.parametrize("nothing", ["", "${OTHER}", "op://vault/item/field", "your-key-here", "sk-..."])
def test_what_stands_in_place_of_a_key_is_skipped(kojikey: Program, folder: Path, nothing: str) -> None:
    write(folder, f"OPENAI_API_KEY={nothing}\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "OPENAI_API_KEY", "openai", "skipped")])
    assert (ended.result["masked"], ended.document["in_clear"]) == (None, [])
    assert not kojikey.home.exists()


# what is there already


def test_the_key_that_is_there_is_unchanged_another_one_exists_unless_rotate(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    run(kojikey)
    assert told(run(kojikey))[0][3] == "unchanged"
    write(folder, f"OPENAI_API_KEY={OTHER_OPENAI}\n")
    exists = run(kojikey)
    assert (exists.code, exists.result["action"], "--rotate" in exists.result["hint"]) == (6, "exists", True)
    assert value(kojikey) == OPENAI
    rotated = run(kojikey, "--rotate")
    assert (rotated.code, rotated.result["action"], rotated.result["version"]) == (0, "rotated", 2)
    assert value(kojikey) == OTHER_OPENAI
    assert actions(kojikey)[:4] == ["added", "revealed", "staged", "promoted"]


def test_dry_run_asks_nobody_and_changes_nothing(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    file = write(folder, f"OPENAI_API_KEY={OPENAI}\nXI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\n")
    before, requests = kojikey.snapshot(), len(kojikey.sandbox.requests)
    ended = kojikey("import", "--dry-run", "--comment-out", "--json")
    assert (ended.code, [row["action"] for row in ended.results]) == (0, ["added", "exists"])
    assert kojikey("import", "--dry-run", "--json", KOJIKEY_KEK=None).code == 0
    assert (kojikey.snapshot(), len(kojikey.sandbox.requests)) == (before, requests)
    assert OPENAI in file.read_text()


# tests


@pytest.mark.parametrize(
    ("reason", "option", "code"),
    [("missing_permission", "--allow-limited", 3), ("redirected", "--allow-unverified", 4), ("invalid_key", "", 3)],
)
def test_a_key_is_saved_as_add_would(kojikey: Program, folder: Path, reason: str, option: str, code: int) -> None:
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


def test_on_a_terminal_it_is_asked_about_a_limited_key_after_all_tests(kojikey: Program, folder: Path) -> None:
    with own_provider(kojikey) as name:
        write(folder, f"{name}={kojikey.key('elevenlabs', 'missing_permission').key}\n")
        with on_a_terminal(kojikey, "import") as child:
            child.expect_exact("save the my_voice key all the same? [y/N] ")
            child.sendline("y")
            code, text = end(child)
    assert code == 0, text
    assert "still in clear: .env:1" in text
    assert kojikey.listed("my_voice")["source"] == "byok"


# base URLs


def test_a_base_url_of_the_providers_own_counts_for_the_keys_of_its_file_alone(kojikey: Program, folder: Path) -> None:
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
def test_a_host_that_is_not_the_providers_is_refused_where_nobody_is_asked(
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


def test_azure_takes_its_own_hosts_and_needs_one(kojikey: Program, folder: Path) -> None:
    key = kojikey.key("azure_openai").key
    write(folder, f"AZURE_OPENAI_API_KEY={key}\n")
    assert run(kojikey).code == 2
    write(folder, f"AZURE_OPENAI_API_KEY={key}\nAZURE_OPENAI_ENDPOINT=https://mine.openai.azure.com/\n")
    assert told(run(kojikey)) == [(1, "AZURE_OPENAI_API_KEY", "azure_openai", "added")]
    assert kojikey.listed("azure_openai")["base_url"] == "https://mine.openai.azure.com"


# exit codes


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 5), (["missing.env"], 2), (["--dry-run"], 0), (["missing.env", "--dry-run"], 0)]
)
def test_nothing_to_read(kojikey: Program, folder: Path, arguments: list[str], code: int) -> None:
    ended = run(kojikey, *arguments)
    assert (ended.code, ended.document["exit_code"]) == (code, code)
    assert code in (0,) or ended.error["message"]


def test_a_virtual_environment_named_env_is_no_default_file(kojikey: Program, folder: Path) -> None:
    (folder / ".env").mkdir()
    assert run(kojikey).code == 5
    assert run(kojikey, ".env").code == 2


def test_a_missing_file_holds_up_no_other(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = run(kojikey, "missing.env", ".env")
    assert (ended.code, told(ended)) == (2, [(1, "OPENAI_API_KEY", "openai", "added")])
    assert ended.document["unread"] == [{"file": "missing.env", "reason": "there is no such file"}]


def test_a_rejected_key_comes_before_what_is_malformed_and_that_before_a_conflict(
    kojikey: Program, folder: Path
) -> None:
    kojikey.added("elevenlabs")
    conflict = f"XI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\n"
    write(folder, conflict)
    assert run(kojikey).code == 6
    write(folder, conflict + "XAI_API_KEY=Bearer x\n")
    assert run(kojikey).code == 2
    with own_provider(kojikey) as name:
        write(folder, conflict + f"XAI_API_KEY=Bearer x\n{name}={kojikey.key('elevenlabs', 'invalid_key').key}\n")
        assert kojikey("import", "--json").code == 3


def test_a_wrong_kek_is_reported_and_nothing_is_taken(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    file = write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = run(kojikey, "--comment-out", KOJIKEY_KEK="A" * 43)
    assert ended.code == 8
    assert OPENAI in file.read_text()


# what a person sees


def test_a_table_and_one_next_step(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "--no-test")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["WHERE", "NAME", "PROVIDER", "KEY", "RESULT"]
    assert lines[1].split() == [".env:1", "OPENAI_API_KEY", "openai", "••••••••A1B2", "added"]
    assert lines[2:] == ["account default is new", "still in clear: .env:1", "next: kojikey import --comment-out"]
    done = kojikey("import", "--comment-out", "--account", "default").out.splitlines()
    assert done[1].endswith("unchanged, taken out of the file")
    assert done[2:] == ["next: kojikey run -- CMD"]


def test_the_next_step_names_the_account(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n", "my keys.env")
    ended = kojikey("import", "my keys.env", "--no-test", "--account", "acme")
    assert ended.out.splitlines()[-1] == "next: kojikey import 'my keys.env' --account acme --comment-out"


def test_comment_out_is_not_suggested_for_lines_that_it_leaves(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI[:-1]}\nOPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "--no-test", "--comment-out")
    assert ended.out.splitlines()[-2:] == ["still in clear: .env:1", "next: kojikey run -- CMD"]


def test_where_nothing_was_read_no_program_is_suggested(kojikey: Program, folder: Path) -> None:
    ended = kojikey("import", "nowhere.env")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "kojikey: nowhere.env was not read: there is no such file\n"


# hostile input


def test_hostile_names_and_values_reach_no_terminal(kojikey: Program, folder: Path) -> None:
    content = (
        f"\x1b[31mRED\x07={OPENROUTER}\n::error::x={OPENROUTER}\n{OPENAI}={OPENROUTER}\n"
        f"OPENAI_API_KEY=\"{OPENAI}\x1b]0;x\x07\"\nGROQ_API_KEY='a\n::error::b'\n"
    )
    write(folder, content, "e\x1b[31m.env")
    for more in ([], ["--json"]):
        ended = kojikey("import", "e\x1b[31m.env", "--no-test", *more, GITHUB_ACTIONS="true")
        assert ended.code == 2
        for line in ended.said.split("\n"):
            assert line.isprintable(), line
            assert not line.lstrip().startswith("::"), line
        assert OPENAI not in ended.said
        assert OPENROUTER not in ended.said


def test_a_key_in_place_of_a_file_is_not_repeated(kojikey: Program, folder: Path) -> None:
    ended = run(kojikey, OPENAI)
    assert (ended.code, OPENAI in ended.said) == (2, False)


# --comment-out


def test_comment_out_keeps_every_other_byte_the_mode_and_the_owner(kojikey: Program, folder: Path) -> None:
    entries = [f"NAME_{number}={PASSWORD}" for number in range(500)]
    entries[250:250] = [f'  export OPENAI_API_KEY="{OPENAI}" # main', f"GROQ_API_KEY={GROQ}", f"KEEP='{OPENROUTER}'"]
    before = "\ufeff" + "\r\n".join(entries)
    file = write(folder, before)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12346)  # nobody else can give a file away
    file.chmod(0o640)
    owner = (file.stat().st_uid, file.stat().st_gid)
    ended = run(kojikey, "--comment-out")
    assert [row["action"] for row in ended.results] == ["added", "added", "skipped"]
    assert [row["commented_out"] for row in ended.results] == [True, True, False]
    entries[250:252] = ["# OPENAI_API_KEY: in kojikey", "# GROQ_API_KEY: in kojikey"]
    assert file.read_bytes() == ("\ufeff" + "\r\n".join(entries)).encode()
    assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (*owner, 0o640)
    assert [path.name for path in folder.iterdir()] == [".env"]
    assert [(one["line"], one["name"]) for one in ended.document["in_clear"]] == [(253, "KEEP")]
    assert run(kojikey, "--comment-out").code == 5


def test_a_statement_of_several_lines_becomes_one(kojikey: Program, folder: Path) -> None:
    file = write(folder, f'A=1\nOPENAI_API_KEY="\n{OPENAI}\n"\n\nB=2')
    assert run(kojikey, "--comment-out").code == 0
    assert file.read_text() == "A=1\n# OPENAI_API_KEY: in kojikey\n\nB=2"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_the_encoding_of_a_windows_shell_is_kept(kojikey: Program, folder: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    file = write(folder, f"{mark}P={PASSWORD}\r\nOPENAI_API_KEY={OPENAI}\r\n".encode(encoding))
    assert run(kojikey, "--comment-out").code == 0
    assert file.read_bytes() == f"{mark}P={PASSWORD}\r\n# OPENAI_API_KEY: in kojikey\r\n".encode(encoding)


def test_the_target_of_a_link_is_rewritten(kojikey: Program, folder: Path) -> None:
    target = write(folder, f"OPENAI_API_KEY={OPENAI}\n", "target")
    (folder / ".env").symlink_to(target)
    assert run(kojikey, "--comment-out").code == 0
    assert (target.read_text(), (folder / ".env").is_symlink()) == ("# OPENAI_API_KEY: in kojikey\n", True)


@pytest.mark.parametrize(
    ("arguments", "content"),
    [(["-"], ""), (["keys.json"], "{}"), (["like.env"], '{"openai": "x"}'), (["--env"], ""), ([".env", "-"], "")],
    ids=str,
)
def test_comment_out_needs_lines_before_anything_happens(
    kojikey: Program, folder: Path, arguments: list[str], content: str
) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    for name in arguments:
        if name.endswith((".json", "like.env")):
            write(folder, content, name)
    ended = run(kojikey, *arguments, "--comment-out", OPENAI_API_KEY=OPENAI)
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert not kojikey.home.exists()


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(
    kojikey: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kojikey.operations import importing

    file = write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    import_all = importing.import_all

    async def and_edit(*arguments: Any) -> None:
        await import_all(*arguments)
        file.write_text(f"# new\nOPENAI_API_KEY={OPENAI}\n")

    monkeypatch.setattr(importing, "import_all", and_edit)
    ended = run(kojikey, "--comment-out")
    assert (ended.code, ended.result["action"]) == (7, "added")
    assert ".env" in ended.error["message"]
    assert file.read_text() == f"# new\nOPENAI_API_KEY={OPENAI}\n"


@pytest.mark.parametrize("step", ["open", "fsync", "replace", "fchmod"])
def test_a_failure_at_each_step_of_the_rewriting_loses_nothing(
    kojikey: Program, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = write(folder, f"P={PASSWORD}\nOPENAI_API_KEY={OPENAI}\n")
    before = file.read_bytes()
    assert run(kojikey).code == 0
    original = getattr(os, step)

    def fails(*arguments: Any, **more: Any) -> Any:
        if step != "open" or str(arguments[0]).endswith(".part"):
            raise OSError(28, "No space left on device")
        return original(*arguments, **more)

    with monkeypatch.context() as failing:
        failing.setattr(f"kojikey.model.atomic_file.os.{step}", fails)
        ended = run(kojikey, "--comment-out")
    assert (ended.code, ended.result["action"]) == (7, "unchanged")
    assert ".env was not changed" in ended.error["message"]
    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [".env"]


KILLED = """
import os, signal, sys
step, is_after = sys.argv[1], sys.argv[2] == "after"
original = getattr(os, step)
def dies(*arguments, **more):
    is_ours = step != "open" or str(arguments[0]).endswith(".part")
    if is_ours and not is_after:
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*arguments, **more)
    if is_ours:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
from kojikey.cli.commands.import_keys import comments
rewrite = comments._rewrite
def rewriting(*arguments):
    setattr(os, step, dies)
    rewrite(*arguments)
comments._rewrite = rewriting
sys.argv[1:] = ["import", "--no-test", "--comment-out"]
from kojikey.__main__ import main
main()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "replace"])
def test_a_kill_at_each_step_of_the_rewriting_loses_nothing(
    kojikey: Program, folder: Path, step: str, moment: str
) -> None:
    before = f"P={PASSWORD}\nOPENAI_API_KEY={OPENAI}\n"
    file = write(folder, before)
    command = [sys.executable, "-c", KILLED, step, moment]
    done = subprocess.run(command, env=kojikey.with_environ({}), capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert file.read_text() in (before, f"P={PASSWORD}\n# OPENAI_API_KEY: in kojikey\n")
    assert value(kojikey) == OPENAI
    assert run(kojikey, "--comment-out").code in (0, 5)
    assert file.read_text() == f"P={PASSWORD}\n# OPENAI_API_KEY: in kojikey\n"


def test_admin_keys_are_taken_only_by_map(kojikey: Program, folder: Path) -> None:
    admin = "sk-admin-0f9e8d7c6b5a49382716a5b4c3d2e1f0A1B2"
    write(folder, f"OPENAI_ADMIN_KEY={admin}\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "OPENAI_ADMIN_KEY", "openai_admin", "skipped")])
    assert ended.result["hint"] == "kojikey import --map OPENAI_ADMIN_KEY=openai_admin"
    taken = run(kojikey, "--map", "OPENAI_ADMIN_KEY=openai_admin")
    assert told(taken) == [(1, "OPENAI_ADMIN_KEY", "openai_admin", "added")]
    assert kojikey("export", "--reveal").code == 5
    assert kojikey("export", "openai_admin", "--reveal").out == f"OPENAI_ADMIN_KEY={admin}\n"


# stopped in the middle


def test_an_import_that_is_killed_during_its_test_leaves_what_was_there(kojikey: Program, folder: Path) -> None:
    old, new = kojikey.added("elevenlabs"), kojikey.key("elevenlabs", "ok_2")
    write(folder, f"XI_API_KEY={new.key}\n")
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = started(kojikey, "import", "--rotate", "--comment-out")
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


def test_ctrl_c_says_what_is_staged_and_leaves_the_file(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    write(folder, f"XI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\nXAI_API_KEY=Bearer x\n")
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = started(kojikey, "import", "--rotate", "--comment-out", "--json")
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
