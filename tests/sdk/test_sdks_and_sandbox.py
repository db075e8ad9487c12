"""The providers' own clients work with the sandbox, and raise their own errors for its keys (extra ``sdk``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from kojikey.testing import Sandbox, SandboxKey

# the clients bring warnings of their own
# program: one of their clients starts a process to learn its platform
pytestmark = [pytest.mark.exhaustive, pytest.mark.external, pytest.mark.filterwarnings("ignore")]
WORDS = [{"role": "user", "content": "a"}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


def _openai(key: SandboxKey, http: httpx.Client) -> Any:
    url = key.base_url + "/v1"
    client = importlib.import_module("openai").OpenAI(api_key=key.key, base_url=url, max_retries=0, http_client=http)
    client.models.list()
    return client.responses.create(model="gpt-4o-mini", input="a").output_text


def _anthropic(key: SandboxKey, _: httpx.Client) -> Any:
    made = importlib.import_module("anthropic").Anthropic(api_key=key.key, base_url=key.base_url, max_retries=0)
    with made as client:  # it has an HTTP client of its own kind
        client.models.list()
        client.messages.count_tokens(model="claude-haiku-4-5", messages=WORDS)
        return client.messages.create(model="claude-haiku-4-5", max_tokens=1, messages=WORDS).content[0].text


def _groq(key: SandboxKey, http: httpx.Client) -> Any:
    client = importlib.import_module("groq").Groq(
        api_key=key.key, base_url=key.base_url, max_retries=0, http_client=http
    )
    client.models.list()
    chat = client.chat.completions.create(model="llama-3.1-8b-instant", max_tokens=1, messages=WORDS)
    return chat.choices[0].message.content


def _mistral(key: SandboxKey, http: httpx.Client) -> Any:
    client = importlib.import_module("mistralai.client").Mistral(api_key=key.key, server_url=key.base_url, client=http)
    client.models.list()
    chat = client.chat.complete(model="mistral-small-latest", max_tokens=1, messages=WORDS)
    return chat.choices[0].message.content


def _cohere(key: SandboxKey, http: httpx.Client) -> Any:
    client = importlib.import_module("cohere").ClientV2(api_key=key.key, base_url=key.base_url, httpx_client=http)
    client.models.list()
    return client.chat(model="command-r7b-12-2024", max_tokens=1, messages=WORDS).message.content[0].text


def _deepgram(key: SandboxKey, http: httpx.Client) -> Any:
    where = importlib.import_module("deepgram.environment").DeepgramClientEnvironment
    url = key.base_url
    environment = where(base=url, production=url, agent=url, agent_rest=url)
    client = importlib.import_module("deepgram").DeepgramClient(
        api_key=key.key, environment=environment, httpx_client=http
    )
    return "a" if client.manage.v1.projects.list().projects else ""


ASK: dict[str, Callable[[SandboxKey, httpx.Client], Any]] = {
    "openai": _openai, "anthropic": _anthropic, "groq": _groq, "mistral": _mistral, "cohere": _cohere,
    "deepgram": _deepgram,
}  # fmt: skip


@pytest.mark.parametrize("provider", ASK)
def test_a_good_key_works_with_the_providers_own_client(sandbox: Sandbox, http: httpx.Client, provider: str) -> None:
    assert ASK[provider](sandbox.key(provider, "ok"), http) == "a"
    assert sandbox.faults == ()


@pytest.mark.parametrize("provider", ASK)
@pytest.mark.parametrize(("name", "statuses"), [("invalid_key", (401,)), ("rate_limited", (429,))])
def test_a_bad_key_is_refused_in_the_clients_own_way(
    sandbox: Sandbox, http: httpx.Client, provider: str, name: str, statuses: tuple[int, ...]
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each client has its own
        ASK[provider](sandbox.key(provider, name), http)
    assert getattr(caught.value, "status_code", None) in statuses, repr(caught.value)


def test_no_account_without_money_gets_an_answer(sandbox: Sandbox, http: httpx.Client) -> None:
    with pytest.raises(Exception, match="credit balance is too low"):
        _anthropic(sandbox.key("anthropic", "billing"), http)
