"""Over real sockets: a test of each sandbox key finds the reason that the sandbox names for it."""

from __future__ import annotations

import asyncio

import pytest

from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.providers.catalog import load_catalog
from kojikey.providers.requests.probe import Prober, ProbeRequest, Surroundings
from kojikey.testing import Sandbox, SandboxKey
from kojikey.testing.sandbox.scenarios import PROVIDERS, script_of
from support.exhaustive import exhaustive_except

KOJIS = ("google_gemini", "elevenlabs")
PATIENT = 10.0  # seconds; only the key that gets no answer is tested with less


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


async def probe(key: SandboxKey) -> Verdict:
    definition = load_catalog().get(key.provider)
    capabilities, models = _named(key, "--capability"), _named(key, "--model")
    request = ProbeRequest(definition, Secret(key.key), key.base_url, capabilities, models, "--deep" in key.options)
    timeout = 0.1 if key.reason == "timeout" else PATIENT
    async with Prober(timeout=timeout, surroundings=Surroundings(sleep=no_sleep)) as prober:
        return await prober.test(request)


def _named(key: SandboxKey, wanted: str) -> tuple[str, ...]:
    return tuple(value for option, value in zip(key.options, key.options[1:], strict=False) if option == wanted)


MADE_UP = [(provider, name) for provider in PROVIDERS for name in script_of(provider).scenarios]
NORMAL = [(provider, name) for provider, name in MADE_UP if provider in KOJIS or name in ("ok", "invalid_key")]


@pytest.mark.parametrize(("provider", "name"), exhaustive_except(MADE_UP, NORMAL))
def test_a_test_of_each_sandbox_key_finds_its_reason(provider: str, name: str) -> None:
    with Sandbox() as sandbox:
        key = sandbox.key(provider, name)
        verdict = asyncio.run(probe(key))
        assert (verdict.reason, verdict.outcome) == (key.reason, key.outcome)
        assert key.key not in repr(verdict)
        assert (sandbox.faults, sandbox.spent) == ((), 0)


def test_only_a_deep_test_makes_a_request_that_costs_something() -> None:
    with Sandbox() as sandbox:
        key = sandbox.key("google_gemini", "ok")
        deep = SandboxKey(key.provider, key.name, key.reason, key.outcome, key.base_url, key.key, "", ("--deep",))
        asyncio.run(probe(key))
        assert sandbox.spent == 0
        assert asyncio.run(probe(deep)).reason == "ok"
        assert sandbox.spent == 1
        (paid,) = [request for request in sandbox.requests if request.spent]
        assert b'"maxOutputTokens":1' in paid.body.replace(b" ", b"")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [("reset", "unreachable"), ("down", "unreachable"), ("rate_limit_all", "rate_limited")],
)
def test_a_provider_that_is_broken_condemns_no_key(provider: str, kind: str, reason: str) -> None:
    with Sandbox() as sandbox:
        sandbox.fault(provider, kind)
        assert asyncio.run(probe(sandbox.key(provider, "ok"))).reason == reason


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", ["garbage", "portal"])
def test_a_good_status_without_the_providers_words_proves_nothing(provider: str, kind: str) -> None:
    with Sandbox() as sandbox:
        sandbox.fault(provider, kind)
        verdict = asyncio.run(probe(sandbox.key(provider, "ok")))
        assert (verdict.outcome, verdict.authentic) == ("indeterminate", None)
