"""README begins with what works on a fresh machine, and stays short enough to be read."""

from __future__ import annotations

import re
import subprocess
import sys

from kojikey.testing import Sandbox
from support.documents import README, ROOT, block, blocks
from support.program import Program

FIRST = [it.text.strip() for it in blocks("sh") if it.page == "README.md"][:3]
LONGEST = 152  # lines, without the blocks that are generated


def test_the_readme_begins_with_the_commands_for_a_fresh_machine() -> None:
    assert FIRST[0].endswith(".venv/bin/kojikey add google_gemini")
    assert FIRST[1] == "bash .ci/test"
    assert FIRST[2] == FIRST[0].replace("add google_gemini", "sandbox --tour")
    assert all("\n" not in line for line in FIRST)


def test_the_ci_script_runs_the_commands_of_the_readme() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "bash .ci/test" in gate
    assert "README.md" in gate, "it types the others as they stand there"


def test_the_readme_is_short() -> None:
    written = re.sub(r"(?s)<!-- made: .*?<!-- end -->", "", README)
    assert written.count("\n") <= LONGEST


def test_the_documents_show_how_keys_and_a_shared_kek_are_opened_without_kojikey() -> None:
    assert block("README.md", "bash") == block("docs/format.md", "bash"), "two pages show one example"
    assert block("README.md", "sh", "age -d") == block("docs/team.md", "sh", "age -d"), "two pages show one example"


def ran(code: str, kojikey: Program) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=kojikey.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_resolves_a_key_as_the_readme_says(kojikey: Program, sandbox: Sandbox) -> None:
    code = block("README.md", "python", "kojikey.resolve")
    assert code == block("docs/python.md", "python", "kojikey.resolve"), "two pages show one example"
    code += "print(headers, url)"
    assert ran(code, kojikey) == "{} \n"
    key = kojikey.added("google_gemini", "ok", "--account", "acme")
    assert ran(code, kojikey) == f"{ {'x-goog-api-key': key.key} } {key.base_url}/v1beta/models\n"


def test_the_ci_example_runs_up_to_the_secret_that_is_not_set(kojikey: Program) -> None:
    lines = re.findall(r"- run: kojikey (.*)", block("README.md", "yaml"))
    assert len(lines) == 2
    for line in lines:
        ended = kojikey(*line.split())
        assert ended.code == 2
        assert "is not set" in ended.err, ended.err
