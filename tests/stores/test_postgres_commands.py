"""The commands on a PostgreSQL store: init, grant and revoke, who the audit trail names, and no password shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from kojikey.testing import Sandbox
from support.program import Program
from support.servers.postgres import Server

CANARY = "CANARY-of-a-password"


@pytest.fixture
def url(postgres: Server, database: str) -> str:
    return postgres.url(database)


@pytest.fixture
def team(kojikey: Program, url: str) -> Program:
    """Return the program with a PostgreSQL store of two accounts in use."""
    made = kojikey("store", "init", url, "--kek", "env", "--name", "team", "--json")
    assert made.code == 0, made.said
    assert made.result["action"] == "created"
    kojikey.environ["KOJIKEY_STORE"] = "team"
    for account in ("acme", "beta"):
        kojikey.added("elevenlabs", "ok", "--account", account)
    return kojikey


@pytest.fixture
def bob(postgres: Server, team: Program) -> Iterator[str]:
    with postgres.temporary_role() as name:
        yield name


@pytest.fixture
def as_bob(postgres: Server, database: str, team: Program, bob: str) -> Program:
    """Return the program as the role bob, which has no grant yet."""
    environ = {**team.environ, "KOJIKEY_STORE": postgres.url(database, bob)}
    return Program(team.home, team.sandbox, environ)


def test_init_is_safe_to_repeat(team: Program, url: str) -> None:
    again = team("store", "init", url, "--kek", "env", "--json", KOJIKEY_STORE=None)
    assert (again.code, again.result["action"]) == (0, "exists")
    other = team(
        "store", "init", url, "--kek", "env:OTHER", "--json", KOJIKEY_STORE=None, OTHER=team.environ["KOJIKEY_KEK"]
    )
    assert other.code == 6
    assert "store rekey" in other.error["hint"]


def test_the_hint_about_a_missing_store_can_be_typed(kojikey: Program, url: str) -> None:
    ended = kojikey("list", "--store", url, "--json")
    assert ended.code == 5
    command = shlex.split(ended.error["hint"].replace("SOURCE", "env"))
    assert command[0] == "kojikey"
    assert kojikey(*command[1:]).code == 0
    assert kojikey("list", "--store", url).code == 0


def test_a_role_can_use_its_granted_accounts_and_sees_no_others(
    team: Program, as_bob: Program, bob: str, sandbox: Sandbox
) -> None:
    before = as_bob("list", "--all-accounts", "--json")
    assert before.code == 7
    assert f"the role {bob}, which lacks USAGE" in before.error["message"]
    named = as_bob("list", "--all-accounts", "--json", "--store", as_bob.environ["KOJIKEY_STORE"], KOJIKEY_STORE=None)
    for refused in (before, named):  # the owner cannot use bob's URL
        command = f"kojikey store grant ACCOUNT {bob} --store STORE"
        assert refused.error["hint"] == f"the owner of the store runs: {command}"
    granted = team("store", "grant", "acme", bob, "--json")
    assert granted.result == {"account": "acme", "role": bob, "action": "granted", "audit_signed": True}
    assert [row["account"] for row in as_bob("list", "--all-accounts", "--json").results] == ["acme"]
    new = team.key("elevenlabs", "ok_2")
    rotated = as_bob("rotate", "elevenlabs", "--account", "acme", "--stdin", "--json", stdin=new.key)
    assert (rotated.code, rotated.result["action"]) == (0, "rotated")
    got = team("get", "elevenlabs", "--reveal", "--account", "acme")
    assert got.out == new.key
    assert as_bob("get", "elevenlabs", "--reveal", "--account", "beta").code == 5
    other = team.key("elevenlabs", "ok")
    arguments = ("add", "elevenlabs", "--account", "gamma", "--stdin", "--base-url", other.base_url, "--json")
    refused = as_bob(*arguments, stdin=other.key)
    assert refused.code == 7
    assert bob in refused.error["message"]


def test_the_audit_trail_names_the_role_of_the_database(team: Program, as_bob: Program, bob: str) -> None:
    team("store", "grant", "acme", bob)
    as_bob("remove", "elevenlabs", "--account", "acme", "--yes")
    team("store", "revoke", "acme", bob)
    events = team("audit", "--account", "acme", "--json").results
    actors = [(event["action"], event["actor"].partition(" as ")[2], event.get("role")) for event in events]
    assert actors == [
        ("added", "postgres", None), ("granted", "postgres", bob), ("removed", bob, None), ("revoked", "postgres", bob),
    ]  # fmt: skip
    assert all("@" in event["actor"] for event in events)
    assert team("audit", "--verify", "--all-accounts").code == 0
    assert bob in team("audit", "--account", "acme").out


def test_a_grant_that_exists_is_reported_and_leaves_no_event(team: Program, bob: str) -> None:
    assert team("store", "revoke", "acme", bob, "--json").result["action"] == "unchanged"
    assert "granted" in team("store", "grant", "acme", bob, "--json").result["action"]
    assert team("store", "grant", "acme", bob, "--json").result["action"] == "unchanged"
    assert [event["action"] for event in team("audit", "--account", "acme", "--json").results] == ["added", "granted"]


def test_a_repeated_grant_restores_the_privileges(
    team: Program, as_bob: Program, bob: str, postgres: Server, database: str
) -> None:
    team("store", "grant", "acme", bob)
    postgres.sql(f"REVOKE ALL ON kojikey.keys FROM {bob}", database=database)
    assert as_bob("list", "--all-accounts").code == 7
    team("store", "grant", "acme", bob)
    assert as_bob("list", "--all-accounts").code == 0


def test_a_revoked_role_sees_nothing_any_more(team: Program, as_bob: Program, bob: str) -> None:
    team("store", "grant", "acme", bob)
    revoked = team("store", "revoke", "acme", bob, "--json").result
    assert (revoked["action"], revoked["still_through"]) == ("revoked", [])
    assert as_bob("list", "--all-accounts").code == 7


def test_revoking_names_a_role_that_still_sees_the_account(
    team: Program, as_bob: Program, bob: str, postgres: Server
) -> None:
    with postgres.temporary_role() as crew:
        postgres.sql(f"GRANT {crew} TO {bob}")
        team("store", "grant", "acme", crew)
        for grants in (1, 0):
            if grants:
                team("store", "grant", "acme", bob)
            ended = team("store", "revoke", "acme", bob)
            assert ended.code == 0
            assert f"it still sees account acme, as a member of {crew}" in ended.out
        assert as_bob("list", "--account", "acme").code == 0
        assert team("store", "revoke", "acme", bob, "--json").result["still_through"] == [crew]
        team("store", "revoke", "acme", crew)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE kojikey.accounts SET document = '{}' WHERE account = 'acme'",
        "DELETE FROM kojikey.accounts WHERE account = 'acme'",
        "INSERT INTO kojikey.events SELECT account, max(seq) + 1, NULL, NULL, 'x', '{}' FROM kojikey.events"
        " WHERE account = 'acme' GROUP BY 1",
    ],
)
def test_a_role_can_be_revoked_from_an_account_changed_outside_kojikey(
    team: Program, as_bob: Program, bob: str, postgres: Server, database: str, damage: str
) -> None:
    team("store", "grant", "acme", bob)
    postgres.sql(damage, database=database)
    ended = team("store", "revoke", "acme", bob, "--json")
    assert (ended.code, ended.result["action"], ended.result["audit_signed"]) == (0, "revoked", False)
    assert "changed outside kojikey" in ended.err
    assert as_bob("list", "--all-accounts").code == 7


SAVE = "CREATE TABLE public.saved_{0} AS SELECT * FROM kojikey.{0} WHERE account = 'acme'"
PUT_BACK = "DELETE FROM kojikey.{0} WHERE account = 'acme'; INSERT INTO kojikey.{0} SELECT * FROM public.saved_{0}"


def test_an_account_restored_from_a_backup_is_found_by_each_role_that_sees_it(
    team: Program, as_bob: Program, bob: str, postgres: Server, database: str
) -> None:
    for account in ("acme", "beta"):
        team("store", "grant", account, bob)
    for table in ("accounts", "keys", "events"):
        postgres.sql(SAVE.format(table), database=database)
    assert team.rotate("elevenlabs", "ok_2", "--no-test", "--account", "acme").code == 0
    assert as_bob("audit", "--verify").code == 0
    assert team("audit", "--verify", "--all-accounts").code == 0
    postgres.sql("ALTER TABLE kojikey.events DISABLE TRIGGER ALL", database=database)
    for table in ("accounts", "keys", "events"):
        postgres.sql(PUT_BACK.format(table), database=database)
    for who in (team, as_bob):
        ended = who("audit", "--verify", "--json")
        assert ended.code == 8, ended.said
        assert "account acme" in ended.error["message"]
        assert "rolled back to an earlier state" in ended.error["message"]
        assert [row["account"] for row in ended.results if row["verified"]] == ["beta"]


def test_accounts_that_a_role_no_longer_sees_are_not_reported_to_it_as_missing(
    team: Program, as_bob: Program, bob: str
) -> None:
    for account in ("acme", "beta"):
        team("store", "grant", account, bob)
    assert as_bob("audit", "--verify").code == 0
    team("store", "revoke", "beta", bob)
    assert team("audit", "--verify").code == 0  # and remembers beta in the same data folder
    ended = as_bob("audit", "--verify", "--json")
    assert [(row["account"], row["verified"]) for row in ended.results] == [("acme", True)]
    assert as_bob("audit", "--verify", "--account", "beta").code == 5


def test_removing_an_account_takes_its_grants_with_it(team: Program, as_bob: Program, bob: str) -> None:
    team("store", "grant", "acme", bob)
    assert team("account", "remove", "acme", "--confirm", "acme").code == 0
    assert as_bob("list", "--all-accounts").code == 7
    events = team("audit", "--account", "acme", "--json").results
    assert [event["action"] for event in events] == ["added", "granted", "revoked", "removed"]
    team.added("elevenlabs", "ok", "--account", "acme")
    assert as_bob("list", "--all-accounts").code == 7
    assert team("audit", "--verify", "--all-accounts").code == 0


def test_a_granted_role_can_add_the_first_key_of_its_account(team: Program, as_bob: Program, bob: str) -> None:
    team("account", "remove", "beta", "--confirm", "beta")
    team("store", "grant", "beta", bob)
    as_bob.added("elevenlabs", "ok", "--account", "beta")
    assert as_bob("get", "elevenlabs", "--account", "beta", "--reveal").code == 0
    assert team("audit", "--verify", "--all-accounts").code == 0


def test_many_grants_at_once_all_succeed(team: Program, postgres: Server) -> None:
    with ExitStack() as stack:
        roles = [stack.enter_context(postgres.temporary_role()) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            ended = list(pool.map(lambda role: team.installed("store", "grant", "acme", role), roles))
            assert [one.code for one in ended] == [0] * 4, [one.said for one in ended]
            ended = list(pool.map(lambda role: team.installed("store", "revoke", "acme", role), roles))
            assert [one.code for one in ended] == [0] * 4, [one.said for one in ended]


def test_an_account_may_be_granted_before_it_has_a_key(team: Program, as_bob: Program, bob: str) -> None:
    team("store", "grant", "gamma", bob)
    as_bob.added("elevenlabs", "ok", "--account", "gamma")
    assert team("audit", "--verify", "--account", "gamma").code == 0


def test_without_the_kek_a_grant_is_recorded_unsigned(team: Program, bob: str) -> None:
    for verb, action in (("grant", "granted"), ("revoke", "revoked")):
        ended = team("store", verb, "acme", bob, "--json", KOJIKEY_KEK=None)
        assert (ended.result["action"], ended.result["audit_signed"]) == (action, False)
    verified = team("audit", "--verify", "--account", "acme", "--json")
    assert verified.code == 0
    assert verified.document["summary"]["unsigned"] == 2
    assert team("store", "grant", "delta", bob, "--json", KOJIKEY_KEK=None).code == 5  # has no data key, and gets none


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("acme",), 2, "missing argument ROLE"),
        (("acme", "bob", "eve"), 2, "takes no further argument"),
        ((), 2, "missing argument ACCOUNT"),
        (("ACME!", "bob"), 2, "not an account name"),
        (("acme", ""), 2, "not the name of a role"),
        (("acme", "x" * 64), 2, "not the name of a role"),
        (("acme", "nobody-there"), 5, "no such role"),
        (("acme", 'bob"; DROP SCHEMA kojikey CASCADE; --'), 5, "no such role"),
        (("acme", "postgres"), 2, "administers this store"),
    ],
)
def test_an_invalid_grant_is_refused(team: Program, arguments: tuple[str, ...], code: int, words: str) -> None:
    before = team.contents()
    for verb in ("grant", "revoke"):
        ended = team("store", verb, "--json", *arguments)
        assert ended.code == code, ended.said
        assert words in ended.error["message"]
    assert team.contents() == before


def test_a_role_name_that_needs_quotes_is_taken_literally(team: Program, postgres: Server) -> None:
    name = 'Bob "the" Builder; --'
    quoted = '"' + name.replace('"', '""') + '"'
    postgres.sql(f"CREATE ROLE {quoted}")
    assert team("store", "grant", "acme", name, "--json").result["role"] == name
    assert team("store", "revoke", "acme", name, "--json").result["action"] == "revoked"
    postgres.sql(f"DROP ROLE {quoted}")  # which nothing depends on any more


def test_granting_in_a_store_without_roles_is_refused(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("store", "grant", "default", "bob", "--json")
    assert ended.code == 2
    assert "has no roles" in ended.error["message"]


@pytest.mark.parametrize(
    "arguments",
    [("store", "grant", "beta", "BOB"), ("store", "revoke", "acme", "BOB"), ("store", "rekey", "--kek", "env:OTHER")],
)
def test_commands_of_the_owner_are_refused_to_roles(
    team: Program, as_bob: Program, bob: str, arguments: tuple[str, ...]
) -> None:
    team("store", "grant", "acme", bob)
    before = team.contents()
    words = [bob if word == "BOB" else word for word in arguments]
    ended = as_bob(*words, "--json", OTHER="A" * 43)
    assert ended.code == 7
    assert f"lets only its owner do that, not the role {bob}; nothing was changed" in ended.error["message"]
    assert team.contents() == before


def test_the_owner_of_an_account_cannot_enable_it(team: Program, as_bob: Program, bob: str) -> None:
    team("store", "grant", "acme", bob)
    assert team("account", "disable", "acme").code == 0
    refused = as_bob("account", "enable", "acme", "--json")
    assert refused.code == 7
    assert "only the store's owner can enable it" in refused.error["message"]
    assert as_bob("list", "elevenlabs", "--account", "acme", "--json").code == 0
    assert team("account", "enable", "acme").code == 0


def test_info_names_the_place_the_role_and_the_other_roles(team: Program, bob: str) -> None:
    team("store", "grant", "acme", bob)
    info = team("store", "info", "--json").result
    assert info["engine"] == "PostgreSQL"
    assert info["counts"] == {"accounts": 2, "keys": 2, "events": 3}
    details = info["details"]
    assert (details["role"], details["schema version"]) == ("postgres", "2")
    assert details["granted to"] == f"{bob} (1 account)"
    assert details["server"].startswith("PostgreSQL 1")
    assert "not encrypted (loopback)" in details["connection"]
    assert team("doctor", "--json").code == 0


@pytest.mark.parametrize("form", ["postgresql://koji:{}@127.0.0.1:1/keys", "postgresql://127.0.0.1:1/keys?password={}"])
def test_a_password_on_the_command_line_is_refused(kojikey: Program, form: str) -> None:
    url = form.format(CANARY)
    for arguments in (("list", "--store", url), ("store", "init", url, "--kek", "env"), ("store", "info", "-s", url)):
        ended = kojikey(*arguments, "--json")
        assert ended.code == 2, ended.said
        assert "command line" in ended.error["message"]
        assert CANARY not in ended.said
    assert not [path for path in kojikey.home.rglob("*") if path.is_file() and CANARY in path.read_text()]


@pytest.mark.parametrize("form", ["postgresql://koji:{}@127.0.0.1:1/keys", "postgresql://127.0.0.1:1/keys?password={}"])
def test_a_password_in_the_environment_or_the_configuration_is_used_and_not_shown(kojikey: Program, form: str) -> None:
    url = form.format(CANARY)
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text(f'[stores.team]\nurl = "{url}"\n')
    (kojikey.home / "config.toml").chmod(0o600)
    for environ in ({"KOJIKEY_STORE": url}, {"KOJIKEY_STORE": "team"}):
        for command in (("list",), ("store", "info"), ("doctor",), ("audit",), ("run", "--", "true")):
            for more in ((), ("--json",)) if command[0] != "run" else ((),):
                ended = kojikey(*command, *more, **environ)
                assert ended.code == 7, ended.said
                assert CANARY not in ended.said
