"""Replaces keys in a stream by their masked form, even if they arrive in pieces. Does no input or output itself.

Bytes that may become a key are held back. After a moment the caller releases them if they are fewer than :data:`FEW`
(:meth:`Masker.release`), so that a prompt is displayed; they are remembered, so that the rest of a key is still masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from kojikey.model.secret import Secret
from kojikey.scanning.engine import Engine
from kojikey.scanning.key_prefixes import KeyPrefixes

FEW = 8


class Masker:
    """One stream. ``masks`` are the masked forms of the keys, in the same order."""

    def __init__(self, keys: Sequence[Secret], masks: Sequence[bytes]) -> None:
        self._engine, self._prefixes = Engine(keys), KeyPrefixes(keys)
        self._masks = tuple(masks)
        self._written = b""  # released bytes that, with the held ones, may become a key
        self._held = b""

    @property
    def holds_few(self) -> bool:
        """Whether bytes are held, and so few that they are released after a moment."""
        return bool(self._held) and len(self._written) + len(self._held) < FEW

    def feed(self, data: bytes) -> bytes:
        """Add bytes, and return those that can be written."""
        whole = self._written + self._held + data
        return self._masked(whole, self._prefixes.start(whole))

    def release(self) -> bytes:
        """Return the few held bytes, before it is known whether they become a key."""
        released, self._held = self._held, b""
        self._written += released
        return released

    def finish(self) -> bytes:
        """Return the remaining bytes at the end of the stream."""
        whole = self._written + self._held
        return self._masked(whole, len(whole))

    def _masked(self, whole: bytes, start: int) -> bytes:
        """Return the bytes before ``start`` with keys masked; those after it may become a key."""
        output: list[bytes] = []
        at = len(self._written)
        matches = self._engine.find(whole, 0, len(whole))
        # of two matches at the same place, the longer one comes first and covers the other
        for match in sorted(matches, key=lambda match: (match.start, -match.end)):
            if match.end <= at or match.start >= start or match.key is None:
                continue
            output += (whole[at : match.start], self._masks[match.key])
            at = match.end
        output.append(whole[at:start])
        self._written, self._held = whole[start : max(start, at)], whole[max(start, at) :]
        return b"".join(output)
