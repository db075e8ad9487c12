"""Reads the answers and made-up keys of the played providers from ``answers/*.toml``.

Owns: the form of these files. Must not: choose the answer to a request (``played.py``, ``elevenlabs.py`` and
``google_gemini.py`` do).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from kojikey.testing.sandbox.wire import Reaction, Reply

_OF_THEIR_OWN = ("google_gemini", "elevenlabs")  # each has a module that plays it
_COMMON = "common"
_FOLDER = resources.files("kojikey.testing.sandbox").joinpath("answers")
_FILES = sorted(item.name.removesuffix(".toml") for item in _FOLDER.iterdir() if item.name.endswith(".toml"))
PROVIDERS = (*_OF_THEIR_OWN, *(name for name in _FILES if name not in (*_OF_THEIR_OWN, _COMMON)))
"""The providers that are played, Koji's two first."""

_WORD = re.compile(r"<<(\w+)>>")
_JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a provider; ``source`` says where it was seen."""

    source: str
    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reaction: Reaction = Reaction.ANSWER

    def filled(self, facts: Mapping[str, object]) -> Reply:
        """Return the reply, with each ``<<word>>`` replaced by its fact."""

        def as_text(match: re.Match[str]) -> str:
            return str(facts[match[1]])

        def as_json(match: re.Match[str]) -> str:
            return json.dumps(str(facts[match[1]]))[1:-1]

        body = _WORD.sub(as_json if self.body[:1] in ("{", "[") else as_text, self.body)
        headers = {"content-type": _JSON, **{name: _WORD.sub(as_text, value) for name, value in self.headers.items()}}
        return Reply(self.status, headers, body.encode(), self.reaction)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The answers that a key gets.

    ``answers`` maps a kind of request (or ``any``) to the name of an answer; other requests succeed. ``missing`` are
    the permissions that the key lacks. ``address`` is ``closed`` or ``tls`` for a key with another base URL.
    """

    name: str
    reason: str
    note: str
    answers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    address: str = ""
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of request; see played.py."""

    name: str
    method: str
    path: str
    public: bool = False
    spends: bool = False
    names_model: bool = False
    wants: str = ""


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The format of a provider's made-up keys: prefixes by the names of shapes, and the length of the rest."""

    beginnings: Mapping[str, str]
    length: int


@dataclass(frozen=True, slots=True)
class Script:
    """All answers and scenarios of a provider. The fields from ``header`` on are for ``played.py``."""

    answers: Mapping[str, Answer]
    scenarios: Mapping[str, Scenario]
    facts: Mapping[str, object]
    models: tuple[Mapping[str, Any], ...] = ()
    header: str = ""
    prefix: str = ""
    takes_bearer: bool = False
    form: KeyForm = KeyForm({"": ""}, 0)
    required: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def say(self, answer: str, facts: Mapping[str, object]) -> Reply:
        """Return the reply of that name."""
        return self.answers[answer].filled({**self.facts, **facts})


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its key, None if it sent none, and the key's scenario, None for an unknown key."""

    key: str | None = field(repr=False)
    scenario: Scenario | None
    missing: tuple[str, ...] = ()


@cache
def script_of(provider: str) -> Script:
    """Return the script of a provider; its file is read once."""
    document = _document(provider)
    common: dict[str, Any] = {} if provider in _OF_THEIR_OWN else _document(_COMMON)
    play = document.get("play", {})
    return Script(
        answers={name: _answer(entry) for name, entry in {**common.get("answer", {}), **document["answer"]}.items()},
        scenarios={
            name: _scenario(name, entry)
            for name, entry in {**common.get("scenario", {}), **document["scenario"]}.items()
        },
        facts=document.get("facts", {}),
        models=tuple(document.get("model", ())),
        header=play.get("header", ""),
        prefix=play.get("prefix", ""),
        takes_bearer=play.get("takes_bearer", False),
        form=KeyForm({"": play.get("key", ""), **play.get("shapes", {})}, play.get("length", 0)),
        required=tuple(play.get("required", ())),
        routes=tuple(Route(**entry) for entry in document.get("route", ())),
    )


@cache
def _document(name: str) -> dict[str, Any]:
    return tomllib.loads(_FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _answer(entry: dict[str, Any]) -> Answer:
    return Answer(**{**entry, "reaction": Reaction(entry.get("reaction", Reaction.ANSWER))})


def _scenario(name: str, entry: dict[str, Any]) -> Scenario:
    lists = {key: tuple(entry.get(key, ())) for key in ("missing", "options")}
    return Scenario(name, **{**entry, **lists})
