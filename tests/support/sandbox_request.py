"""Sends one request of the sandbox's keys, as the provider's own library would."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kojikey.testing import Sandbox, SandboxKey

HEADER = {"google_gemini": "x-goog-api-key", "elevenlabs": "xi-api-key"}
PATH = {"google_gemini": "/v1beta/models", "elevenlabs": "/v1/user/subscription"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox of the test's own."""
    with Sandbox() as started:
        yield started


def get(key: SandboxKey, path: str | None = None, *, timeout: float = 10) -> httpx.Response:
    """Return the answer to a request with a key, by default that of the provider's first check."""
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=timeout)) as client:
        return client.get(key.base_url + (path or PATH[key.provider]), headers={HEADER[key.provider]: key.key})
