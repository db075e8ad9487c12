"""What production saw of a key: judged as a test would, and kept on the version that was used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest

import kojikey as package
from kojikey import Client
from kojikey.client import Headers
from kojikey.model.errors import UnknownProvider
from kojikey.model.verdict import Outcome, Verdict
from support.each import each
from support.program import Program, pieces_in

REJECTED = {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}


@pytest.fixture
def here(kojikey: Program) -> Iterator[Program]:
    kojikey.added()
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        yield kojikey


def reported(client: Client, status: int, body: object = None) -> Verdict:
    return client.report(client.resolve("elevenlabs"), status=status, body=body)


def test_a_changed_outcome_is_recorded_as_reported_and_the_key_stays_in_use(here: Program) -> None:
    with Client() as client:
        assert reported(client, 401, REJECTED).outcome is Outcome.REJECTED
        last = here.listed()["last_test"]
        assert (last["outcome"], last["reason"], last["reported"]) == ("rejected", "invalid_key", True)
        assert last["last_valid_at"] is not None
        assert client.resolve("elevenlabs").source == "byok"
    assert here("check", "--require", "elevenlabs").code == 3
    event = here("audit", "--json").results[-1]
    assert (event["action"], event["outcome"]) == ("tested", "rejected")
    assert here("audit", "--verify").code == 0
    assert here("list", "--failing", "--json").result["provider"] == "elevenlabs"


def test_reporting_the_same_outcome_writes_nothing(here: Program) -> None:
    before = here.listed()
    with Client() as client:
        assert reported(client, 200, {"anything": 1}).outcome is Outcome.VALID
    assert here.listed() == before


def test_a_key_gets_one_report_a_minute_even_from_two_processes(here: Program) -> None:
    with Client() as client, Client() as other:
        reported(client, 401, REJECTED)
        reported(client, 200, b"audio")
        reported(other, 200, b"audio")
        assert here.listed()["last_test"]["outcome"] == "rejected"
    assert len(here("audit", "--json").results) == 2  # added, and one report


def test_a_report_about_a_version_that_is_gone_is_not_saved(here: Program) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        assert here.rotate("elevenlabs", "ok_2").code == 0
        assert here("set", "elevenlabs", "--label", "new").code == 0
        assert here.rotate("elevenlabs", "ok_3").code == 0
        before = here.listed()
        assert client.report(credential, status=401, body=REJECTED).outcome is Outcome.REJECTED
        assert here.listed() == before


def test_a_report_returns_its_verdict_even_if_the_store_cannot_be_reached(here: Program) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        (here.home / "keys.db").write_bytes(b"damaged" * 1000)
        assert client.report(credential, status=401, body=REJECTED).outcome is Outcome.REJECTED


def test_an_answer_to_the_built_in_allocation_is_judged_and_not_recorded(here: Program) -> None:
    with Client() as client:
        credential = client.resolve("google_gemini")
        assert credential.source == "built_in"
        assert client.report(credential, status=503).outcome is Outcome.INDETERMINATE


@each("body", [None, b"", "", "<html>busy</html>", {"error": {"message": "slow down"}}, b"\xff\x00"])
@each("status", [429, 500, 502, 503, 529])
@each("provider", ["elevenlabs", "google_gemini", "openai", "anthropic", "mistral"])
def test_neither_429_nor_5xx_rejects_or_limits_a_key_by_its_status(provider: str, status: int, body: object) -> None:
    assert package.judge(provider, status, {}, body).outcome is Outcome.INDETERMINATE


@pytest.mark.parametrize("status", [500, 503])
def test_a_5xx_never_rejects_or_limits_a_key(status: int) -> None:
    assert package.judge("elevenlabs", status, {}, REJECTED).outcome is Outcome.INDETERMINATE


@pytest.mark.parametrize(
    ("provider", "status", "body", "reason"),
    [
        ("elevenlabs", 401, REJECTED, "invalid_key"),
        ("elevenlabs", 200, b"\xff\xfb\x90", "ok"),
        ("openai", 401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}}, "invalid_key"),
        ("openai", 429, {"error": {"code": "insufficient_quota", "message": "You exceeded"}}, "billing"),
        ("openai", 200, {"choices": []}, "ok"),
        ("openai", 200, "<html>log in</html>", "network_blocked"),
        ("openai", 302, b"", "redirected"),
    ],
)
def test_an_answer_is_judged_as_a_test_would(provider: str, status: int, body: object, reason: str) -> None:
    verdict = package.judge(provider, status, {"Content-Type": "application/json"}, body)
    assert verdict.reason.value == reason
    assert verdict.tested_at.endswith("Z")


def test_a_verdict_is_scrubbed_of_the_key(here: Program) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        assert credential.secret is not None
        key = credential.secret.reveal()
        verdict = client.report(credential, status=400, body={"detail": {"status": "odd", "message": f"{key} is odd"}})
    assert pieces_in(key, repr(verdict)) == []


def test_a_provider_name_that_may_be_a_key_is_not_repeated() -> None:
    with pytest.raises(UnknownProvider) as caught:
        package.judge("abcdef0123456789abcdef0123456789", 200)
    assert "abcdef" not in str(caught.value)


def test_the_suggested_command_is_about_the_reported_key(here: Program) -> None:
    assert here.add("elevenlabs", "ok", "--account", "acme").code == 0
    assert here("store", "init", "--name", "team", f"sqlite://{here.home}/keys.db").code == 0
    with Client() as client, Client("team") as team:
        for each_client, ending in ((client, "--account acme"), (team, "--account acme --store team")):
            credential = each_client.resolve("elevenlabs", "acme")
            verdict = each_client.report(credential, status=401, body=REJECTED)
            assert f"kojikey rotate elevenlabs {ending};" in verdict.hint
        assert (
            "kojikey rotate elevenlabs;" in client.report(client.resolve("elevenlabs"), status=401, body=REJECTED).hint
        )


def test_a_body_that_cannot_be_written_as_json_is_judged_by_its_status_alone(here: Program) -> None:
    deep: dict[str, object] = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = inner = {}
    circle: list[object] = []
    circle.append(circle)
    with Client() as client:
        for body in (deep, circle):
            assert reported(client, 503, body).reason.value == "provider_unavailable"


def test_headers_may_be_pairs_as_http_libraries_return_them(here: Program) -> None:
    forms: tuple[Headers, ...] = (
        {"Content-Type": "text/html"}, [("Content-Type", "text/html")], [(b"Content-Type", b"text/html")],
    )  # fmt: skip
    reasons = [package.judge("elevenlabs", 200, headers, "please log in").reason.value for headers in forms]
    assert reasons == ["network_blocked"] * len(forms)
