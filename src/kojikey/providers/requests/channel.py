"""Messages on their way to another process: those of one turn of the event loop are written together.

Owns: when they are written. Must not: know how, or what a message means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kojikey.providers.requests.worker_messages import Message, encoded


class Channel:
    """Collects messages, and gives their lines to ``write``, one call for all of them."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._unsent: list[bytes] = []

    def send(self, message: Message) -> None:
        """Write a message soon."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(encoded(message))

    def _flush(self) -> None:
        lines = b"".join(self._unsent)
        self._unsent.clear()
        self._write(lines)
