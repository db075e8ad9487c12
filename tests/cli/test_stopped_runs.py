"""A store that stops a run over many keys: the message says how far the run came, and the hint finishes the rest."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kojikey.model.errors import Effect, KojikeyError, StoreFull, StoreUnreachable
from kojikey.model.next_step import next_step
from kojikey.model.ref import Document
from kojikey.stores.base import Change
from kojikey.stores.sqlite.store import SqliteStore
from support.program import Program

LINES = 4
Fail = Callable[[int, KojikeyError], None]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Return a function that lets the store fail after so many changes."""
    commit = SqliteStore._commit

    def fails_after(good: int, error: KojikeyError) -> None:
        left = [good]

        def counted(self: SqliteStore, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
            left[0] -= 1
            if left[0] < 0:
                raise error
            return commit(self, changes, events)

        monkeypatch.setattr(SqliteStore, "_commit", counted)

    return fails_after


def lines(kojikey: Program, name: str) -> str:
    key = kojikey.key("elevenlabs", name)
    fields: list[dict[str, Any]] = [
        {"account": f"a{number}", "provider": "elevenlabs", "key": key.key, "base_url": key.base_url}
        for number in range(LINES)
    ]
    return "".join(json.dumps(line) + "\n" for line in fields)


@pytest.fixture
def filled(kojikey: Program) -> Program:
    assert kojikey("add", "--batch", "-", "--no-test", stdin=lines(kojikey, "ok")).code == 0
    return kojikey


def rotated(kojikey: Program) -> Any:
    return kojikey("rotate", "--batch", "-", "--json", "--concurrency", "1", stdin=lines(kojikey, "ok_2"))


@pytest.mark.parametrize(
    "error",
    [
        StoreFull("here", "has no room left", effect=Effect.CHANGE_NOT_MADE),
        StoreUnreachable("here", "lost its connection", hint=next_step("history"), effect=Effect.OUTCOME_UNKNOWN),
    ],
    ids=["full", "unknown"],
)
def test_a_batch_that_the_store_stops_is_finished_by_the_same_batch(
    filled: Program, fails: Fail, monkeypatch: pytest.MonkeyPatch, error: KojikeyError
) -> None:
    fails(3, error)  # the second line is staged, and not promoted
    stopped = rotated(filled)
    assert stopped.code == 7
    assert stopped.error["message"] == f"{error.message}; 1 line done, 3 left, no key in use was lost"
    assert stopped.error["hint"] == "run the same command again to finish the rest"
    monkeypatch.undo()
    again = rotated(filled)
    assert (again.code, [result["action"] for result in again.results]) == (0, ["unchanged", *["rotated"] * 3])


def test_a_store_without_room_names_the_way_out_before_the_batch_goes_on(kojikey: Program, fails: Fail) -> None:
    kojikey.added()
    fails(2, StoreFull("here", "has no room left", hint="free some space", effect=Effect.CHANGE_NOT_MADE))
    stopped = kojikey("add", "--batch", "-", "--no-test", "--json", stdin=lines(kojikey, "ok"))
    assert stopped.code == 7
    assert stopped.error["hint"] == "free some space; then run the same command again to finish the rest"


def test_a_test_run_that_the_store_stops_does_not_say_that_nothing_was_changed(filled: Program, fails: Fail) -> None:
    fails(0, StoreUnreachable("here", "is not there", hint="look", effect=Effect.NOTHING_CHANGED))
    stopped = filled("test", "--all-accounts", "--json")
    assert stopped.code == 7
    assert "nothing was changed" not in stopped.said
    assert f"of {LINES} keys done, 0 outcomes recorded" in stopped.error["message"]


def test_doctor_reports_a_store_that_opens_and_cannot_be_read_to_the_end(filled: Program) -> None:
    with sqlite3.connect(filled.home / "keys.db") as database:
        database.execute("UPDATE keys SET account = x'ff00' WHERE account = 'a2'")
    database.close()
    ended = filled("doctor", "--json")
    assert ended.code == 7
    (found,) = [row for row in ended.results if row["state"] == "wrong"]
    assert found["name"] == "store"
    assert "is damaged" in found["detail"]
    assert {"kojikey", "providers"} <= {row["name"] for row in ended.results}
