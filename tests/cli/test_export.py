"""``kojikey export``: each format gives its own reader back the very key, and nothing is printed by a slip."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import string
import subprocess
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values

from kojikey.cli.commands.export.formats import FORMATS, secret_name
from kojikey.model.errors import UsageError
from support.each import each
from support.program import Program
from support.pseudo_terminal import end, on_a_terminal, printed_on_a_terminal
from support.saving import actions

VISIBLE = "".join(character for character in string.printable if character.isprintable() and not character.isspace())
"""Every character that a key may have after its cleaning."""

HARD = {
    "EVERY": VISIBLE,
    "BACKWARDS": VISIBLE[::-1],
    "REFERENCE": "a${HOME}b$HOMEc${X:-y}$(id)`id`%PATH%",
    "QUOTES": "a'b\"c'\\''d\\\\e\\n\\",
    "COMMENT": "a#b;c&d|e>f<g*h?i[j]k{l}m~n!o^p",
    "EQUALS": "a=b==c:d,e@f",
    "ENDS": "abc\\",
    "NO": "plain",
}


# each format's own reader


def read_dotenv(text: str, _: Path) -> Mapping[str, str | None]:
    return dotenv_values(stream=StringIO(text))


def _environment_after(program: list[str], script: str) -> dict[str, str]:
    done = subprocess.run(
        [*program, script], capture_output=True, check=True, timeout=60, env={"PATH": os.environ["PATH"]}
    )
    pairs = (line.partition(b"=") for line in done.stdout.split(b"\0") if line)
    return {name.decode(): value.decode() for name, _, value in pairs}


def read_shell(text: str, _: Path) -> Mapping[str, str | None]:
    return _environment_after(["sh", "-euc"], f"{text}\nenv -0")


def read_fish(text: str, _: Path) -> Mapping[str, str | None]:
    return _environment_after(["fish", "--no-config", "-c"], f"{text}\nenv -0")


def read_powershell(text: str, _: Path) -> Mapping[str, str | None]:
    """Read single-quoted strings by PowerShell's about_Quoting_Rules: two quotes are one, nothing is expanded."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\$env:(\w+) = '((?:[^'\u2018-\u201b]|'')*)'", line)
        assert match, line
        found[match[1]] = match[2].replace("''", "'")
    return found


def read_json(text: str, _: Path) -> Mapping[str, str | None]:
    found: dict[str, str | None] = json.loads(text)
    return found


def read_k8s(text: str, folder: Path) -> Mapping[str, str | None]:
    """Read the manifest as YAML, and check what Kubernetes asks of a Secret."""
    manifest = yaml.safe_load(text)
    assert (manifest["apiVersion"], manifest["kind"], manifest["type"]) == ("v1", "Secret", "Opaque")
    assert set(manifest) == {"apiVersion", "kind", "metadata", "type", "stringData"}
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", name) for name in manifest["stringData"])
    found: dict[str, str | None] = manifest["stringData"]
    return found


def read_docker(text: str, _: Path) -> Mapping[str, str | None]:
    """Read an env-file by docker's rules: no comment but a line that begins with #, no quotes, no expansion."""
    lines = [line.lstrip() for line in text.split("\n")]
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


READERS: dict[str, Callable[[str, Path], Mapping[str, str | None]]] = {
    "dotenv": read_dotenv, "shell": read_shell, "fish": read_fish, "powershell": read_powershell, "json": read_json,
    "k8s": read_k8s, "docker": read_docker,
}  # fmt: skip


EACH_FORMAT = [
    pytest.param(chosen, marks=[pytest.mark.external] if chosen in ("shell", "fish") else []) for chosen in FORMATS
]


@pytest.mark.parametrize("chosen", EACH_FORMAT)
def test_a_formats_own_reader_gives_back_every_character(chosen: str, tmp_path: Path) -> None:
    found = READERS[chosen](FORMATS[chosen](HARD, "name"), tmp_path)
    assert {name: found[name] for name in HARD} == HARD


@pytest.mark.parametrize("chosen", EACH_FORMAT)
def test_a_key_with_one_odd_character_anywhere_is_read_back(chosen: str, tmp_path: Path) -> None:
    values = {
        f"{place}_{ord(character)}": text.replace("*", character)
        for character in VISIBLE
        for place, text in (("FIRST", "*key"), ("IN", "k*ey"), ("LAST", "key*"), ("ALONE", "***"))
    }
    found = READERS[chosen](FORMATS[chosen](values, "name"), tmp_path)
    assert {name: found[name] for name in values} == values


def test_kubectl_takes_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "secret.yaml"
    manifest.write_text(FORMATS["k8s"](HARD, "kojikey-default"))
    read = ["kubectl", "patch", "--local", "-f", str(manifest), "--type=merge", "-p", "{}", "-o", "json"]
    done = subprocess.run(
        read, capture_output=True, text=True, timeout=60, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    data = document.get("stringData") or {k: base64.b64decode(v).decode() for k, v in document["data"].items()}
    assert (document["metadata"]["name"], data) == ("kojikey-default", HARD)


# the command


@pytest.fixture
def keys(kojikey: Program) -> dict[str, str]:
    """Return the variables of two keys that were added."""
    eleven, gemini = kojikey.added("elevenlabs"), kojikey.added("google_gemini")
    url = gemini.base_url
    return {"ELEVENLABS_API_KEY": eleven.key, "GEMINI_API_KEY": gemini.key, "GOOGLE_API_KEY": gemini.key} | {
        "GOOGLE_GEMINI_BASE_URL": url
    }


@pytest.mark.parametrize("chosen", EACH_FORMAT)
def test_the_names_are_those_that_run_sets(kojikey: Program, keys: dict[str, str], chosen: str, tmp_path: Path) -> None:
    ended = kojikey("export", "--reveal", "--format", chosen)
    assert ended.code == 0, ended.err
    found = READERS[chosen](ended.out, tmp_path)
    assert {name: found[name] for name in keys} == keys
    previewed = {row["name"] for row in kojikey("run", "--dry-run", "--json").results}
    assert previewed == set(keys)


def test_the_default_is_dotenv_and_each_key_leaves_an_event(kojikey: Program, keys: dict[str, str]) -> None:
    ended = kojikey("export", "--reveal")
    assert dict(dotenv_values(stream=StringIO(ended.out))) == keys
    assert actions(kojikey)[-2:] == ["revealed", "revealed"]
    kojikey("export", "elevenlabs", "--reveal")
    assert [event["provider"] for event in kojikey("audit", "--json").results][-1] == "elevenlabs"


def test_a_shell_user_without_python_has_the_keys(kojikey: Program, keys: dict[str, str]) -> None:
    ended = kojikey.shell('eval "$(kojikey export --reveal --format shell)"; printf %s "$ELEVENLABS_API_KEY"')
    assert (ended.code, ended.out) == (0, keys["ELEVENLABS_API_KEY"])


def test_a_base_url_has_the_form_that_the_sdk_reads(kojikey: Program) -> None:
    key = kojikey.key("openai")
    base_url = "https://gateway.example.com/team"
    kojikey("add", "openai", "--stdin", "--no-test", "--base-url", base_url, stdin=key.key)
    values = dict(dotenv_values(stream=StringIO(kojikey("export", "--reveal").out)))
    assert values == {"OPENAI_API_KEY": key.key, "OPENAI_BASE_URL": f"{base_url}/v1"}


# what prints nothing


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["--reveal", "--json"], 2),
        (["--reveal", "--format", "toml"], 2),
        (["--reveal", "--name", "x"], 2),
        (["--reveal", "--format", "k8s", "--name", "Not_A_Name"], 2),
        (["--reveal", "--format", "github"], 2),
        (["--reveal", "--format", "github", "--output", "x"], 2),
        (["--reveal", "nonsense"], 2),
        (["--reveal", "elevenlabs", "openai"], 5),
        (["--reveal", "--output", "/nonexistent/keys.env"], 7),
        (["--reveal", "--output", "/"], 7),
    ],
    ids=str,
)
def test_a_refused_export_prints_nothing_and_leaves_no_event(kojikey: Program, arguments: list[str], code: int) -> None:
    key = kojikey.added()
    ended = kojikey("export", *arguments)
    assert ended.code == code
    assert ended.out == "" or "--json" in arguments
    assert key.key not in ended.said
    assert actions(kojikey) == ["added"]


def test_json_is_refused_and_the_right_format_is_suggested(kojikey: Program) -> None:
    kojikey.added()
    for providers, named in ((), ""), (("elevenlabs",), "elevenlabs "):
        ended = kojikey("export", *providers, "--reveal", "--json")
        assert (ended.code, ended.error["hint"]) == (2, f"kojikey export {named}--reveal --format json")
    unknown = kojikey("export", "abcdef0123456789abcdef0123456789", "--json")
    assert (unknown.code, "abcdef" in unknown.said) == (2, False)


def test_nothing_to_export_and_a_disabled_account_are_not_found(kojikey: Program) -> None:
    assert kojikey("export", "--reveal").code == 5
    kojikey.added()
    kojikey("account", "disable", "default")
    ended = kojikey("export", "--reveal")
    assert (ended.code, ended.out) == (5, "")
    assert "account enable" in ended.err
    assert "revealed" not in actions(kojikey)


def test_a_record_that_does_not_open_prints_nothing_of_the_others(kojikey: Program, keys: dict[str, str]) -> None:
    ended = kojikey("export", "--reveal", KOJIKEY_KEK=base64.urlsafe_b64encode(bytes(32)).decode())
    assert (ended.code, ended.out) == (8, "")
    assert "revealed" not in actions(kojikey)


# a terminal, and a file


def test_on_a_terminal_the_person_is_asked_first(kojikey: Program) -> None:
    key = kojikey.added()
    with on_a_terminal(kojikey, "export", "--reveal") as child:
        child.expect_exact("Show the key of elevenlabs on this screen? [y/N] ")
        child.sendline("n")
        code, text = end(child)
    assert (code, key.key in text, "nothing was printed" in text) == (0, False, True)
    code, text = printed_on_a_terminal(kojikey, "export", "--reveal", "--yes")
    assert (code, key.key in text) == (0, True)
    code, text = printed_on_a_terminal(kojikey, "export", "--reveal", "--no-input")
    assert (code, key.key in text, "--yes" in text) == (2, False, True)
    code, text = printed_on_a_terminal(kojikey, "export", "elevenlabs", "--reveal", "--format", "fish", "--no-input")
    assert (code, text.splitlines()[-1]) == (2, "  try: kojikey export elevenlabs --reveal --format fish --yes")


def test_a_file_is_private_and_is_replaced_only_with_yes(kojikey: Program, tmp_path: Path) -> None:
    key = kojikey.added()
    place = tmp_path / "keys.env"
    ended = kojikey("export", "--reveal", "--output", str(place))
    assert (ended.code, ended.out) == (0, "")
    assert place.read_text().startswith(f"ELEVENLABS_API_KEY={key.key}\n")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.write_text("mine")
    place.chmod(0o644)
    revealed = actions(kojikey).count("revealed")
    refused = kojikey("export", "--reveal", "--output", str(place))
    assert (refused.code, place.read_text(), actions(kojikey).count("revealed")) == (6, "mine", revealed)
    assert kojikey("export", "--reveal", "--output", str(place), "--yes").code == 0
    assert (key.key in place.read_text(), stat.S_IMODE(place.stat().st_mode)) == (True, 0o600)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["keys.env"]


def test_a_dash_is_standard_output(kojikey: Program, keys: dict[str, str]) -> None:
    assert kojikey("export", "--reveal", "--output", "-").out == kojikey("export", "--reveal").out
    with on_a_terminal(kojikey, "export", "--reveal", "--output", "-") as child:
        child.expect_exact("on this screen? [y/N]")


def test_a_link_is_replaced_and_not_followed(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    link.symlink_to(target)
    assert kojikey("export", "--reveal", "--output", str(link)).code == 6
    assert kojikey("export", "--reveal", "--output", str(link), "--yes").code == 0
    assert (target.read_text(), link.is_symlink()) == ("mine", False)


def test_a_named_pipe_is_not_waited_for(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    os.mkfifo(tmp_path / "pipe")
    for arguments in (["--output", str(tmp_path / "pipe"), "--yes"], ["--format", "github"]):
        ended = kojikey("export", "--reveal", *arguments, GITHUB_ENV=str(tmp_path / "pipe"))
        assert (ended.code, ended.out) == (7, "")


# GitHub


def read_github(text: str) -> dict[str, str]:
    """Read a file of environment variables as the runner does (actions/runner, FileCommandManager.cs)."""
    found, lines = {}, text.split("\n")
    while lines:
        line = lines.pop(0)
        if not line:
            continue
        name, heredoc, delimiter = line.partition("<<")
        assert heredoc
        end_of_value = lines.index(delimiter)
        found[name] = "\n".join(lines[:end_of_value])
        del lines[: end_of_value + 1]
    return found


def test_on_github_each_value_is_masked_before_it_is_passed_on(
    kojikey: Program, keys: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "env"
    place.write_text("BEFORE<<x\n1\nx")  # no line end
    ended = kojikey("export", "--reveal", "--format", "github", GITHUB_ENV=str(place), GITHUB_ACTIONS="true")
    assert ended.code == 0
    assert ended.out.splitlines() == [f"::add-mask::{value}" for value in keys.values()]
    assert read_github(place.read_text()) == {"BEFORE": "1", **keys}


def test_on_github_a_percent_sign_is_escaped_for_the_runner(kojikey: Program, tmp_path: Path) -> None:
    kojikey("add", "mistral", "--stdin", "--no-test", stdin="abc%0Adef%25ghi0123456789")
    ended = kojikey("export", "--reveal", "--format", "github", GITHUB_ENV=str(tmp_path / "env"))
    assert ended.out == "::add-mask::abc%250Adef%2525ghi0123456789\n"
    assert read_github((tmp_path / "env").read_text()) == {"MISTRAL_API_KEY": "abc%0Adef%25ghi0123456789"}


def test_on_github_a_full_disk_does_not_change_the_file(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    path = tmp_path / "env"
    path.write_bytes(b"\n" * (2**20 - 10))
    script = "ulimit -f 1024; kojikey export --reveal --format github"
    ended = kojikey.shell(script, GITHUB_ENV=str(path), GITHUB_ACTIONS="true")
    assert ended.code == 7, ended.said
    assert "no key was written" in ended.err
    assert path.read_bytes() == b"\n" * (2**20 - 10)


def test_on_github_nothing_is_passed_on_if_the_file_cannot_be_written(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    ended = kojikey("export", "--reveal", "--format", "github", GITHUB_ENV=str(tmp_path / "no" / "env"))
    assert (ended.code, ended.out) == (7, "")
    assert "revealed" not in actions(kojikey)


# the name of a Secret


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("default", "kojikey-default"),
        ("anna@example.org", "kojikey-anna-example.org"),
        ("a_b+c", "kojikey-a-b-c"),
        ("acme-", "kojikey-acme"),
        ("acme.", "kojikey-acme"),
    ],
)
def test_a_secret_is_named_for_the_account(account: str, name: str) -> None:
    assert secret_name(None, account) == name


@each("given", ["", "A", "a_b", "-a", "a-", "a..b", "a.-b", "a" * 64, "a." * 127 + "a", "a b"])
def test_a_name_that_kubernetes_refuses_is_refused(given: str) -> None:
    with pytest.raises(UsageError):
        secret_name(given, "default")
