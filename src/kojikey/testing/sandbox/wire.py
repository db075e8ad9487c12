"""The subset of HTTP/1.1 that the sandbox needs, on asyncio streams.

Owns: reading a request, writing a reply, and the ways of not answering. Must not: know a provider or a key.

``http.server`` has a thread for each connection. The sandbox serves load tests (thousands of keys, 64 connections),
holds requests back, drips bodies, leaves requests without an answer, and must stop at once: all of this is short on one
event loop. The subset that has to be parsed for it (a head, a Content-Length, keep-alive) is small.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import parse_qsl

_BODY_LIMIT = 1 << 20
_TLS_HANDSHAKE = b"\x16"
_DRIP_SECONDS = 0.1


class Reaction(StrEnum):
    """The reaction to a request; only ANSWER and DRIP write a whole answer."""

    ANSWER = "answer"
    DRIP = "drip"  # one byte of the body at a time
    SILENCE = "silence"  # no answer, until the client gives up or the sandbox stops
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``target`` is not decoded; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's values, decoded."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. ``spends``: a real provider would have charged for the request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reaction: Reaction = Reaction.ANSWER
    spends: bool = False


class _RefusedError(Exception):
    """The server cannot read the request."""

    def __init__(self, status: int) -> None:
        self.status = status


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, play: Callable[[Request], Awaitable[Reply]]
) -> None:
    """Answer the requests of one connection until either side ends it, or the client disappears."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        try:
            while request := await _read(reader):
                if not await _write(reader, writer, await play(request)) or _wants_close(request):
                    break
        except _RefusedError as refused:
            await _write(reader, writer, Reply(refused.status))
    await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until its socket is closed.

    The wait is shielded: all callers of ``wait_closed`` share one future, and cancelling one would cancel the others.
    """
    writer.close()
    await asyncio.shield(_closed(writer))


async def _closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    first = await reader.read(1)
    if not first:
        return None
    if first == _TLS_HANDSHAKE:  # the answer is plain HTTP, so that the client's TLS library reports the problem
        await reader.read(_BODY_LIMIT)
        raise _RefusedError(400)
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first_line, *lines = head[:-4].split("\r\n")
    try:
        method, target, version = first_line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise _RefusedError(400) from None
    if not version.startswith("HTTP/1.") or not target.startswith("/") or length < 0:
        raise _RefusedError(400)
    if "transfer-encoding" in headers:
        raise _RefusedError(411)
    if length > _BODY_LIMIT:
        raise _RefusedError(413)
    return Request(method, target, headers, await reader.readexactly(length) if length else b"")


def _wants_close(request: Request) -> bool:
    return request.headers.get("connection", "").lower() == "close"


async def _write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Write the reply; return whether the connection can serve another request."""
    if reply.reaction is Reaction.SILENCE:
        await reader.read()  # returns when the client gives up
    if reply.reaction is Reaction.RESET:
        _reset(writer)
    if reply.reaction not in (Reaction.ANSWER, Reaction.DRIP):
        return False
    lines = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    head = f"HTTP/1.1 {reply.status} {_phrase(reply.status)}\r\n{lines}content-length: {len(reply.body)}\r\n\r\n"
    if reply.reaction is Reaction.DRIP:
        writer.write(head.encode())
        await _drip(writer, reply.body)
    else:
        writer.write(head.encode() + reply.body)
    await writer.drain()
    return True


async def _drip(writer: asyncio.StreamWriter, body: bytes) -> None:
    for position in range(len(body)):
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)
        writer.write(body[position : position + 1])


def _reset(writer: asyncio.StreamWriter) -> None:
    """Make the end of the connection a reset instead of an orderly close."""
    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
