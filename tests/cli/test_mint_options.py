"""What is named for a new key (its like, its parent), what it is called, and what is said of keys that are left."""

from __future__ import annotations

import re

import pytest

from support.minting import LISTING, Mint, set_up
from support.program import Program

UNIQUE = r"v2 [0-9a-f]{8}"


# --- --like and --parent ---


@pytest.mark.parametrize("provider", LISTING)
@pytest.mark.parametrize("option", ["--like", "--parent"])
@pytest.mark.parametrize("named", ["no-such-id", "accounts/../users/x"])
def test_an_unknown_key_id_or_parent_is_exit_5_and_not_repeated(
    kojikey: Program, provider: str, option: str, named: str
) -> None:
    mint = set_up(kojikey, provider)
    like = mint.like() if option == "--parent" else ()
    ended = mint.rotate("--mint", "--allow-wider", *like, option, named, "--json")
    is_unclear = provider == "google_gemini" and option == "--like" and named == "no-such-id"
    assert ended.code == (2 if is_unclear else 5), ended.said
    assert named not in ended.said
    assert ended.error["message"].endswith("nothing was created") or is_unclear
    assert f"{option} takes" in ended.error["hint"] or is_unclear
    assert mint.names == ["by hand"]
    assert mint.row()["staged"] is None


def test_googles_key_can_be_named_by_its_id_and_its_project(kojikey: Program) -> None:
    mint = set_up(kojikey, "google_gemini")
    short = mint.managed.keys[0].key_id.rpartition("/")[2]
    alone = mint.rotate("--mint", "--like", short, "--json")
    assert alone.code == 2
    assert "--parent PROJECT" in alone.error["hint"]
    for project in ("my-project", "projects/my-project"):
        assert mint.rotate("--mint", "--like", short, "--parent", project, "--propagation", "0s").code == 0
        assert kojikey("rotate", "google_gemini", "--retire", "--force", "--no-revoke", "--no-input").code == 0


@pytest.mark.parametrize("option", ["--like", "--parent"])
def test_like_or_parent_is_exit_2_where_the_provider_has_none(kojikey: Program, option: str) -> None:
    mint = set_up(kojikey, "perplexity")
    ended = mint.mint(option, "anything", "--json")
    assert ended.code == 2
    assert option in ended.error["message"]
    assert mint.names == ["by hand"]


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("provider", ["elevenlabs", "openai", "fireworks", "mistral"])
def test_the_new_key_belongs_to_the_parent_that_was_named(kojikey: Program, provider: str, is_named: bool) -> None:
    mint = set_up(kojikey, provider)
    other = mint.managed.parents[1]
    mint.managed.add("somebody-elses-0123456789", name="somebody else's", parent=other)  # Mistral lists keys alone
    like = ("--like", mint.managed.keys[0].key_id) if is_named else ()
    ended = mint.mint("--parent", other, *like, "--json")
    assert ended.code == 0, ended.said
    assert (mint.managed.keys[-1].parent, ended.result["parent"]) == (other, other)
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    again = mint.mint("--json")
    assert (again.code, again.result["parent"]) == (0, other), again.said


def test_the_next_step_for_the_previous_key_is_printed(kojikey: Program) -> None:
    for provider, told in (
        ("xai", "--retire deletes the previous one"),
        ("google_gemini", "revoke the old key at https"),
    ):
        ended = set_up(kojikey, provider).mint()
        assert ended.code == 0
        assert told in ended.out


# --- names ---


@pytest.mark.parametrize("provider", ["xai", "google_gemini", "openai", "elevenlabs"])
@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("anna.example+test@customer-of-ours.example", "anna.example+test"),
        ("acme", "acme"),
        ("a" * 128, "a" * 82),
        ("x@y@z.example", "x"),
    ],
)
def test_of_an_account_the_beginning_is_sent_and_of_an_address_the_part_before_the_at(
    kojikey: Program, provider: str, account: str, shown: str
) -> None:
    kojikey.environ["KOJIKEY_ACCOUNT"] = account
    mint = set_up(kojikey, provider)
    assert mint.mint().code == 0
    name = mint.managed.keys[1].name
    longest = 63 if provider == "google_gemini" else 100
    found = re.fullmatch(rf"kojikey (\S+) {UNIQUE}", name)
    assert found is not None
    assert found[1] == shown[: longest - len("kojikey  v2 01234567")]
    assert len(name) <= longest
    assert "customer-of-ours" not in "".join(key.name for key in mint.managed.keys)


