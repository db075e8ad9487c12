"""``rotate --mint`` and what follows it, at every provider that makes keys: the program against the sandbox."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kojikey.model.next_step import finish_or_discard
from support.exhaustive import exhaustive, exhaustive_except
from support.minting import CREATING, LISTING, SETTINGS, set_up
from support.program import Program, pieces_in
from support.pseudo_terminal import end, on_a_terminal

NAME = re.compile(r"kojikey default v2 [0-9a-f]{8}")


@pytest.mark.parametrize("provider", CREATING)
def test_a_new_key_is_created_tested_and_promoted(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    ended = mint.mint("--json")
    assert ended.code == 0, ended.said
    result = ended.result
    assert (result["action"], result["version"], result["test"]["outcome"]) == ("rotated", 2, "valid")
    old, new = mint.managed.keys
    assert NAME.fullmatch(new.name)
    assert kojikey("get", provider, "--reveal").out == new.value
    assert result["key_id"] == (None if provider == "perplexity" else new.key_id)
    for name, value in SETTINGS.get(provider, {}).items():
        assert new.settings[name] == value
    row = mint.row()
    assert row["previous"]["version"] == 1
    assert (row["previous"]["masked"][-4:], row["staged"]) == (old.value[-4:], None)
    actions = [event["action"] for event in kojikey("audit", "--json", "--provider", provider).results]
    assert actions == ["added", "minted", "promoted", "revealed"]
    assert kojikey("audit", "--verify").code == 0


@pytest.mark.parametrize("provider", CREATING)
def test_the_previous_key_is_deleted_there_and_tested_until_it_is_refused(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    assert mint.mint().code == 0
    if provider == "google_gemini":
        return  # whose list does not show which the first one was
    new = mint.managed.keys[1]
    kept = mint.rotate("--retire", "--propagation", "0s", "--json")
    assert kept.code == 3  # a person made it, and nobody could be asked
    assert len(mint.managed.keys) == 2
    ended = mint.rotate("--retire", "--yes", "--propagation", "0s", "--json")
    assert ended.code == 0, ended.said
    assert ended.result["action"] == "retired"
    assert [key.value for key in mint.managed.keys] == [new.value]
    assert mint.row()["previous"] is None
    actions = [event["action"] for event in kojikey("audit", "--json", "--provider", provider).results]
    assert actions[-2:] == ["revoked_at_provider", "retired"]


@pytest.mark.parametrize("provider", CREATING)
def test_a_minted_key_is_retired_without_asking(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    assert mint.mint().code == 0
    if mint.row()["previous"].get("key_id") or provider == "perplexity":
        assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    again = mint.rotate("--mint", "--allow-wider", "--json")
    assert again.code == 0, again.said
    minted = [key for key in mint.managed.keys if key.name.startswith("kojikey")]
    ended = mint.rotate("--retire", "--propagation", "0s")
    assert ended.code == 0, ended.said
    assert [key for key in mint.managed.keys if key.name.startswith("kojikey")] == minted[1:]


@pytest.mark.external
@pytest.mark.parametrize("answer", ["n", "y"])
def test_on_a_terminal_the_person_is_asked_before_a_minted_key_is_deleted(kojikey: Program, answer: str) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert mint.mint().code == 0
    previous, current = mint.managed.keys
    with on_a_terminal(kojikey, "rotate", "xai", "--retire", "--propagation", "0s") as child:
        child.expect_exact(f"Delete the previous xai key ••••••••{previous.value[-4:]} ({previous.name})")
        child.sendline(answer)
        code, _ = end(child)
    assert (code, mint.managed.keys) == ((0, (current,)) if answer == "y" else (3, (previous, current)))


TROUBLES = [(provider, trouble) for provider in LISTING for trouble in ("lost", "garbage", "dropped", "failing")]
FEW_TROUBLES = [(provider, trouble) for provider, trouble in TROUBLES if provider == "xai" or trouble == "lost"]


@pytest.mark.parametrize(("provider", "trouble"), exhaustive_except(TROUBLES, FEW_TROUBLES))
def test_after_a_lost_answer_resume_leaves_one_new_key_and_no_orphan(
    kojikey: Program, provider: str, trouble: Any
) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.fail("create", trouble)
    ended = mint.mint("--json")
    assert ended.code == 4, ended.said
    assert "--resume" in ended.error["hint"]
    assert "--abort" in ended.error["hint"]
    current = kojikey("get", provider, "--reveal").out
    for blocked in (mint.rotate("--mint"), mint.rotate("--rollback"), mint.rotate("--stdin")):
        assert blocked.code in (5, 6), blocked.said  # 5: there is no previous version yet
    assert kojikey("get", provider, "--reveal").out == current
    resumed = mint.rotate("--resume", "--allow-wider", "--propagation", "0s", "--json")
    assert resumed.code == 0, resumed.said
    ours = [key for key in mint.managed.keys if key.name.startswith("kojikey")]
    assert [key.value for key in ours] == [kojikey("get", provider, "--reveal").out]


@pytest.mark.parametrize("provider", LISTING)
@pytest.mark.parametrize("trouble", ["lost", exhaustive("dropped")])
def test_after_a_lost_answer_abort_leaves_no_orphan(kojikey: Program, provider: str, trouble: Any) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.fail("create", trouble)
    assert mint.mint().code == 4
    aborted = mint.rotate("--abort", "--json")
    assert aborted.code == 0, aborted.said
    assert aborted.result["action"] == "aborted"
    assert mint.names == ["by hand"]
    assert mint.mint().code == 0


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("limit", 3), ("permission", 3), ("admin_key", 3), ("rate_limited", 4)],
)
@pytest.mark.parametrize("provider", ["xai", "elevenlabs"])
def test_after_a_refusal_nothing_is_created_or_unfinished(
    kojikey: Program, provider: str, trouble: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kojikey.providers.management.client.RETRIES", 0)
    mint = set_up(kojikey, provider)
    mint.managed.fail("create", trouble, times=None, detail="api.keys.write")
    ended = mint.mint("--json")
    assert ended.code == code, ended.said
    assert trouble != "permission" or "api.keys.write" in ended.error["message"]
    mint.managed.mend()
    assert mint.names == ["by hand"]
    assert mint.mint().code == 0


@pytest.mark.parametrize("provider", LISTING)
def test_a_key_that_is_refused_stays_staged_and_abort_deletes_it_at_the_provider(
    kojikey: Program, provider: str
) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.unknown_for = 1000
    ended = mint.mint("--json")
    assert ended.code == 4, ended.said
    assert ended.result["action"] == "staged"
    blocked = kojikey("set", provider, "--label", "x")
    assert blocked.code == 6, blocked.said
    assert kojikey("remove", provider, "--yes").code == 6
    aborted = mint.rotate("--abort", "--json")
    assert (aborted.code, aborted.result["action"]) == (0, "aborted"), aborted.said
    assert mint.names == ["by hand"]
    actions = [event["action"] for event in kojikey("audit", "--json", "--provider", provider).results]
    assert actions[-2:] == ["revoked_at_provider", "aborted"]
    assert kojikey("audit", "--verify").code == 0


def test_what_a_person_reads_about_a_refused_key_can_be_typed_and_says_what_became_of_it(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.unknown_for = 1000
    for ended in (mint.mint(), mint.rotate("--resume", "--propagation", "0s")):
        assert str(finish_or_discard("xai")) in ended.out
        assert ended.out.count("--resume") == 1
        assert "create another" not in ended.out
    key_id = mint.managed.keys[1].key_id
    assert f"the new key was deleted at xAI ({key_id})" in mint.rotate("--abort").out


def test_abort_without_revoking_forgets_the_key_and_prints_its_id(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.unknown_for = 1000
    assert mint.mint().code == 4
    key_id = mint.managed.keys[1].key_id
    ended = mint.rotate("--abort", "--no-revoke")
    assert ended.code == 0
    assert key_id in ended.said
    assert "https://console.x.ai" in ended.said
    assert len(mint.names) == 2


def test_abort_whose_deletion_fails_changes_nothing(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.providers.management.client.RETRIES", 0)
    mint = set_up(kojikey, "xai")
    mint.managed.unknown_for = 1000
    assert mint.mint().code == 4
    mint.managed.fail("delete", "failing", times=None)
    before = kojikey.contents()["list"]
    assert mint.rotate("--abort").code == 4
    assert kojikey.contents()["list"] == before
    mint.managed.mend()
    assert mint.rotate("--abort").code == 0


def test_an_orphan_that_is_listed_late_is_deleted_by_a_later_step(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    mint.managed.keys[1].is_hidden = True
    assert mint.rotate("--resume", "--propagation", "0s").code == 0
    assert len(mint.names) == 3
    mint.managed.mend()
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert [key.value for key in mint.managed.keys] == [kojikey("get", "xai", "--reveal").out]


def test_two_keys_that_fit_the_hint_are_listed_for_a_person_to_choose(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    old = mint.managed.keys[0]
    mint.managed.add(old.value, name="its double", **old.settings)
    ended = mint.mint("--json")
    assert ended.code == 2
    assert "--like" in ended.error["hint"]
    assert len(mint.names) == 2
    assert mint.mint("--like", old.key_id).code == 0


def test_a_template_is_not_treated_as_the_key_in_use(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    other = mint.managed.add(
        "xai-another-0123456789abcdef", name="template", acls=["api-key:model:*", "api-key:endpoint:*"]
    )
    assert mint.mint("--like", other.key_id).code == 0
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert "template" in mint.names
    assert len(mint.names) == 2


def test_wider_permissions_need_an_answer(kojikey: Program) -> None:
    mint = set_up(kojikey, "openai")
    ended = mint.rotate("--mint", "--json")
    assert ended.code == 3
    assert "--allow-wider" in ended.error["hint"]
    assert "permissions" in ended.err
    assert mint.names == ["by hand"]
    assert mint.rotate("--mint", "--allow-wider").code == 0


def test_without_an_admin_key_nothing_is_created(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai", with_admin=False)
    ended = mint.mint("--json")
    assert ended.code == 5
    assert "kojikey add xai_admin" in ended.error["hint"]


def test_the_admin_key_of_another_account_can_be_named(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai", with_admin=False)
    assert kojikey.add("xai_admin", "ok", "--account", "ops").code == 0
    assert mint.mint("--admin-account", "ops").code == 0


@pytest.mark.parametrize("provider", ["groq", "huggingface", "anthropic"])
def test_without_an_api_the_page_where_a_person_creates_the_key_is_named(kojikey: Program, provider: str) -> None:
    kojikey.added(provider)
    ended = kojikey("rotate", provider, "--mint", "--json")
    assert ended.code == 2
    assert "https://" in ended.error["hint"]


def test_the_previous_key_is_retired_before_another_is_made(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    again = mint.mint("--json")
    assert again.code == 6
    assert "--retire" in again.error["hint"]
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert mint.mint().code == 0
    by_hand = kojikey.rotate("xai", "ok_2", "--json")
    assert by_hand.code == 6  # it would forget a minted key that still works
    assert "--retire" in by_hand.error["hint"]


def test_an_admin_key_goes_to_its_management_host_alone(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    kojikey.sandbox.forget()
    assert mint.mint().code == 0
    admin = kojikey.key("xai_admin").key[-4:]
    with_admin = {request.provider for request in kojikey.sandbox.requests if (request.masked or "").endswith(admin)}
    assert with_admin == {"xai_admin"}


def test_an_id_that_was_changed_in_the_store_deletes_nothing(kojikey: Program) -> None:
    import sqlite3

    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    other = mint.managed.add("xai-somebody-elses-0123456789", name="somebody else's")
    database = sqlite3.connect(kojikey.home / "keys.db")
    table, column = _document_column(database)
    for rowid, text in database.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
        document = json.loads(text)
        for version in document.get("versions", ()):
            if version.get("at_provider"):
                version["at_provider"] |= {"key_id": other.key_id, "is_minted": True}
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (json.dumps(document), rowid))
    database.commit()
    database.close()
    ended = mint.rotate("--retire", "--yes", "--propagation", "0s")
    assert ended.code == 8, ended.said
    assert len(mint.names) == 3


def _document_column(database: Any) -> tuple[str, str]:
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for column in columns:
            found = database.execute(f"SELECT {column} FROM {table} LIMIT 50").fetchall()
            if any(isinstance(value, str) and '"versions"' in value for (value,) in found):
                return table, column
    raise AssertionError("no table of documents")


def test_a_key_that_is_left_at_the_provider_is_tested_once_and_not_waited_for(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    kojikey.sandbox.forget()
    assert mint.rotate("--retire").code == 3  # the default propagation is five minutes
    assert [request.path for request in kojikey.sandbox.requests if request.provider == "xai"] == ["/v1/api-key"]


@pytest.mark.parametrize("provider", CREATING)
def test_no_key_is_shown_or_stored_in_plain_text(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.unknown_for = 1
    said = mint.mint("--json").said + mint.rotate("--resume", "--propagation", "0s").said
    mint.managed.fail("delete", "failing", times=None)
    said += (
        mint.rotate("--retire", "--yes", "--propagation", "0s", "--timeout", "1").said
        + kojikey("history", provider).said
    )
    files = b"".join(path.read_bytes() for path in kojikey.home.rglob("*") if path.is_file())
    for key in mint.managed.keys:
        assert not pieces_in(key.value, said)
        assert key.value.encode() not in files


def test_a_provider_that_sends_the_keys_back_has_them_scrubbed() -> None:
    from kojikey.providers.answers.evidence import Answer
    from kojikey.providers.answers.scrub import Scrubber
    from kojikey.providers.management.failures import failure_of

    key = "pplx-0123456789abcdef0123456789abcdef"
    answer = Answer(
        400, {"content-type": "application/json"}, f'{{"error": {{"message": "bad {key}\\u001b[31m"}}}}'.encode()
    )
    told = str(failure_of("Perplexity", answer, Scrubber(key), is_change=True))
    assert not pieces_in(key, told)
    assert "\x1b" not in told


def test_anthropics_previous_key_is_made_inactive_after_a_rotation_by_hand(kojikey: Program) -> None:
    mint = set_up(kojikey, "anthropic")
    mint.managed.add(kojikey.key("anthropic", "ok_2").key, name="the new one")
    assert kojikey.rotate("anthropic", "ok_2").code == 0
    ended = mint.rotate("--retire", "--yes", "--propagation", "0s", "--json")
    assert ended.code == 0, ended.said
    assert {key.name: key.is_disabled for key in mint.managed.keys} == {"by hand": True, "the new one": False}
    assert ended.result["key_id"] == mint.managed.keys[0].key_id


def test_googles_key_in_use_has_to_be_named_until_its_id_is_known(kojikey: Program) -> None:
    mint = set_up(kojikey, "google_gemini")
    unnamed = mint.rotate("--mint", "--json")
    assert unnamed.code == 2
    assert "--like" in unnamed.error["hint"]
    assert mint.mint().code == 0
    assert mint.rotate("--mint", "--propagation", "0s").code == 0  # the one that was minted is known
    assert not [request for request in kojikey.sandbox.requests if "lookupKey" in request.path]
