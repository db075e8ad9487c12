"""``kojikey providers check``, ``new`` and ``schema``."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kojikey.providers.catalog import skeleton
from support.program import Program


def test_check_prints_each_mistake_with_its_line_and_exits_2(kojikey: Program, tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    text = skeleton("acme").replace('path = "/v1/me"', 'path = "v1/me"').replace("status = [401]", "status = [99]")
    path.write_text(text)
    lines = text.split("\n")
    wrong = [number for number, line in enumerate(lines, 1) if line in ('path = "v1/me"', "status = [99]")]
    ended = kojikey("providers", "check", str(path))
    assert ended.code == 2
    assert [line.split(":")[1] for line in ended.out.splitlines()] == [str(number) for number in wrong]
    told = kojikey("providers", "check", str(path), "--json")
    assert (told.code, [row["line"] for row in told.results]) == (2, wrong)
    assert told.error["code"] == "usage"
    path.write_text(skeleton("acme"))
    assert kojikey("providers", "check", str(path)).code == 0


@pytest.mark.parametrize("identity", ["elevenlabs", "openai", "check", "acme_admin"])
def test_an_id_that_is_used_already_is_a_mistake(kojikey: Program, tmp_path: Path, identity: str) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(skeleton("acme").replace('id = "acme" ', f'id = "{identity}" '))
    ended = kojikey("providers", "check", str(path))
    assert (ended.code, "4" in [line.split(":")[1] for line in ended.out.splitlines()]) == (2, True), ended.said


def test_check_waits_for_no_pipe_and_reads_no_folder(kojikey: Program, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", tmp_path, tmp_path / "none.toml"):
        assert kojikey("providers", "check", str(path)).code == 2


def test_new_writes_a_definition_that_only_the_user_can_read_and_never_over_another(kojikey: Program) -> None:
    made = kojikey("providers", "new", "acme")
    path = made.out.strip()
    assert made.code == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    Path(path).write_text(skeleton("acme") + "# mine\n")
    assert kojikey("providers", "new", "acme").code == 6
    assert Path(path).read_text().endswith("# mine\n")
    assert kojikey("providers", "new", "openai").code == 6
    for identity in ("check", "acme_admin", "1acme", "../acme", "sk_" + "0a1b2c3d" * 6):
        assert kojikey("providers", "new", identity).code == 2


def test_schema_is_one_document_and_each_subcommand_checks_its_arguments(kojikey: Program) -> None:
    assert kojikey("providers", "schema").document["required"]
    for words in (("check",), ("new",), ("check", "a", "b"), ("schema", "more")):
        assert kojikey("providers", *words).code == 2


def test_several_providers_are_shown_in_full(kojikey: Program) -> None:
    shown = kojikey("providers", "openai", "azure_openai").out
    assert "OPENAI_BASE_URL" in shown
    assert "https://{resource}.openai.azure.com" in shown