# --- keys that are left at the provider ---


def test_after_a_lost_answer_the_name_and_page_of_a_perplexity_key_are_printed(kojikey: Program) -> None:
    mint = set_up(kojikey, "perplexity")
    mint.managed.fail("create", "lost")
    ended = mint.mint("--json")
    assert ended.code == 4
    page = kojikey("providers", "perplexity", "--json").result["keys_page"]
    lost = mint.names[1]
    assert lost in ended.error["message"]
    assert page in ended.error["message"]
    for end in (("--abort",), ("--resume", "--propagation", "0s")):
        finished = mint.rotate(*end)
        assert finished.code == 0, finished.said
        assert lost in finished.err
        assert page in finished.err
        if end == ("--abort",):
            mint.managed.fail("create", "lost")
            assert mint.mint().code == 4
            lost = mint.names[2]


def test_a_service_account_of_openai_with_other_keys_is_not_deleted_and_its_page_is_named(kojikey: Program) -> None:
    mint = set_up(kojikey, "openai")
    assert mint.mint().code == 0
    new = mint.managed.keys[1]
    mint.managed.add("sk-svcacct-another-0123456789").owner = new.owner
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert mint.mint().code == 0
    for command in (("rotate", "openai", "--retire"), ("remove", "openai", "--revoke", "--yes")):
        ended = kojikey(*command, "--no-input", "--json")
        assert ended.code == 3, ended.said
        assert kojikey("providers", "openai", "--json").result["keys_page"] in ended.error["hint"]
    assert len(mint.names) == 3
    assert mint.row()["previous"]["key_id"] == new.key_id


