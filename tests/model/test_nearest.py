"""Which name was meant: a slip is found, and a word that is far from every name costs nothing."""

from __future__ import annotations

import pytest

from kojikey.model import nearest as module
from kojikey.model.nearest import nearest

NAMES = ("list", "remove", "elevenlabs")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("lst", "list"), ("lsit", "list"), ("elvenlbs", "elevenlabs"), ("lt", None), ("l", None), ("", None)],
)
def test_one_slip_is_allowed_in_a_short_name_and_two_in_a_long_one(word: str, meant: str | None) -> None:
    assert nearest(word, NAMES) == meant


def test_no_distance_is_computed_to_a_name_of_another_length(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def distance(_: str, name: str) -> int:
        measured.append(name)
        return 9

    monkeypatch.setattr(module, "distance", distance)
    assert nearest("x" * 100_000, NAMES) is None
    assert nearest("x" * 12, NAMES) is None
    assert measured == ["elevenlabs"]


def test_a_command_that_deletes_is_suggested_for_one_slip_only() -> None:
    assert nearest("remov", ["remove_all"]) is None
    assert nearest("remove_al", ["remove_all"], strict=frozenset({"remove_all"})) == "remove_all"
    assert nearest("remove_a", ["remove_all"], strict=frozenset({"remove_all"})) is None
    assert nearest("remove_a", ["remove_all"]) == "remove_all"
