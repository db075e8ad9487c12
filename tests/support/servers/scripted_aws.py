"""A proxy on loopback before the simulated AWS that answers some requests itself, by a script.

It gives the answers that moto does not: throttling, refusals, lost answers, and pages of gateways.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """The answer of the proxy. ``lose``: AWS gets the request and its answer is dropped; ``drop``: AWS gets nothing."""

    status: int = 200
    body: bytes = b""
    lose: bool = False
    drop: bool = False


def refusal(code: str, message: str = "CANARY", status: int = 400, **more: Any) -> Answer:
    """Return an error in the form of AWS's JSON services."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return Answer(status, json.dumps({"__type": kind, "message": message, **more}).encode())


LOST = Answer(lose=True)
DROPPED = Answer(drop=True)

Script = Callable[[str, dict[str, Any]], Answer | None]


class Scripted:
    """The proxy. ``script`` is called with each operation (for example ``GetItem``) and its request.

    It returns the answer, or None to forward the request to AWS.
    """

    def __init__(self, behind: str) -> None:
        self.script: Script = lambda operation, request: None
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.behind = urlsplit(behind)
        self.endpoint = ""

    def once(self, wanted: str, *answers: Answer) -> None:
        """Give these answers, in order, to the next requests of one operation, and forward all others."""
        left = list(answers)

        def script(operation: str, request: dict[str, Any]) -> Answer | None:
            return left.pop(0) if operation == wanted and left else None

        self.script = script

    def always(self, wanted: str, answer: Answer) -> None:
        """Give one answer to every request of one operation (``*``: of all)."""
        self.script = lambda operation, request: answer if wanted in ("*", operation) else None

    def operations(self) -> list[str]:
        """Return the operations that were requested so far."""
        return [operation for operation, _ in self.seen]

    def answer(self, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Return status and body of the answer to a request, None to close the connection without one."""
        operation, request = target.rpartition(".")[2], json.loads(body or b"{}")
        self.seen.append((operation, request))
        played = self.script(operation, request)
        if played is not None and not played.lose:
            return None if played.drop else (played.status, played.body)
        connection = HTTPConnection(str(self.behind.hostname), self.behind.port, timeout=30)
        try:
            connection.request("POST", "/", body=body, headers=headers)
            told = connection.getresponse()
            found = told.status, told.read()
        finally:
            connection.close()
        return None if played is not None else found


@contextmanager
def scripted(behind: str) -> Iterator[Scripted]:
    """Yield a proxy for an endpoint."""
    state = Scripted(behind)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("connection",)}
            found = state.answer(self.headers.get("X-Amz-Target", ""), kept, body)
            if found is None:
                self.close_connection = True
                return
            self.send_response(found[0])
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, *arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
