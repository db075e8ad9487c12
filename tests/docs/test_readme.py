"""README says what the program does: a command, option, exit code, provider or reason that is not in it fails here."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.cli import commands
from kojikey.cli.commands import GROUPS, HIDDEN, load_all
from kojikey.cli.exits import MEANING, Exit
from kojikey.cli.parsing.command import Command, Option
from kojikey.cli.parsing.quick import quick
from kojikey.config.config_file import parse_config
from kojikey.model.verdict import OUTCOME_OF, Reason
from kojikey.providers.catalog import load_catalog
from kojikey.sealing.kek.registry import SOURCES
from kojikey.stores.registry import schemes
from kojikey.testing import Sandbox
from support.program import Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [command for command in load_all() if command.name not in HIDDEN]
OPTIONS = sorted({option for command in COMMANDS for option in command.options})
FIRST = [
    line for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE) for line in [block.strip()]
]


def block(language: str, containing: str) -> str:
    """Return the block of code that has a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_in_it(command: Command) -> None:
    assert re.search(rf"kojikey {command.name}\b", README), "python docs/tools/make_docs.py"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flags[0])
def test_every_option_is_in_it(option: Option) -> None:
    for flag in option.flags:
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", README), f"{flag}: python docs/tools/make_docs.py"


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_of_commands_is_in_it(group: str) -> None:
    assert f"kojikey {group} " in README


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_in_it(code: Exit) -> None:
    assert f"| {int(code)} | {code.word} | {MEANING[code]} |" in README


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_in_it_under_its_outcome(reason: Reason) -> None:
    table = README[README.index("| outcome | reason |") :].partition("\n\n")[0]
    outcome, found = "", {}
    for row in table.splitlines()[2:]:
        first, name = (cell.strip() for cell in row.strip("|").split("|")[:2])
        outcome = first.partition("**")[2].partition("**")[0] or outcome
        found[name.strip("`")] = outcome
    assert found[reason.value] == OUTCOME_OF[reason].value


@pytest.mark.parametrize("provider", load_catalog(None).ids())
def test_every_provider_is_in_it_with_its_variables(provider: str) -> None:
    definition = load_catalog(None).get(provider)
    row = re.search(rf"^\| `{provider}` \|.*$", README, re.MULTILINE)
    assert row
    assert definition.purpose in row[0]
    assert all(f"`{name}`" in row[0] for name in definition.env)


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_a_kek_is_in_it(source: str) -> None:
    assert re.search(rf"^\| `{source}[`:]", README, re.MULTILINE)


@pytest.mark.parametrize("scheme", schemes())
def test_every_kind_of_store_is_in_it(scheme: str) -> None:
    assert f"{scheme}://" in README


def test_what_is_made_by_the_program_is_fresh() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "tools" / "make_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


def test_the_picture_is_fresh() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "tools" / "make_picture.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_it_begins_with_the_commands_for_a_fresh_machine() -> None:
    assert FIRST[0].endswith(".venv/bin/kojikey add google_gemini")
    assert FIRST[1] == "bash .ci/test"
    assert FIRST[2] == FIRST[0].replace("add google_gemini", "sandbox --tour")
    assert all("\n" not in line for line in FIRST[:3])


def test_the_gate_runs_those_commands() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "bash .ci/test" in gate
    assert "README.md" in gate, "it types the others as they stand there"


def test_config_toml_is_one(tmp_path: Path) -> None:
    config = parse_config(block("toml", "[stores."), "config.toml")
    assert set(config) == {"account", "store", "kek", "stores"}


def test_the_provider_of_your_own_is_one_that_works(kojikey: Program) -> None:
    text = block("toml", "[[rules]]")
    (kojikey.home / "providers").mkdir(parents=True)
    (kojikey.home / "providers" / "acme_speech.toml").write_text(text)
    shown = kojikey("providers", "acme_speech", "--json")
    assert shown.code == 0
    assert shown.result["provider"] == "acme_speech"
    assert "ACME_API_KEY" in shown.out


def added(kojikey: Program, sandbox: Sandbox, *account: str) -> None:
    for provider in ("google_gemini", "elevenlabs"):
        key = sandbox.key(provider, "ok")
        done = kojikey("add", provider, "--stdin", "--base-url", key.base_url, *account, stdin=key.key)
        assert done.code == 0


def ran(code: str, kojikey: Program) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=kojikey.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sealed_key_opens_without_kojikey_as_it_says(kojikey: Program, sandbox: Sandbox) -> None:
    added(kojikey, sandbox)
    code = block("python", "joserfc")
    assert "import kojikey" not in code
    lines = ran(code, kojikey).splitlines()
    keys = {provider: sandbox.key(provider, "ok").key for provider in ("google_gemini", "elevenlabs")}
    assert sorted(lines) == sorted(f"{provider} current {key}" for provider, key in keys.items())


def test_a_program_resolves_a_key_as_it_says(kojikey: Program, sandbox: Sandbox) -> None:
    code = block("python", "kojikey.resolve") + "print(headers, url)"
    assert ran(code, kojikey) == "{} \n"
    added(kojikey, sandbox, "--account", "acme")
    key = sandbox.key("google_gemini", "ok")
    assert ran(code, kojikey) == f"{ {'x-goog-api-key': key.key} } {key.base_url}/v1beta/models\n"


def test_a_sandbox_plays_as_it_says() -> None:
    used: list[tuple[str, str]] = []
    exec(block("python", "with Sandbox()"), {"use": lambda key, base_url: used.append((key, base_url))})
    (found,) = used
    assert found[1].startswith("http://127.0.0.1:")


def test_the_ci_example_has_only_options_that_there_are(kojikey: Program) -> None:
    for line in re.findall(r"- run: kojikey (.*)", block("yaml", "- run: kojikey test")):
        ended = kojikey(*line.split())
        assert ended.code == 2
        assert "is not set" in ended.err, ended.err


def typed_commands() -> list[str]:
    """Return every command line of ours in README's code, without what a shell does to it."""
    code = "\n".join(re.findall(r"^```\w*\n(.*?)^```", README, re.DOTALL | re.MULTILINE))
    lines = re.findall(r"^\s*(?:\$ |- run: |- )?(kojikey [a-z].*)$", code.replace("\\\n", " "), re.MULTILINE)
    return [re.split(r"  #| [|>]|<", line)[0] for line in lines]


def test_every_command_line_in_it_can_be_typed() -> None:
    lines = typed_commands()
    assert len(lines) > 15
    for line in lines:
        tokens = shlex.split(line)[1:]
        found = commands.find(tokens)
        assert found is not None, line
        assert quick(*found) is not None, line


def test_a_store_of_your_own_passes_the_suite_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "test_my_store.py"
    path.write_text(block("python", "StoreConformance"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) > 30


def test_the_budgets_are_those_that_are_measured() -> None:
    budgets = re.findall(r'Budget\("[^"]+", \(KOJIKEY.*?\), ([\d.]+)\)', (ROOT / "benchmarks/startup.py").read_text())
    table = README[README.index("| command | at most |") :].partition("\n\n")[0]
    assert [row.strip("| ").split("|")[1].strip() for row in table.splitlines()[2:]] == budgets
