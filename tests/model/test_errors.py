"""The effect of an error is data: it is said once, and a caller that changed more before sets another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kojikey
from kojikey.model.errors import BadConfig, Effect, RecordChanged, StoreFull, UsageError, WrongKek
from kojikey.model.ref import place_of_data_key

SOURCES = sorted(Path(kojikey.__file__).parent.rglob("*.py"))


def test_an_effect_follows_the_message() -> None:
    error = StoreFull("here", "has no room left", effect=Effect.CHANGE_NOT_MADE)
    assert str(error) == "the store here has no room left; the change was not made"
    assert error.message == "the store here has no room left"


def test_a_caller_that_changed_something_before_sets_another_effect() -> None:
    error = StoreFull("here", "has no room left", effect=Effect.CHANGE_NOT_MADE)
    error.effect = "the new key was staged before that"
    assert str(error) == "the store here has no room left; the new key was staged before that"


def test_an_error_without_an_effect_is_its_message() -> None:
    assert str(UsageError("one step at a time")) == "one step at a time"


def test_an_error_names_its_place_if_there_are_two() -> None:
    error = RecordChanged("key/acme/openai")
    error.place = "sqlite:///there.db"
    assert str(error) == (
        "in sqlite:///there.db: the sealed record key/acme/openai was changed outside kojikey; it was not opened"
    )


@pytest.mark.parametrize(
    ("where", "subject"),
    [
        ("header", "the store's header"),
        (place_of_data_key("acme"), "the data key of account acme"),
        (place_of_data_key(), "the data key"),
        ("acme/openai version 3", "the sealed record acme/openai version 3"),
    ],
)
def test_an_error_about_a_record_is_a_sentence_about_its_place(where: str, subject: str) -> None:
    assert str(RecordChanged(where)) == f"{subject} was changed outside kojikey; it was not opened"


def test_an_error_about_a_wrong_kek_says_that_nothing_was_opened() -> None:
    assert str(WrongKek("the KEK is not this store's")) == "the KEK is not this store's; nothing was opened"


def test_mistakes_of_a_file_follow_the_line_with_the_effect() -> None:
    error = BadConfig("config.toml", ["line 1: x", "line 2: y"])
    assert str(error).split("\n") == ["config.toml has mistakes; nothing was done:", "  line 1: x", "  line 2: y"]


def test_no_message_in_the_source_repeats_an_effect() -> None:
    """Else nobody could set another one: it is data, not the end of a sentence."""
    worded = re.compile(
        r"(?:Error|Denied|Unavailable|Missing|Key|Needed|Found|Exists|Changed)\(\s*f?\"[^\"]*; nothing was"
    )
    found = [path.name for path in SOURCES if worded.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_no_code_edits_the_message_of_an_error() -> None:
    found = [path.name for path in SOURCES if re.search(r"\.args = ", path.read_text(encoding="utf-8"))]
    assert not found