def test_without_revoking_the_previous_key_is_only_tested(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    assert mint.rotate("--retire", "--yes", "--no-revoke").code == 3
    assert len(mint.names) == 2
    kojikey.sandbox.revoke(mint.managed.keys[0].value)
    assert mint.rotate("--retire", "--no-revoke").code == 0
    assert mint.row()["previous"] is None
    assert len(mint.names) == 2


def lost(kojikey: Program) -> tuple[Mint, str]:
    """Return a key of which a new one was made whose answer was lost, and which the provider does not list."""
    mint = set_up(kojikey, "xai")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    mint.managed.keys[1].is_hidden = True
    assert mint.rotate("--resume", "--propagation", "0s").code == 0
    return mint, mint.managed.keys[1].name


@pytest.mark.parametrize(
    "command", [("remove", "xai", "--yes"), ("account", "remove", "default", "--confirm", "default")]
)
def test_a_removal_names_the_keys_that_still_work_and_those_that_may_exist(
    kojikey: Program, command: tuple[str, ...]
) -> None:
    mint, name = lost(kojikey)
    ended = kojikey(*command)
    assert ended.code == 0, ended.said
    assert mint.managed.keys[2].key_id in ended.out
    assert name in ended.out
    assert "https://console.x.ai" in ended.out
    assert "still works" in ended.out or "still accepts" in ended.out
    assert len(mint.names) == 3


REMOVALS = [("remove", "xai", "--yes"), ("account", "remove", "default", "--confirm", "default")]


@pytest.mark.parametrize("command", REMOVALS)
def test_json_names_the_keys_that_still_work_and_those_that_may_exist(
    kojikey: Program, command: tuple[str, ...]
) -> None:
    mint, name = lost(kojikey)
    left = kojikey(*command, "--json").result["left_at_provider"]
    shown = [(row["provider"], row["key_id"], row["name"], row["manage_url"]) for row in left]
    assert ("xai", mint.managed.keys[2].key_id, None, "https://console.x.ai") in shown
    assert ("xai", None, name, "https://console.x.ai") in shown


@pytest.mark.parametrize("command", REMOVALS)
def test_quiet_hides_no_id_that_nobody_shows_again(kojikey: Program, command: tuple[str, ...]) -> None:
    mint, name = lost(kojikey)
    ended = kojikey(*command, "--quiet")
    assert mint.managed.keys[2].key_id in ended.out
    assert name in ended.out
    assert "built-in allocation" not in ended.out


def test_json_of_a_revoking_removal_names_the_versions_that_are_still_there(kojikey: Program) -> None:
    kojikey.add("elevenlabs", "ok")
    assert kojikey.add("elevenlabs_admin", "ok").code == 0
    left = kojikey("remove", "elevenlabs", "--yes", "--revoke", "--json").result["left_at_provider"]
    assert [(row["version"], row["key_id"]) for row in left] == [(1, None)]
    assert left[0]["manage_url"].startswith("https://elevenlabs.io/")


def test_a_removal_with_revoke_looks_for_lost_keys_again(kojikey: Program) -> None:
    mint, _ = lost(kojikey)
    mint.managed.mend()
    assert kojikey("remove", "xai", "--yes", "--revoke").code == 0
    assert mint.names == []


def test_a_failed_search_for_lost_keys_stops_no_step_that_does_not_need_it(kojikey: Program) -> None:
    mint, _ = lost(kojikey)
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    kojikey.sandbox.fault("xai", "down")
    assert kojikey.rotate("xai", "ok_2", "--no-input").code == 4
    kojikey.sandbox.mend()
    assert kojikey("remove", "xai_admin", "--yes").code == 0
    ended = mint.rotate("--resume")
    assert ended.code == 0, ended.said
    assert "was not looked for" in ended.err
    assert kojikey("get", "xai", "--reveal").out == kojikey.key("xai", "ok_2").key


@pytest.mark.parametrize("command", [("rotate", "xai", "--retire"), ("remove", "xai", "--revoke", "--yes")])
def test_a_deletion_that_the_provider_refuses_says_that_the_store_was_not_changed(
    kojikey: Program, command: tuple[str, ...]
) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    before = kojikey.contents()
    mint.managed.fail("delete", "rate_limited", times=None)
    ended = kojikey(*command, "--yes", "--no-input", "--json")
    assert (ended.code, kojikey.contents()) == (4, before), ended.said
    assert ended.error["message"].endswith("; the store was not changed")


# --- options where they do not count ---


@pytest.mark.parametrize(
    ("words", "code", "typed"),
    [
        (("rotate", "xai", "--like", "x"), 2, "kojikey rotate xai --mint --like KEY-ID"),
        (("rotate", "xai", "--no-revoke"), 2, "kojikey rotate xai --retire --no-revoke"),
        (("rotate", "--grace", "1h"), 2, "kojikey rotate --due --grace 24h"),
        (("rotate", "xai", "--mint", "--label", "x"), 2, "kojikey set xai"),
        (("rotate", "--due", "--all-accounts", "--account", "acme"), 2, "kojikey rotate --due --all-accounts"),
        (("remove", "xai", "--yes", "--admin-account", "acme"), 2, "kojikey remove PROVIDER --revoke --admin-account"),
    ],
)
def test_an_option_without_its_step_is_refused_with_the_command_where_it_counts(
    kojikey: Program, words: tuple[str, ...], code: int, typed: str
) -> None:
    set_up(kojikey, "xai")
    before = kojikey.snapshot()
    ended = kojikey(*words, "--json")
    assert (ended.code, kojikey.snapshot()) == (code, before)
    assert typed in ended.error["hint"]


@pytest.mark.parametrize("option", ["--like", "--parent"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("0f8e" * 16, 5),  # OpenRouter's "hash"
        ("proj_5hVqzD9eJqV2qPpP3nQkSpjZ", 5),  # OpenAI
        ("apikey_01Rj2N8SVvo6BePZj99NhmiT", 5),  # Anthropic
        ("sk-proj-" + "a1B2" * 12, 2),
    ],
)
def test_an_id_of_a_provider_is_not_taken_for_a_key(kojikey: Program, option: str, value: str, code: int) -> None:
    ended = kojikey("rotate", "openrouter", "--mint", option, value)
    assert ended.code == code, ended.said
    assert value not in ended.said
