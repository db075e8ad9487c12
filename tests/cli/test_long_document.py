"""A document of many results is one document, whatever happens after the first of them was written."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kojikey.cli.output import long_document
from kojikey.cli.output.long_document import write_long
from kojikey.model.errors import StoreUnavailable
from kojikey.model.ref import Document
from support.program import Program

FEW = 5
SUMMARY = {"keys": 7}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_document, "FEW", FEW)


def rows(count: int, error: BaseException | None = None) -> Iterator[Document]:
    yield from ({"n": number, "text": "::error::##[x] \u00fc"} for number in range(count))
    if error is not None:
        raise error


def ending() -> tuple[int, Document]:
    return 3, {"summary": SUMMARY, "error": None}


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, FEW + 1, 50])
def test_a_document_of_few_results_and_one_of_many_are_equal(capsys: pytest.CaptureFixture[str], count: int) -> None:
    assert write_long("list", rows(count), ending) == 3
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "schema": "kojikey/1", "command": "list", "exit_code": 3, "results": list(rows(count)), "summary": SUMMARY,
    }  # fmt: skip
    assert out.isascii()


def test_no_line_of_a_long_document_is_a_command_on_github(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    write_long("list", rows(20), ending)
    out = capsys.readouterr().out
    assert json.loads(out)["results"] == list(rows(20))
    assert "##[" not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (StoreUnavailable("the store", "went away"), 7, "store_unavailable"),
        (ZeroDivisionError("CANARY"), 1, "internal"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failure_after_the_first_results_is_the_error_of_the_document(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, word: str
) -> None:
    assert write_long("list", rows(20, error), ending) == code
    seen = capsys.readouterr()
    document = json.loads(seen.out)
    assert (document["exit_code"], document["error"]["code"]) == (code, word)
    assert document["results"] == list(rows(20))
    assert document["error"]["message"] in seen.err
    assert "CANARY" not in seen.out + seen.err


def test_a_failure_before_the_first_results_is_a_document_without_results() -> None:
    with pytest.raises(StoreUnavailable):
        write_long("list", rows(FEW - 1, StoreUnavailable("the store", "went away")), ending)


def test_a_closed_pipe_does_not_change_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert write_long("list", rows(100_000), ending) == 3


def test_a_full_disk_is_not_reported_as_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space"):
        write_long("list", rows(20), ending)


@pytest.mark.parametrize(
    "command",
    [
        ("list", "--all-accounts"),
        ("check", "--all-accounts", "--require", "elevenlabs"),
        ("check", "--all-accounts", "--require", "google_gemini,elevenlabs", "--tested-within", "1d"),
    ],
)
def test_a_command_of_many_keys_has_the_members_of_one_of_few(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    for number in range(FEW + 2):
        kojikey.added("elevenlabs", "ok", "--no-test", "--account", f"a{number}")
    found: list[dict[str, Any]] = []
    for limit in (FEW, 100):
        monkeypatch.setattr(long_document, "FEW", limit)
        found.append(kojikey(*command, "--json", KOJIKEY_KEK=None).document)
    assert found[0] == found[1]
    assert len(found[0]["results"]) >= FEW + 2
