"""Simulates the kernel's keyrings, so that a test does not lock the stores of the person who runs it.

Owns: the system calls that kojikey makes, as keyctl(2) and add_key(2) describe them. Must not: know kojikey's entries.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass, field

import pytest

from kojikey.sealing.kek import kernel_keyring
from kojikey.sealing.kek.kernel_keyring import _RefusedError

PROCESS, SESSION, USER, USER_SESSION = -2, -3, -4, -5
USER_READS, USER_FINDS = 0x00020000, 0x00080000


@dataclass
class Key:
    """A key of the kernel."""

    description: str
    payload: bytes
    rights: int = 0x3F010000
    seconds: int | None = None


@dataclass
class PlayedKernel:
    """Keyrings by their serial numbers, and the keys in them."""

    has_own_session: bool = False
    refuses: bool = False
    keys: dict[int, Key] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=lambda: {10: [], 11: [], 12: [], 13: []})
    last: int = 100

    def ring(self, named: int) -> int:
        named_rings = {PROCESS: 10, SESSION: 13 if self.has_own_session else 11, USER: 12, USER_SESSION: 11}
        return named_rings.get(named, named)

    def call(self, which: int, *arguments: object) -> int:
        """Carry out a system call."""
        if self.refuses:
            raise _RefusedError
        if which == 0:
            return self.add(*arguments)
        operation, *rest = arguments
        assert isinstance(operation, int)
        return {0: self.identify, 5: self.set_rights, 6: self.describe, 8: self.link, 9: self.unlink, 10: self.search,
                11: self.read, 15: self.set_timeout, 21: self.invalidate}[operation](*rest)  # fmt: skip

    def add(self, *arguments: object) -> int:
        kind, description, payload, length, ring = arguments
        assert isinstance(description, bytes)
        assert isinstance(payload, bytes)
        assert isinstance(ring, int)
        assert (kind, length) == (b"user", len(payload))
        assert ring == PROCESS, "a key that others find at once has no end and no rights yet"
        self.last += 1
        self.keys[self.last] = Key(description.decode(), bytes.__add__(payload, b""))
        self.members[self.ring(ring)].append(self.last)
        return self.last

    def identify(self, *arguments: object) -> int:
        (named, _) = arguments
        assert isinstance(named, int)
        return self.ring(named)

    def set_rights(self, *arguments: object) -> int:
        serial, rights = arguments
        assert isinstance(rights, int)
        self.key(serial).rights = rights
        return 0

    def set_timeout(self, *arguments: object) -> int:
        serial, seconds = arguments
        assert isinstance(seconds, int)
        self.key(serial).seconds = seconds
        return 0

    def link(self, *arguments: object) -> int:
        serial, ring = arguments
        assert isinstance(serial, int)
        assert isinstance(ring, int)
        assert self.key(serial).seconds, "a key without an end is found by others"
        self.members[ring].append(serial)
        return 0

    def unlink(self, *arguments: object) -> int:
        serial, ring = arguments
        assert isinstance(serial, int)
        assert isinstance(ring, int)
        if serial not in self.members[self.ring(ring)]:
            raise _RefusedError
        self.members[self.ring(ring)].remove(serial)
        return 0

    def invalidate(self, *arguments: object) -> int:
        (serial,) = arguments
        self.key(serial)
        for members in self.members.values():
            members[:] = [member for member in members if member != serial]
        return 0

    def search(self, *arguments: object) -> int:
        ring, _, description, _ = arguments
        assert isinstance(ring, int)
        assert isinstance(description, bytes)
        for serial in self.members[ring]:
            if self.keys[serial].description.encode() == description:
                return serial
        raise _RefusedError

    def read(self, *arguments: object) -> int:
        serial, buffer, _ = arguments
        assert isinstance(serial, int)
        if serial in self.members:
            content = b"".join(member.to_bytes(4, "little") for member in self.members[serial])
        else:
            content = self.key(serial).payload
        return self.filled(buffer, content)

    def describe(self, *arguments: object) -> int:
        serial, buffer, _ = arguments
        return self.filled(buffer, f"user;0;0;3f010000;{self.key(serial).description}\0".encode())

    def filled(self, buffer: object, content: bytes) -> int:
        if isinstance(buffer, ctypes.Array):
            ctypes.memmove(buffer, content, min(len(content), len(buffer)))
        return len(content)

    def key(self, serial: object) -> Key:
        assert isinstance(serial, int)
        if serial not in self.keys or not any(serial in members for members in self.members.values()):
            raise _RefusedError
        return self.keys[serial]

    def kept(self) -> list[tuple[str, Key]]:
        """Return the keys that other processes can find, each with the name of its keyring."""
        named = {"user": 12, "session": 13}
        return [(name, self.keys[serial]) for name, ring in named.items() for serial in self.members[ring]]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> PlayedKernel:
    """Return the kernel to which kojikey's system calls in this process go."""
    played = PlayedKernel()
    monkeypatch.setattr(kernel_keyring, "_call", played.call)
    monkeypatch.setattr(sys, "byteorder", "little")
    return played
