"""Replaces keys in a stream by their masked form, also where they come in pieces. Reads and writes nothing itself.

Bytes that may still become a key are held back. The caller releases fewer than :data:`FEW` of them after a moment
(:meth:`Masker.let_go`), so that a prompt is seen; they are remembered, so that the rest of the key is still masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from kojikey.model.secret import Secret
from kojikey.scanning.beginnings import Beginnings
from kojikey.scanning.engine import Engine

FEW = 8


class Masker:
    """One stream. ``masks`` are what is written in place of the keys."""

    def __init__(self, keys: Sequence[Secret], masks: Sequence[bytes]) -> None:
        self._engine, self._beginnings = Engine(keys), Beginnings(keys)
        self._masks = tuple(masks)
        self._written = b""  # and may be the beginning of a key, together with what is held
        self._held = b""

    @property
    def holds_few(self) -> bool:
        """Whether something is held that is too short to be held for long."""
        return bool(self._held) and len(self._written) + len(self._held) < FEW

    def feed(self, data: bytes) -> bytes:
        """Take more bytes and return those that can be written."""
        whole = self._written + self._held + data
        return self._masked(whole, self._beginnings.start(whole))

    def let_go(self) -> bytes:
        """Return the few bytes that are held."""
        released, self._held = self._held, b""
        self._written += released
        return released

    def finish(self) -> bytes:
        """Return all bytes that are left at the end of the stream."""
        whole = self._written + self._held
        return self._masked(whole, len(whole))

    def _masked(self, whole: bytes, start: int) -> bytes:
        """Return the masked form of the bytes before ``start``; those after it may become a key."""
        parts: list[bytes] = []
        at = len(self._written)
        matches = self._engine.find(whole, 0, len(whole))
        # Of two that begin in one place, the longer comes first and covers the other.
        for match in sorted(matches, key=lambda match: (match.start, -match.end)):
            if match.end <= at or match.start >= start or match.key is None:
                continue
            parts += (whole[at : match.start], self._masks[match.key])
            at = match.end
        parts.append(whole[at:start])
        self._written, self._held = whole[start : max(start, at)], whole[max(start, at) :]
        return b"".join(parts)
