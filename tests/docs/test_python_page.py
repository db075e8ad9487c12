"""The programs in docs/python.md, run: a service and a worker that use the client."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from support.documents import block
from support.program import Program

REJECTED = b'{"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}'


@pytest.fixture
def here(kojikey: Program) -> Iterator[Program]:
    kojikey.added()
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        yield kojikey


async def called(app: Any, path: str) -> int:
    """Return the status of a GET, as a server of ASGI would ask."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_the_service_answers_and_reports_what_it_saw(here: Program) -> None:
    answers = [(200, {"content-type": "application/json"}, b'{"voices": []}'), (401, {}, REJECTED)]

    async def ask(url: str, key: str) -> tuple[int, dict[str, str], bytes]:
        assert url.endswith("/v1/voices")
        assert key == here.key().key
        return answers.pop(0)

    space: dict[str, Any] = {"ask": ask}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the framework's own imports
        exec(block("docs/python.md", "python", "FastAPI()"), space)
    assert asyncio.run(called(space["app"], "/voices/default")) == 200
    assert asyncio.run(called(space["app"], "/voices/nobody")) == 404
    assert asyncio.run(called(space["app"], "/voices/default")) == 502
    space["client"].close()
    assert here.listed()["last_test"]["reported"] is True


def test_the_worker_takes_its_jobs_and_reports(here: Program) -> None:
    spoken: list[str] = []

    def speak(account: str, credential: Any) -> tuple[int, dict[str, str], bytes]:
        spoken.append(account)
        return 401, {}, REJECTED

    space: dict[str, Any] = {"speak": speak}
    exec(block("docs/python.md", "python", "queue.Queue"), space)
    for account in ("default", "nobody", "default", *[None] * len(space["workers"])):
        space["jobs"].put(account)
    for worker in space["workers"]:
        worker.start()
    for worker in space["workers"]:
        worker.join(60)
    space["client"].close()
    assert spoken == ["default", "default"]
    assert here.listed()["last_test"]["outcome"] == "rejected"
