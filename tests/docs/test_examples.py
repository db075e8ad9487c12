"""The examples in README and docs are used as a reader would: commands are typed, code and settings are run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from kojikey.cli.commands.scan.scan import STAGED
from kojikey.cli.parsing.quick import read
from kojikey.config.config_file import parse_config
from kojikey.testing import Sandbox
from support.documents import EVERYTHING, PAGES, ROOT, Block, block, blocks
from support.each import each
from support.program import Program

TYPED = blocks("sh", "bash", "console")
ENDS = re.compile(r"  #| \|\|?| [>]|<|2>")


def lines_of_ours(text: str) -> list[str]:
    """Return the command lines of ours in code, without what a shell does with them."""
    pattern = r"^\s*(?:\$ |- run: |- )?(?:exec |chronic )?(kojikey [a-z].*)$"
    return [ENDS.split(line)[0] for line in re.findall(pattern, text.replace("\\\n", " "), re.MULTILINE)]


def code_lines() -> list[str]:
    """Return the command lines of ours in all blocks of code."""
    shown = blocks("sh", "console", "yaml", "")
    return [line for it in shown for line in lines_of_ours(it.commands if it.language == "console" else it.text)]


def inline_lines() -> list[str]:
    """Return the command lines of ours within sentences, those with nothing left out."""
    prose = re.sub(r"^```.*?^```", "", EVERYTHING, flags=re.DOTALL | re.MULTILINE)
    found = [" ".join(line.split()) for line in re.findall(r"`(kojikey [a-z][^`]*)`", prose)]
    return [line for line in found if not re.search(r"[…|\[\]]|\b(CMD|PROVIDER|COMMAND|ID|FILE|[A-Z]{2,})\b", line)]


@each("line", sorted({*code_lines(), *inline_lines()}))
def test_every_command_line_can_be_typed(line: str) -> None:
    tokens = shlex.split(line)[1:]
    read_line = read(tokens)
    assert read_line.command is not None, line
    is_name_alone = " ".join(tokens) == read_line.name
    assert is_name_alone or read_line.call is not None, line


@pytest.mark.parametrize("it", TYPED, ids=str)
def test_every_shell_block_is_one_that_bash_reads(it: Block) -> None:
    read = subprocess.run(["bash", "-n"], input=it.commands, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_json_toml_and_yaml_can_be_read() -> None:
    for it in blocks("json"):
        json.loads(it.text)
    for it in blocks("toml"):
        tomllib.loads(it.text)
    for it in blocks("yaml"):
        yaml.safe_load(it.text)


def test_every_config_toml_example_is_valid() -> None:
    text = block("docs/configuration.md", "toml", "[stores.")
    assert set(parse_config(text, "config.toml")) >= {"account", "store", "kek", "stores"}


def ran(command: list[str], kojikey: Program, folder: Path) -> str:
    done = subprocess.run(command, env=kojikey.environ, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("language", "interpreter"), [("python", (sys.executable, "-W", "ignore", "-c")), ("bash", ("bash", "-euc"))]
)
@pytest.mark.parametrize("kek", ["-_8" * 14 + "A=", "+/8" * 14 + "A", "+/8" * 14 + "A="])
def test_sealed_keys_open_without_kojikey_as_format_md_says(
    kojikey: Program, tmp_path: Path, language: str, interpreter: tuple[str, ...], kek: str
) -> None:
    kojikey.environ["KOJIKEY_KEK"] = kek
    keys = {provider: kojikey.added(provider).key for provider in ("google_gemini", "elevenlabs")}
    code = block("docs/format.md", language)
    assert "kojikey " not in code
    lines = ran([*interpreter, code], kojikey, tmp_path).splitlines()
    assert sorted(lines) == sorted(f"{provider} current {key}" for provider, key in keys.items())


def test_a_sandbox_plays_as_python_md_says() -> None:
    used: list[tuple[str, str]] = []
    code = block("docs/python.md", "python", "with Sandbox()")
    exec(code, {"use": lambda key, base_url: used.append((key, base_url)), "Sandbox": Sandbox})
    ((key, base_url),) = used
    assert key
    assert base_url.startswith("http://127.0.0.1:")


def test_a_store_of_your_own_passes_the_suite_as_its_page_says(tmp_path: Path) -> None:
    path = tmp_path / "test_my_store.py"
    path.write_text(block("docs/stores/your-own.md", "python", "StoreConformance"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) > 30


def test_the_limits_are_those_that_are_measured() -> None:
    source = (ROOT / "benchmarks" / "startup.py").read_text(encoding="utf-8")
    budgets = re.findall(r'Limit\("[^"]+", \(KOJIKEY.*?\), ([\d.]+)\)', source)
    page = PAGES["docs/performance.md"]
    table = page[page.index("| command | at most |") :].partition("\n\n")[0]
    assert [row.strip("| ").split("|")[1].strip() for row in table.splitlines()[2:]] == budgets


def test_the_hook_runs_an_existing_command() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    call = read(shlex.split(hook["entry"])[1:]).call
    assert call is not None
    assert call[STAGED]
    assert not hook["pass_filenames"]
    assert f"- id: {hook['id']}" in PAGES["docs/leaks.md"]
