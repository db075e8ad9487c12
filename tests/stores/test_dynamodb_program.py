"""The program on DynamoDB with its KEK in KMS: all commands, several processes at once, and its messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.exhaustive import exhaustive
from support.program import Program
from support.servers.aws import REGION, Aws, new_table


@pytest.fixture
def team(kojikey: Program, aws: Aws) -> Program:
    """Return the program with a store named ``team`` in use."""
    kojikey.environ |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    kek = f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"
    url = aws.url()
    made = kojikey("store", "init", url, "--name", "team", "--kek", kek)
    assert made.code == 0, made.said
    again = kojikey("store", "init", url, "--kek", kek)
    assert (again.code, "exists already" in again.out) == (0, True)
    kojikey.environ["KOJIKEY_STORE"] = "team"
    del kojikey.environ["KOJIKEY_KEK"]
    return kojikey


def test_a_key_can_be_added_tested_rotated_used_and_removed(team: Program) -> None:
    key = team.added()
    assert team("test").code == 0
    assert team.rotate().code == 0
    assert [result["stage"] for result in team("history", "elevenlabs", "--json").results] == ["current", "previous"]
    assert team("rotate", "elevenlabs", "--rollback").code == 0
    ran = team.installed("run", "--", sys.executable, "-c", "import os; print(os.environ['ELEVENLABS_API_KEY'])")
    assert ran.out.strip() == key.key, ran.said
    assert team("audit", "--verify").code == 0
    assert team("doctor").code == 0
    assert team("account", "disable", "default").code == 0
    assert {found["source"] for found in team("list", "--json").results} == {"built_in"}
    assert team("account", "enable", "default").code == 0
    assert team("remove", "elevenlabs", "--yes").code == 0
    assert team("list", "--all-accounts", "--json").results == []


def test_a_partition_restored_from_a_backup_is_found(team: Program, aws: Aws) -> None:
    team.added()
    (table,) = [row["url"] for row in team("store", "list", "--json").results if row["name"] == "team"]
    table = table.removeprefix("dynamodb://").partition("?")[0]
    client = aws.client("dynamodb")
    try:
        before = client.scan(TableName=table)["Items"]
        assert team.rotate().code == 0
        assert team("audit", "--verify").code == 0
        for item in client.scan(TableName=table)["Items"]:
            client.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
        for item in before:
            client.put_item(TableName=table, Item=item)
    finally:
        client.close()
    ended = team("audit", "--verify", "--json")
    assert ended.code == 8, ended.said
    assert "account default" in ended.error["message"]
    assert "rolled back to an earlier state" in ended.error["message"]


@pytest.mark.parametrize("many", [2, exhaustive(3)])
def test_concurrent_rotations_are_each_whole_and_none_is_lost(team: Program, many: int) -> None:
    for number in range(many):
        assert team.add("elevenlabs", "ok", "--account", f"a{number}").code == 0
    key = team.key("elevenlabs", "ok_2")
    commands = [("rotate", "elevenlabs", "--stdin", "--account", f"a{number % many}") for number in range(many * many)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "kojikey", *command],
            env=team.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command in commands
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(key.key.encode())
        process.stdin.close()
        process.stdin = None
    codes = []
    for process in processes:
        said = process.communicate(timeout=120)
        assert process.returncode in (0, 6), said
        codes.append(process.returncode)
    for number in range(many):
        account = f"a{number}"
        assert 0 in codes[number::many]
        stages = [(found["stage"]) for found in team("history", "elevenlabs", "-a", account, "--json").results]
        assert stages == ["current", "previous"]
        told = team("get", "elevenlabs", "-a", account, "--reveal")
        assert told.out.strip() == key.key
    assert team("audit", "--verify").code == 0


def test_rekey_takes_the_store_out_of_kms_and_back(team: Program, aws: Aws) -> None:
    key = team.added()
    file = team.home / "kek"
    assert team("store", "rekey", "--kek", f"file:{file}").code == 0
    assert team("get", "elevenlabs", "--reveal").out.strip() == key.key
    other = f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"
    assert team("store", "rekey", "--kek", other).code == 0
    file.unlink()
    assert team("get", "elevenlabs", "--reveal").out.strip() == key.key


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 7, "no valid credentials"),
        (
            {"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            7,
            "no valid credentials",
        ),
    ],
)
def test_a_failure_of_aws_is_reported_in_one_line(
    team: Program, environ: dict[str, str | None], code: int, words: str
) -> None:
    team.environ = team.with_environ(environ)
    ended = team.installed("list", "--json")
    assert ended.code == code
    assert words in ended.error["message"]
    assert "Traceback" not in ended.said
    assert "made-up-secret" not in ended.said


def test_a_missing_table_is_a_missing_store(team: Program, aws: Aws) -> None:
    ended = team("list", "--store", aws.url(), "--json")
    assert ended.code == 5
    assert json.loads(ended.out)["error"]["hint"].startswith("kojikey store init 'dynamodb://")
    other = aws.url(new_table()).replace(REGION, "us-east-1")
    assert team("list", "--store", other).code == 5
