"""The commands against a server that sends answers twice: no key gets the answer to another one."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing import load_key
from support.many import account_name, fill, made
from support.program import KEK, Program
from support.scripted_server import playing, requests

KEYS = 6
BAD = 2  # the number of the account whose key is refused
NEW = 1000  # the new key of account N has the number 1000 + N
NUMBER_OF = {load_key("elevenlabs", base + number): number for base in (0, NEW) for number in range(KEYS)}


def answer(head: bytes) -> bytes:
    found = re.search(rb"(?i)xi-api-key: *([!-~]+)", head)
    assert found
    number = NUMBER_OF[found[1].decode()]
    if number == BAD:
        status, body = "401 Unauthorized", b'{"detail": {"status": "invalid_api_key", "message": "no"}}'
    elif head.startswith(b"GET"):
        status, body = "200 OK", b'{"tier": "t%d", "character_count": %d, "character_limit": 10000}' % (number, number)
    else:
        status, body = "404 Not Found", b'{"detail": {"status": "voice_not_found", "message": "no"}}'
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def twice(connection: socket.socket, _number: int) -> None:
    """Send each answer a second time, before the answer to the next request of the connection."""
    late = b""
    for head in requests(connection):
        connection.sendall(late + answer(head))
        late = answer(head)
        if head.startswith(b"POST"):
            connection.sendall(late)


def behind(connection: socket.socket, _number: int) -> None:
    for head in requests(connection):
        connection.sendall(answer(head) * 2)


@pytest.fixture(params=[twice, behind], ids=["late", "at once"])
def filled(request: pytest.FixtureRequest, kojikey: Program) -> Iterator[Program]:
    with playing(request.param) as port:
        kojikey.home.mkdir(mode=0o700)
        open_store = made(SqliteStore(str(kojikey.home / "keys.db")), KEK)
        fill(open_store, KEYS, base_url=lambda _: f"http://127.0.0.1:{port}")
        open_store.close()
        yield kojikey


@pytest.mark.parametrize("pace", [("--concurrency", "1"), ("--concurrency", "4")])
def test_a_run_over_all_accounts_reports_for_each_key_the_answer_to_that_key(
    filled: Program, pace: tuple[str, ...]
) -> None:
    ended = filled("test", "elevenlabs", "--all-accounts", *pace, "--json")
    outcomes = {row["account"]: row for row in ended.results}
    assert outcomes[account_name(BAD)]["outcome"] == "rejected"
    for number in set(range(KEYS)) - {BAD}:
        row = outcomes[account_name(number)]
        assert row["outcome"] in ("valid", "indeterminate")
        assert (row["usage"]["used"], row["usage"]["plan"]) == (number, f"t{number}")
    listed = filled("list", "--all-accounts", "--json").results
    saved = {row["account"]: row["last_test"]["outcome"] for row in listed if row["provider"] == "elevenlabs"}
    assert [account for account, outcome in saved.items() if outcome == "rejected"] == [account_name(BAD)]


def test_a_batch_rotates_every_key_but_the_rejected_one(filled: Program) -> None:
    lines = [
        json.dumps({"account": account_name(n), "provider": "elevenlabs", "key": load_key("elevenlabs", NEW + n)})
        for n in range(KEYS)
    ]
    ended = filled("rotate", "--batch", "-", "--concurrency", "1", "--allow-unverified", stdin="\n".join(lines))
    actions = [json.loads(line)["action"] for line in ended.out.splitlines()]
    assert actions == ["aborted" if number == BAD else "rotated" for number in range(KEYS)]


@pytest.mark.parametrize("number", [0, BAD])
def test_a_key_is_added_or_rotated_by_the_answer_to_that_key(filled: Program, number: int) -> None:
    key = load_key("elevenlabs", NEW + number)
    account = account_name(0)
    ended = filled("rotate", "elevenlabs", "-a", account, "--stdin", "--allow-unverified", "--json", stdin=key)
    assert ended.result["action"] == ("aborted" if number == BAD else "rotated")
    filled("remove", "elevenlabs", "-a", account, "--yes")
    base_url = filled("list", "-a", account_name(1), "--json").results[0]["base_url"]
    ended = filled(
        "add", "elevenlabs", "-a", account, "--base-url", base_url, "--stdin", "--allow-unverified", "--json", stdin=key
    )
    assert ended.result["action"] == (None if number == BAD else "added")
