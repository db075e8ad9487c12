"""429, 5xx and lost connections for requests that only read, and malformed answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from kojikey.model.errors import KojikeyError
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, Refusal
from kojikey.model.secret import Secret
from kojikey.providers.management.base import KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import ManagementClient, Pace
from kojikey.providers.requests.traffic import Traffic
from kojikey.testing import Sandbox
from support.played_management import CREATING, LISTING, OLD, Played

Question = Callable[[Played], Callable[[KeyManagement], Any]]
QUESTIONS: dict[str, Question] = {
    "parents": lambda _: lambda keys: keys.parents(),
    "list": lambda played: lambda keys: keys.list_keys(played.managed.parents[0]),
    "get": lambda played: lambda keys: keys.find(played.managed.keys[0].key_id, played.managed.keys[0].parent),
}
ASKED = (
    *((provider, "list") for provider in LISTING),
    *((provider, "parents") for provider in ("elevenlabs", "openai", "xai", "deepgram", "fireworks")),
    *((provider, "get") for provider in ("google_gemini", "openrouter", "deepgram")),
)


@pytest.fixture
def played(sandbox: Sandbox, request: pytest.FixtureRequest) -> Played:
    made = Played(sandbox, request.param)
    made.old()
    return made


everywhere = pytest.mark.parametrize(("played", "verb"), ASKED, indirect=["played"])


@everywhere
@pytest.mark.parametrize("trouble", ["rate_limited", "failing", "lost", "dropped"])
def test_a_request_that_only_reads_is_retried(played: Played, verb: Any, trouble: Any) -> None:
    expected = played.ask(QUESTIONS[verb](played))
    played.managed.fail(verb, trouble, times=2)
    assert played.ask(QUESTIONS[verb](played)) == expected
    assert expected
    assert len(played.waited) == 2


@everywhere
@pytest.mark.parametrize("trouble", ["rate_limited", "failing", "dropped", "garbage"])
def test_a_read_without_an_answer_is_reported_as_having_changed_nothing(
    played: Played, verb: Any, trouble: Any
) -> None:
    played.managed.fail(verb, trouble, times=None)
    with pytest.raises(ManagementUnavailable) as raised:
        played.ask(QUESTIONS[verb](played))
    assert not raised.value.is_uncertain
    assert len(played.waited) == (0 if trouble == "garbage" else 2)
    assert len(played.managed.keys) == 1


@everywhere
@pytest.mark.parametrize(("trouble", "refusal"), [("permission", Refusal.PERMISSION), ("admin_key", Refusal.ADMIN_KEY)])
def test_a_refusal_to_list_is_not_taken_for_an_empty_list(
    played: Played, verb: Any, trouble: Any, refusal: Refusal
) -> None:
    played.managed.fail(verb, trouble, times=None, detail="keys.read")
    if (played.provider, verb, trouble) == ("fireworks", "list", "permission"):
        assert played.ask(QUESTIONS[verb](played)) == ()  # other users' keys are for administrators
        return
    with pytest.raises(ManagementRefused) as raised:
        played.ask(QUESTIONS[verb](played))
    assert raised.value.refusal is refusal
    assert not played.waited


@pytest.mark.parametrize("played", LISTING, indirect=True)
def test_a_list_without_pages_of_thousands_of_keys_is_read_whole(played: Played) -> None:
    parent = played.managed.parents[0]
    for number in range(3000):
        played.managed.add(f"another-key-of-the-list-{number:08d}", name=f"key {number}", parent=parent)
    found = played.ask(lambda keys: keys.list_keys(parent))
    assert len({key.key_id for key in found}) == 3001


HOSTILE: tuple[Any, ...] = (None, [], {}, "", "../../x", 17, True, [[]], [17], {"x": []}, "\x1b[31m", "x" * 5000, 1e400)


class Recorded:
    """The answers to the requests of one call, replayed with one member replaced."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.at, self.value, self.seen = -1, None, 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ask = ManagementClient.ask

        async def asked(client: ManagementClient, method: str, path: str, **more: Any) -> Any:
            request = f"{method} {path} {more}"
            if request not in self.answers:
                self.answers[request] = await ask(client, method, path, **more) if self.at < 0 else {}
            changed, count = replaced(self.answers[request], self.at - self.seen, self.value)
            self.seen += count
            return changed

        monkeypatch.setattr(ManagementClient, "ask", asked)


