"""What a run and its worker processes write to each other, and what a worker knows of the run."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kojikey.model.bugs import BugElsewhere
from kojikey.model.errors import BadNetworkSettings, Effect, MalformedKey, UsageError
from kojikey.model.next_step import Hint, commands_of, next_step
from kojikey.model.secret import Secret
from kojikey.model.verdict import CheckResult, Reason, Usage, Verdict
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.requests.channel import Channel
from kojikey.providers.requests.probe import ProbeRequest
from kojikey.providers.requests.traffic import Trouble
from kojikey.providers.requests.worker import SharedThrottle
from kojikey.providers.requests.worker_messages import (
    Message,
    circuit_message,
    decoded,
    encoded,
    failure_message,
    request_message,
    saw_message,
    seen_of,
    trouble_of,
    verdict_message,
    verdict_of,
)
from support.each import each
from support.probing import CATALOG

EVERYTHING = Verdict(
    reason=Reason.MISSING_PERMISSION,
    authentic=True,
    detail="the key lacks the permission text_to_speech – é",
    hint=Hint(
        "allow it, or ", next_step("rotate", "elevenlabs", account="acme"), "; ", next_step("test", "elevenlabs")
    ),
    manage_url="https://elevenlabs.io",
    missing_permissions=("text_to_speech",),
    checks=(
        CheckResult("account", True, Reason.OK, 200, 81),
        CheckResult("text_to_speech", True, Reason.MISSING_PERMISSION, 401, None, "no", ("text_to_speech",)),
    ),
    latency_ms=171,
    attempts=2,
    tested_at="2026-11-23T04:47:00Z",
    usage=Usage("credits", 12.5, 100, 87.5, "2026-12-01T00:00:00Z", "creator", "active"),
    permissions=("user_read",),
    expires_at="2027-01-01T00:00:00Z",
)


def sent(message: Message) -> Message:
    """Return a message after encoding and decoding."""
    return decoded(encoded(message).rstrip(b"\n"))


# --- what they write to each other ---


@pytest.mark.parametrize(
    "verdict",
    [EVERYTHING, Verdict(Reason.UNREACHABLE, None, attempts=0), replace(EVERYTHING, permissions=(), hint="a text")],
)
def test_a_verdict_arrives_as_it_was(verdict: Verdict) -> None:
    arrived = verdict_of(sent(verdict_message(7, verdict)))
    assert arrived == verdict
    assert commands_of(arrived.hint) == commands_of(verdict.hint)


@pytest.mark.parametrize(
    "error",
    [
        MalformedKey("the key contains characters that no request can carry", effect=Effect.NOTHING_SENT),
        BadNetworkSettings("HTTPS_PROXY is wrong", hint=Hint("mend it, then ", next_step("doctor"))),
    ],
)
def test_a_usage_error_of_a_worker_arrives_as_a_usage_error(error: UsageError) -> None:
    with pytest.raises(UsageError) as caught:
        verdict_of(sent(failure_message(7, error)))
    assert str(caught.value) == str(error)
    assert caught.value.hint == error.hint
    assert isinstance(caught.value, BadNetworkSettings) == isinstance(error, BadNetworkSettings)


def test_only_the_type_and_place_of_a_bug_arrive() -> None:
    try:
        raise RuntimeError("sk_" + "0" * 48)
    except RuntimeError as error:
        message = sent(failure_message(7, error))
    assert "sk_" not in str(message)
    with pytest.raises(BugElsewhere, match=r"^RuntimeError at test_worker_messages\.py:"):
        verdict_of(message)


@pytest.mark.parametrize("got", [Fault(Reason.TIMEOUT), Answer(429, {"retry-after": "7"}, b""), Answer(200, {}, b"")])
def test_an_answer_or_a_fault_of_a_worker_arrives_unchanged(got: Answer | Fault) -> None:
    assert seen_of(sent(saw_message("elevenlabs", "https://e.example", got))) == got


@pytest.mark.parametrize("trouble", [None, Trouble(None), Trouble(Reason.RATE_LIMITED)])
def test_the_state_of_an_endpoint_arrives(trouble: Trouble | None) -> None:
    assert trouble_of(sent(circuit_message("elevenlabs", "https://e.example", trouble))) == trouble


MALFORMED_VERDICTS: list[Message] = [
    {},
    {"verdict": None},
    {"verdict": {}},
    {"verdict": {"reason": "no such reason", "authentic": None, "hint": "", "usage": None}},
    {"verdict": {"reason": "ok", "authentic": "yes", "hint": "", "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": 7, "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [7], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [[]], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [["test", "x", None, 1]], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": 7}}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": "credits", "used": "7"}}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": "credits", "more": 1}}},
    {"error": None},
    {"error": {"is_network": False, "message": 7, "hint": None, "effect": None}},
    {"error": {"is_network": False, "message": "", "hint": None, "effect": 7}},
]


@each("message", MALFORMED_VERDICTS)
def test_a_verdict_of_another_form_is_refused(message: Message) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        verdict_of(message)


@each("message", [{}, {"status": "200", "headers": {}}, {"status": 429, "headers": 7}, {"fault": []},
                  {"status": 429, "headers": {"retry-after": 7}}])  # fmt: skip
def test_an_answer_of_another_form_is_refused(message: Message) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        seen_of(message)


@each("line", [b"", b"x", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several causes
        decoded(line)


# --- what a worker knows of the run ---


class Listened(Channel):
    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(sent(message))


PLACE = ("elevenlabs", "https://e.example")


def test_a_good_answer_is_reported_only_while_its_endpoint_is_in_trouble() -> None:
    channel = Listened()
    throttle = SharedThrottle(channel, None)
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert channel.sent == []
    throttle.observe(*PLACE, Answer(429, {}, b""))
    throttle.observe(*PLACE, Fault(Reason.TIMEOUT))
    throttle.take(circuit_message(*PLACE, Trouble(None)))
    throttle.observe(*PLACE, Answer(200, {}, b""))
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert [message.get("status") or message["fault"] for message in channel.sent] == [429, "timeout", 200]


def test_while_a_circuit_is_open_only_a_trial_is_sent() -> None:
    throttle = SharedThrottle(Listened(), None)
    throttle.take(circuit_message(*PLACE, Trouble(Reason.UNREACHABLE)))
    skipped = throttle.skipped(*PLACE)
    assert skipped is not None
    assert (skipped.reason, skipped.retry) == (Reason.UNREACHABLE, False)
    request = ProbeRequest(CATALOG.get("elevenlabs"), Secret("x"), PLACE[1])
    throttle.begin(sent(request_message(1, request, is_trial=True)))
    assert throttle.skipped(*PLACE) is None
    assert throttle.skipped(*PLACE) is not None
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert throttle.skipped(*PLACE) is None
