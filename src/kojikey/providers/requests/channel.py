"""Sends messages to another process; those of one turn of the event loop are written together.

Must not: know the pipe, or the meaning of a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kojikey.providers.requests.worker_messages import Message, encoded


class Channel:
    """Collects messages and passes their lines to ``write`` in one call."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._unsent: list[bytes] = []

    def send(self, message: Message) -> None:
        """Write a message at the end of this turn of the event loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(encoded(message))

    def _flush(self) -> None:
        lines = b"".join(self._unsent)
        self._unsent.clear()
        self._write(lines)