@pytest.mark.parametrize(
    ("played", "verb"),
    [
        *((provider, verb) for provider in LISTING for verb in ("list", "parents", "get", "named")),
        *((provider, "create") for provider in CREATING),
    ],
    indirect=["played"],
)
def test_members_of_any_type_raise_only_kojikey_errors(
    played: Played, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each member of each answer is replaced in turn, at every depth."""
    wanted = played.wanted(played.old() if played.provider == "perplexity" else first_of(played))
    further: dict[str, Question] = {
        "named": lambda _: lambda keys: keys.find_named(wanted),
        "create": lambda _: lambda keys: keys.create(wanted),
    }
    question = {**QUESTIONS, **further}[verb](played)
    recorded = Recorded()
    recorded.install(monkeypatch)
    played.ask(question)
    members = recorded.seen
    assert members or verb == "parents"
    for recorded.value, recorded.at in product(HOSTILE, range(members)):
        recorded.seen = 0
        assert "\x1b" not in told(played, question)


def first_of(played: Played) -> RemoteKey:
    return played.ask(lambda keys: keys.list_keys(played.managed.parents[0]))[0]


def told(played: Played, question: Callable[[KeyManagement], Any]) -> str:
    """Return the result of an adapter, or the message of the KojikeyError that it raises."""
    try:
        return repr(played.ask(question))
    except KojikeyError as error:
        return str(error)


def replaced(document: Any, at: int, value: Any, count: int = 0) -> tuple[Any, int]:
    """Return a document with the member of number ``at`` replaced, and the number of members."""
    if not isinstance(document, dict | list):
        return document, count
    made = []
    for member in document.values() if isinstance(document, dict) else document:
        changed, after = replaced(member, at, value, count + 1)
        made.append(value if count == at else changed)
        count = after
    return (dict(zip(document, made, strict=True)) if isinstance(document, dict) else made), count


@pytest.mark.parametrize("played", [name for name in CREATING if name in LISTING], indirect=True)
def test_a_new_key_without_an_id_counts_as_lost(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = played.wanted(first_of(played))
    ask = ManagementClient.ask

    async def asked(client: ManagementClient, *arguments: Any, **more: Any) -> Any:
        return without_ids(await ask(client, *arguments, **more))

    monkeypatch.setattr(ManagementClient, "ask", asked)
    with pytest.raises(ManagementUnavailable) as raised:
        played.ask(lambda keys: keys.create(wanted))
    assert raised.value.is_uncertain


def without_ids(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return {name: without_ids(value) for name, value in document.items() if not re.search("(?i)id$|hash|^name$", name)}


class Clock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def ask_in_a_run(played: Played, traffic: Traffic, clock: Clock, question: Callable[[KeyManagement], Any]) -> float:
    """Make one call over its own connection in a run of many keys; return the time of the answer."""

    async def work() -> None:
        pace = Pace(timeout=5, sleep=clock.sleep, chance=lambda: 0.0)
        client = ManagementClient(
            played.definition, played.base_url, played.secret, pace=pace, traffic=traffic, provider=played.provider
        )
        async with client:
            await question(played.adapter(client))

    asyncio.run(work())
    return clock.now - 100.0


def list_keys(keys: KeyManagement) -> Any:
    return keys.list_keys("sa-1")


@pytest.mark.parametrize("played", ["elevenlabs"], indirect=True)
def test_the_rate_of_a_run_counts_the_requests_of_key_management(played: Played) -> None:
    clock = Clock()
    traffic = Traffic(rate=2.0, clock=lambda: clock.now)
    moments = [ask_in_a_run(played, traffic, clock, list_keys) for _ in range(3)]
    assert moments == pytest.approx([0.0, 0.51, 1.02])
    assert traffic.reserve(played.provider, "https://the.keys.own.example") == pytest.approx(0.51)


@pytest.mark.parametrize("played", ["elevenlabs"], indirect=True)
def test_a_pause_that_a_provider_asks_for_holds_for_the_whole_run(played: Played, sandbox: Sandbox) -> None:
    clock = Clock()
    traffic = Traffic(clock=lambda: clock.now)
    sandbox.retry_after = 7
    sandbox.fault("elevenlabs_admin", "rate_limit_all")
    with pytest.raises(ManagementUnavailable, match="429"):
        ask_in_a_run(played, traffic, clock, list_keys)
    sandbox.mend()
    sandbox.retry_after = 1
    clock.now = 100.0 + 14  # after the two tries that had to wait
    assert ask_in_a_run(played, traffic, clock, list_keys) == pytest.approx(21.0)


@pytest.mark.parametrize("played", ["elevenlabs"], indirect=True)
def test_a_management_api_that_does_not_answer_is_not_asked_for_a_while(played: Played, sandbox: Sandbox) -> None:
    clock, told = Clock(), list[str]()
    wanted = Wanted("kojikey default v2 0a1b2c3d", "0a1b2c3d", "sa-1")
    traffic = Traffic(clock=lambda: clock.now, warn=told.append)
    sandbox.fault("elevenlabs_admin", "down")
    for _ in range(3):
        with pytest.raises(ManagementUnavailable) as raised:
            ask_in_a_run(played, traffic, clock, list_keys)
    assert len(told) == 1
    assert "not asked" in str(raised.value)
    asked = sandbox.request_count
    with pytest.raises(ManagementUnavailable) as raised:
        ask_in_a_run(played, traffic, clock, lambda keys: keys.create(wanted))
    assert not raised.value.is_uncertain  # it was not sent
    assert sandbox.request_count == asked
    sandbox.mend()


def test_braces_in_the_settings_of_a_key_are_copied_as_they_are(sandbox: Sandbox) -> None:
    """In the requests of a test they would be placeholders."""
    played = Played(sandbox, "deepgram")
    settings = {"scopes": ["usage:read"], "tags": ["{prod}", "{model}"]}
    new = played.created(played.old(**settings))
    key = played.managed.get(new.key_id)
    assert key is not None
    assert key.settings == settings


def test_a_key_in_the_body_of_a_request_is_not_kept(sandbox: Sandbox) -> None:
    played = Played(sandbox, "perplexity")
    old = played.old()

    async def deleted(keys: KeyManagement) -> object:
        await keys.delete(old, Secret(OLD["perplexity"]))
        assert keys._client._exchange is not None
        return keys._client._exchange._prepared

    assert played.ask(deleted) == {}
    assert played.managed.keys == ()
