"""While a key is being created at the provider, or is not in use yet: which commands are refused or leave it out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.minting import Mint, set_up
from support.program import Program

WAITING = {
    "rotate by hand": ("rotate", "xai", "--stdin", "--no-input"),
    "rotate to an untested key": ("rotate", "xai", "--stdin", "--no-test", "--no-input"),
    "mint again": ("rotate", "xai", "--mint", "--no-input"),
    "rollback": ("rotate", "xai", "--rollback", "--no-input"),
    "set": ("set", "xai", "--label", "another"),
    "set --base-url": ("set", "xai", "--base-url", "https://other.example.com", "--no-test"),
    "set --unset": ("set", "xai", "--unset", "expires"),
    "remove": ("remove", "xai", "--yes"),
    "remove --revoke": ("remove", "xai", "--yes", "--revoke"),
    "account remove": ("account", "remove", "default", "--confirm", "default"),
}


@pytest.fixture(params=["its answer was lost", "it is staged"])
def unfinished(request: pytest.FixtureRequest, kojikey: Program) -> Mint:
    """Return a key of which a new one is being made."""
    mint = set_up(kojikey, "xai")
    if request.param == "it is staged":
        mint.managed.unknown_for = 1000
    else:
        mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    return mint


@pytest.mark.parametrize("waiting", WAITING)
def test_commands_that_would_forget_the_new_key_are_refused_until_the_mint_is_finished(
    kojikey: Program, unfinished: Mint, waiting: str
) -> None:
    before, names = kojikey.contents(), unfinished.names
    ended = kojikey(*WAITING[waiting], "--json", stdin=kojikey.key("xai", "ok_2").key)
    assert ended.code == 6, ended.said
    assert "being created at the provider" in ended.error["message"]
    assert "kojikey rotate xai --resume" in ended.error["hint"]
    assert "kojikey rotate xai --abort" in ended.error["hint"]
    assert (kojikey.contents(), unfinished.names) == (before, names)


def test_a_rollback_is_refused_until_the_mint_is_finished(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert kojikey.rotate("xai", "ok_2").code == 0
    mint.managed.add(kojikey.key("xai", "ok_2").key, **mint.settings)
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    assert mint.rotate("--rollback").code == 6


def test_a_batch_and_an_import_do_not_change_the_key_and_report_the_reason(
    kojikey: Program, unfinished: Mint, tmp_path: Path
) -> None:
    other = kojikey.key("xai", "ok_2").key
    line = json.dumps({"account": "default", "provider": "xai", "key": other})
    batch = kojikey("rotate", "--batch", "-", "--jsonl", stdin=line)
    assert batch.code == 6, batch.said
    assert "--resume" in batch.out
    (tmp_path / "env").write_text(f"XAI_API_KEY={other}\n")
    imported = kojikey("import", str(tmp_path / "env"), "--rotate", "--no-test", "--no-input", "--json")
    assert imported.code == 6, imported.said
    assert unfinished.row()["version"] == 1


@pytest.mark.parametrize("end", ["--resume", "--abort"])
def test_after_the_mint_is_finished_or_discarded_nothing_is_refused(
    kojikey: Program, unfinished: Mint, end: str
) -> None:
    unfinished.managed.mend()
    assert unfinished.rotate(end, *(("--propagation", "0s") if end == "--resume" else ())).code == 0
    assert kojikey("set", "xai", "--label", "another").code == 0
    assert kojikey("remove", "xai", "--yes").code == 0


def test_list_and_history_show_that_a_key_is_being_created(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert "being created" not in kojikey("list").out + kojikey("history", "xai").out
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    assert "a new key is being created" in kojikey("list").out
    history = kojikey("history", "xai").out
    assert "being created at the provider: finish it with kojikey rotate xai --resume" in history


def test_commands_that_only_read_are_not_refused(kojikey: Program, unfinished: Mint) -> None:
    for command in (("get", "xai", "--reveal"), ("list",), ("history", "xai"), ("test", "xai"), ("audit", "--verify")):
        assert kojikey(*command).code == 0, command


def test_a_copy_leaves_an_unfinished_mint_out_and_reports_it(
    kojikey: Program, unfinished: Mint, tmp_path: Path
) -> None:
    other = f"sqlite://{tmp_path / 'other.db'}"
    assert kojikey("store", "init", other, "--name", "other", "--kek", "env").code == 0
    copied = kojikey("store", "copy", "--to", "other", "--json")
    assert copied.code == 0, copied.said
    assert {row["provider"]: row["action"] for row in copied.results} == {"xai": "unfinished", "xai_admin": "copied"}
    assert "left out" in copied.err
    assert "kojikey rotate PROVIDER --resume" in copied.err
    assert kojikey("get", "xai", "--reveal", "--store", "other").code == 5
    unfinished.managed.mend()
    assert unfinished.rotate("--resume", "--propagation", "0s").code == 0
    again = kojikey("store", "copy", "--to", "other", "--json")
    assert {row["provider"]: row["action"] for row in again.results} == {"xai": "copied", "xai_admin": "already"}


def test_an_unfinished_mint_is_reported_before_the_question_of_remove(kojikey: Program, unfinished: Mint) -> None:
    ended = kojikey("remove", "xai", "--no-input")  # 2 where an answer would be needed
    assert ended.code == 6, ended.said
    assert unfinished.row()["version"] == 1


def test_resume_and_abort_use_the_admin_key_that_was_named_when_it_was_begun(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai", with_admin=False)
    assert kojikey.add("xai_admin", "ok", "--account", "ops").code == 0
    for end in (("--abort",), ("--resume", "--propagation", "0s")):
        mint.managed.fail("create", "lost")
        assert mint.mint("--admin-account", "ops").code == 4
        ended = mint.rotate(*end)
        assert ended.code == 0, ended.said
    assert len(mint.names) == 2


def test_a_staged_key_is_promoted_without_an_admin_key(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.unknown_for = 1
    assert mint.mint().code == 4
    assert kojikey("remove", "xai_admin", "--yes").code == 0
    ended = mint.rotate("--resume", "--propagation", "0s", "--json")
    assert (ended.code, ended.result["action"]) == (0, "rotated"), ended.said
    assert ended.result["key_id"] == mint.managed.keys[1].key_id


@pytest.mark.parametrize("member", ["name", "parent", "admin_account"])
@pytest.mark.parametrize(
    "command", [("rotate", "xai", "--resume"), ("rotate", "xai", "--abort"), ("rotate", "--due", "--mint")]
)
def test_an_intent_that_was_changed_in_the_store_deletes_nothing_and_uses_no_other_admin_key(
    kojikey: Program, command: tuple[str, ...], member: str
) -> None:
    mint = set_up(kojikey, "xai")
    assert kojikey.add("xai_admin", "ok_2", "--account", "ops").code == 0
    mint.managed.add("xai-somebody-elses-0123456789", name="somebody else's")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    changed = {"name": "somebody else's", "parent": "team-2", "admin_account": "ops"}[member]
    with closing(sqlite3.connect(kojikey.home / "keys.db")) as database, database:
        (text,) = database.execute("SELECT document FROM keys WHERE provider = 'xai'").fetchone()
        document = json.loads(text)
        document["minting"][member] = changed
        database.execute("UPDATE keys SET document = ? WHERE provider = 'xai'", (json.dumps(document),))
    kojikey.sandbox.forget()
    ended = kojikey(*command, "--no-input", "--json")
    assert ended.code == 8, ended.said
    assert len(mint.names) == 3
    tail = kojikey.key("xai_admin", "ok_2").key[-4:]
    assert not [request for request in kojikey.sandbox.requests if (request.masked or "").endswith(tail)]
