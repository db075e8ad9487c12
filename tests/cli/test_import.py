"""``kojikey import``: keys in plain text are found, tested and saved; everything else is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.importing import GROQ, OPENAI, OPENROUTER, OTHER_OPENAI, PASSWORD, own_provider, run, told, value, write
from support.importing import folder as folder
from support.program import Program
from support.saving import actions

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


def test_a_pipe_that_the_shell_made_holds_no_key_afterwards(kojikey: Program, folder: Path) -> None:
    for content in (f"OPENAI_API_KEY={OPENAI}", json.dumps({"OPENAI_API_KEY": OPENAI})):
        ended = kojikey.shell(f"kojikey import <(printf %s '{content}') --no-test --json")
        assert (ended.code, ended.result["provider"], ended.document["in_clear"]) == (0, "openai", []), ended.said


def test_a_key_of_distinctive_shape_under_another_name_is_listed_with_the_map_that_takes_it(
    kojikey: Program, folder: Path
) -> None:
    write(folder, f"MY_KEY={OPENROUTER}\nMD5=d41d8cd98f00b204e9800998ecf8427e\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "MY_KEY", "openrouter", "skipped")])
    assert ended.result["hint"] == "kojikey import --map MY_KEY=openrouter"
    taken = run(kojikey, "--map", "MY_KEY=openrouter")
    assert (taken.code, told(taken)) == (0, [(1, "MY_KEY", "openrouter", "added")])


def test_one_suggested_command_imports_all_keys_under_unknown_names(kojikey: Program, folder: Path) -> None:
    write(folder, f"MY_KEY={OPENROUTER}\nOTHER={GROQ}\nOPENAI_API_KEY={OPENAI}\n")
    next_steps = [line for line in kojikey("import", "--no-test").out.splitlines() if line.startswith("next: ")]
    assert next_steps == [
        "next: kojikey import --comment-out",
        "next: kojikey import --map MY_KEY=openrouter --map OTHER=groq",
    ]


@pytest.mark.parametrize("pair", ["MY_KEY", "=openai", "MY_KEY=", "MY_KEY=nobody"])
def test_a_malformed_map_is_refused_before_anything_is_read(kojikey: Program, folder: Path, pair: str) -> None:
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


def test_two_names_with_two_values_import_nothing_of_that_provider(kojikey: Program, folder: Path) -> None:
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
def test_placeholders_and_references_are_skipped(kojikey: Program, folder: Path, nothing: str) -> None:
    write(folder, f"OPENAI_API_KEY={nothing}\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "OPENAI_API_KEY", "openai", "skipped")])
    assert (ended.result["masked"], ended.document["in_clear"]) == (None, [])
    assert not kojikey.home.exists()


# what is there already


def test_the_same_key_is_unchanged_and_another_one_exists_without_rotate(kojikey: Program, folder: Path) -> None:
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


# exit codes


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 5), (["missing.env"], 2), (["--dry-run"], 0), (["missing.env", "--dry-run"], 0)]
)
def test_without_anything_to_read_the_exit_code_is_5_for_a_missing_file_2_and_for_a_dry_run_0(
    kojikey: Program, folder: Path, arguments: list[str], code: int
) -> None:
    ended = run(kojikey, *arguments)
    assert (ended.code, ended.document["exit_code"]) == (code, code)
    assert code in (0,) or ended.error["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=b\n", "kojikey: .env has no key; nothing was changed"),
        (None, "kojikey: there is no .env and no .env.local here"),
    ],
)
def test_a_dry_run_that_finds_nothing_says_so(kojikey: Program, folder: Path, text: str | None, said: str) -> None:
    if text is not None:
        write(folder, text)
    ended = kojikey("import", "--dry-run")
    assert (ended.code, ended.out, ended.err.strip()) == (0, "", said)


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("a.env", b"A=\xff\xfe\nB=1", "save it as UTF-8"), ("a.json", b'{"a":', "correct it"),
        (".", None, "name a file that can be read"), ("nowhere", None, "name a file that exists"),
    ],
)  # fmt: skip
def test_the_hint_about_a_source_that_was_not_read_fits_the_reason(
    kojikey: Program, folder: Path, name: str, content: bytes | None, hint: str
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    ended = run(kojikey, name)
    assert ended.code == 2
    assert ended.error["hint"].startswith(hint)


def test_each_source_that_was_not_read_has_its_own_hint(kojikey: Program, folder: Path) -> None:
    (folder / "a.json").write_text('{"a":')
    ended = run(kojikey, "nowhere", "a.json")
    assert ended.error["hint"] == "name a file that exists"
    assert "there is no such file\n  name a file that exists\n" in ended.err
    assert "names and values\n  correct it, then run the command again\n" in ended.err


def test_a_failure_of_the_run_is_named_beside_a_source_that_was_not_read(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "nowhere", ".env", HTTPS_PROXY="http://proxy.example:99999")
    assert ended.code == 2
    assert "nowhere was not read: there is no such file\n  name a file that exists\n" in ended.err
    assert "HTTPS_PROXY" in ended.err


def test_standard_input_without_a_key_is_called_that(kojikey: Program, folder: Path) -> None:
    ended = kojikey("import", "-", stdin="A=1\n")
    assert ended.err == "kojikey: standard input has no key; nothing was changed\n"
    assert ended.said.count("--map NAME=PROVIDER") == 1


def test_a_mapped_name_that_no_source_has_is_named(kojikey: Program, folder: Path) -> None:
    write(folder, f"GROQ_API_KEY={GROQ}\nMY_KEY={OPENAI}\n")
    ended = run(kojikey, "--map", "MY_KYE=openai", "--map", "MY_KEY=openai")
    assert (ended.code, len(ended.results)) == (0, 2)
    assert ended.err.count("no source has that name") == 1
    assert "--map MY_KYE: no source has that name" in ended.err


def test_a_virtual_environment_named_env_is_no_default_file(kojikey: Program, folder: Path) -> None:
    (folder / ".env").mkdir()
    assert run(kojikey).code == 5
    assert run(kojikey, ".env").code == 2


def test_a_missing_file_does_not_stop_the_others(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = run(kojikey, "missing.env", ".env")
    assert (ended.code, told(ended)) == (2, [(1, "OPENAI_API_KEY", "openai", "added")])
    assert ended.document["unread"] == [{"file": "missing.env", "reason": "there is no such file"}]


def test_exit_3_has_precedence_over_2_and_2_over_6(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    conflict = f"XI_API_KEY={kojikey.key('elevenlabs', 'ok_2').key}\n"
    write(folder, conflict)
    assert run(kojikey).code == 6
    write(folder, conflict + "XAI_API_KEY=Bearer x\n")
    assert run(kojikey).code == 2
    with own_provider(kojikey) as name:
        write(folder, conflict + f"XAI_API_KEY=Bearer x\n{name}={kojikey.key('elevenlabs', 'invalid_key').key}\n")
        assert kojikey("import", "--json").code == 3


def test_a_wrong_kek_is_reported_and_nothing_is_imported(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    file = write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = run(kojikey, "--comment-out", KOJIKEY_KEK="A" * 43)
    assert ended.code == 8
    assert OPENAI in file.read_text()


# what a person sees


def test_people_get_a_table_and_one_next_step(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "--no-test")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["WHERE", "NAME", "PROVIDER", "KEY", "RESULT"]
    assert lines[1].split() == [".env:1", "OPENAI_API_KEY", "openai", "••••••••A1B2", "added"]
    assert lines[2:] == ["account default is new", "still in clear: .env:1", "next: kojikey import --comment-out"]
    done = kojikey("import", "--comment-out", "--account", "default").out.splitlines()
    assert done[1].endswith("unchanged, removed from the file")
    assert done[2:] == ["next: kojikey run -- CMD"]


def test_every_place_that_still_holds_a_key_is_named_also_in_quiet_output(kojikey: Program, folder: Path) -> None:
    write(folder, "".join(f"NAME_{number}={OPENAI}\n" for number in range(12)))
    mapped = (word for number in range(12) for word in ("--map", f"NAME_{number}=openai"))
    ended = kojikey("import", "--no-test", "--quiet", *mapped)
    places = ", ".join(f".env:{line}" for line in range(1, 13))
    assert ended.out.splitlines()[-1] == f"still in clear: {places}"


def test_the_next_step_names_the_account(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n", "my keys.env")
    ended = kojikey("import", "my keys.env", "--no-test", "--account", "acme")
    assert ended.out.splitlines()[-1] == "next: kojikey import 'my keys.env' --account acme --comment-out"


def test_after_a_rotation_the_suggested_command_comments_lines_out_and_rotates_nothing(
    kojikey: Program, folder: Path
) -> None:
    kojikey.added("openai", "ok", "--no-test")
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "--no-test", "--rotate")
    assert ended.out.splitlines()[-1] == "next: kojikey import --comment-out"


def test_comment_out_is_not_suggested_for_lines_that_it_does_not_change(kojikey: Program, folder: Path) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI[:-1]}\nOPENAI_API_KEY={OPENAI}\n")
    ended = kojikey("import", "--no-test", "--comment-out")
    assert ended.out.splitlines()[-2:] == ["still in clear: .env:1", "next: kojikey run -- CMD"]


def test_run_is_not_suggested_if_nothing_was_read(kojikey: Program, folder: Path) -> None:
    ended = kojikey("import", "nowhere.env")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "kojikey: nowhere.env was not read: there is no such file\n  name a file that exists\n"


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


def test_a_key_instead_of_a_file_name_is_not_repeated(kojikey: Program, folder: Path) -> None:
    ended = run(kojikey, OPENAI)
    assert (ended.code, OPENAI in ended.said) == (2, False)


def test_admin_keys_are_imported_only_with_map(kojikey: Program, folder: Path) -> None:
    admin = "sk-admin-0f9e8d7c6b5a49382716a5b4c3d2e1f0A1B2"
    write(folder, f"OPENAI_ADMIN_KEY={admin}\n")
    ended = run(kojikey)
    assert (ended.code, told(ended)) == (5, [(1, "OPENAI_ADMIN_KEY", "openai_admin", "skipped")])
    assert ended.result["hint"] == "kojikey import --map OPENAI_ADMIN_KEY=openai_admin"
    taken = run(kojikey, "--map", "OPENAI_ADMIN_KEY=openai_admin")
    assert told(taken) == [(1, "OPENAI_ADMIN_KEY", "openai_admin", "added")]
    assert kojikey("export", "--reveal").code == 5
    assert kojikey("export", "openai_admin", "--reveal").out == f"OPENAI_ADMIN_KEY={admin}\n"
