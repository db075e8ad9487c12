"""The shared state of a run: pace, pauses and circuits, with a clock that the tests set."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.requests.traffic import FAILURES, LONGEST_PAUSE_S, MARGIN, REFUSALS, REST_S, Traffic

HERE = "https://api.elevenlabs.io"
ELSEWHERE = "https://api.eu.residency.elevenlabs.io"
GONE = Fault(Reason.UNREACHABLE, retry=True)


@dataclass
class Clock:
    now: float = 100.0
    said: list[str] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def traffic(self, rate: float | None = None) -> Traffic:
        return Traffic(rate=rate, warn=self.said.append, clock=self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answer(status: int = 200, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}", False)


def ask(traffic: Traffic, got: Answer | Fault, base_url: str = HERE) -> Fault | None:
    skipped = traffic.skipped("elevenlabs", base_url)
    if skipped is None:
        traffic.reserve_next("elevenlabs")
        traffic.observe("elevenlabs", base_url, got)
    return skipped


def test_without_a_rate_no_request_waits(clock: Clock) -> None:
    traffic = clock.traffic()
    assert [ask(traffic, answer()) for _ in range(50)] == [None] * 50
    assert traffic.reserve("elevenlabs", HERE) == 0


def test_no_two_tests_begin_with_the_same_turn(clock: Clock) -> None:
    traffic = clock.traffic(rate=4 * MARGIN)
    assert [traffic.reserve("elevenlabs", HERE) for _ in range(3)] == [0, 0.25, 0.25]
    clock.now += 0.25
    assert traffic.reserve("elevenlabs", HERE) == 0


def test_each_further_request_has_a_turn_of_its_own(clock: Clock) -> None:
    traffic = clock.traffic(rate=4 * MARGIN)
    assert traffic.reserve("elevenlabs", HERE) == 0
    assert [traffic.reserve_next("elevenlabs") for _ in range(3)] == [0.25, 0.5, 0.75]
    assert traffic.reserve("elevenlabs", HERE) == 1


def test_unused_turns_are_not_saved_up(clock: Clock) -> None:
    traffic = clock.traffic(rate=10 * MARGIN)
    assert traffic.reserve("elevenlabs", HERE) == 0
    clock.now += 3600
    assert traffic.reserve("elevenlabs", HERE) == 0
    assert traffic.reserve("elevenlabs", HERE) == pytest.approx(0.1)


def test_a_key_of_an_endpoint_with_an_open_circuit_takes_no_turn(clock: Clock) -> None:
    traffic = clock.traffic(rate=1)
    for _ in range(FAILURES):
        ask(traffic, GONE)
    assert [traffic.reserve("elevenlabs", HERE) for _ in range(3)] == [0, 0, 0]
    assert traffic.reserve("elevenlabs", ELSEWHERE) > 0


def test_requests_that_were_stopped_do_not_open_the_circuit(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(2 * FAILURES):
        assert ask(traffic, Fault(Reason.UNKNOWN)) is None
    assert clock.said == []


def test_the_rate_of_one_provider_is_not_that_of_another(clock: Clock) -> None:
    traffic = clock.traffic(rate=1)
    ask(traffic, answer())
    assert traffic.reserve("elevenlabs", HERE) > 0
    assert traffic.reserve("google_gemini", HERE) == 0


def test_a_pause_that_the_provider_asks_for_is_observed(clock: Clock) -> None:
    traffic = clock.traffic()
    ask(traffic, answer(429, retry_after="7"))
    assert traffic.reserve("elevenlabs", HERE) == 7
    clock.now += 7
    assert traffic.reserve("elevenlabs", HERE) == 0
    assert clock.said == []


def test_a_pause_applies_only_to_the_endpoint_that_asked_for_it(clock: Clock) -> None:
    traffic = clock.traffic()
    ask(traffic, answer(429, retry_after="6"))
    assert traffic.reserve("elevenlabs", HERE) == 6
    assert traffic.reserve("elevenlabs", ELSEWHERE) == 0
    assert traffic.reserve("google_gemini", HERE) == 0


def test_pauses_that_are_over_are_forgotten(clock: Clock) -> None:
    traffic = clock.traffic()
    for number in range(5000):
        ask(traffic, answer(429, retry_after="1"), f"https://{number}.example")
        clock.now += 1
    assert len(traffic._pauses) < 2000


def test_a_pause_that_is_too_long_leaves_the_keys_for_another_run(clock: Clock) -> None:
    traffic = clock.traffic()
    ask(traffic, answer(429, retry_after=str(int(LONGEST_PAUSE_S) + 1)))
    skipped = traffic.skipped("elevenlabs", HERE)
    assert skipped is not None
    assert skipped.reason is Reason.RATE_LIMITED
    assert traffic.reserve("elevenlabs", HERE) == 0
    assert len(clock.said) == 1


def test_repeated_429_answers_open_the_circuit(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(REFUSALS):
        assert ask(traffic, answer(429)) is None
    skipped = ask(traffic, answer(429))
    assert skipped is not None
    assert skipped.reason is Reason.RATE_LIMITED


def test_an_endpoint_that_never_answers_is_no_longer_asked_and_reported_once(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(FAILURES):
        assert ask(traffic, GONE) is None
    skipped = ask(traffic, GONE)
    assert skipped is not None
    assert (skipped.reason, skipped.retry) == (Reason.UNREACHABLE, False)
    assert len(clock.said) == 1
    assert "api.elevenlabs.io" in clock.said[0]
    assert ask(traffic, answer(), ELSEWHERE) is None


def test_an_answer_in_between_keeps_the_circuit_closed(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(3 * FAILURES):
        assert ask(traffic, GONE) is None
        assert ask(traffic, answer(503)) is None


def test_after_a_rest_one_trial_request_closes_the_circuit(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(FAILURES):
        ask(traffic, GONE)
    clock.now += REST_S
    assert traffic.skipped("elevenlabs", HERE) is None
    assert traffic.skipped("elevenlabs", HERE) is not None, "two at once try an endpoint that was down"
    traffic.observe("elevenlabs", HERE, answer())
    assert traffic.skipped("elevenlabs", HERE) is None


def test_each_failed_trial_makes_the_next_rest_longer(clock: Clock) -> None:
    traffic = clock.traffic()
    for _ in range(FAILURES):
        ask(traffic, GONE)
    clock.now += REST_S
    assert ask(traffic, GONE) is None
    clock.now += REST_S
    assert ask(traffic, GONE) is not None
    clock.now += REST_S
    assert ask(traffic, answer()) is None
    assert len(clock.said) == 1


@pytest.mark.parametrize(
    "asked", [{"retry_after": "9" * 30}, {"retry_after_ms": "9" * 30}, {"retry_after": "Fri, 31 Dec 2099 23:59:59 GMT"}]
)
def test_no_message_names_a_pause_of_centuries(clock: Clock, asked: dict[str, str]) -> None:
    traffic = clock.traffic()
    ask(traffic, answer(429, **asked))
    (said,) = clock.said
    assert said.endswith("tested there for 86400 s")
    clock.now += 86_401
    assert ask(traffic, answer()) is None
