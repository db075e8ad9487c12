"""KEKs in the Linux kernel's keyring, between ``kojikey unlock`` and ``kojikey lock``: in memory, never on disk.

Owns: the choice of keyring, the system calls, and the form of an entry. Must not: ask for a passphrase, or decide how
long a KEK is kept.

If the login has its own session keyring, that is used: only programs of that login find the KEK, and it disappears with
the login. Otherwise the user keyring is used: every program of this user finds the KEK, also after a logout, until its
time is over. Keyrings are addressed by serial number: by KEY_SPEC_SESSION_KEYRING, a process of a login without its own
session keyring would get a new one that no other process can read (add_key(2)).

The system calls are made directly: they are few, and not every system has libkeyutils.
"""

from __future__ import annotations

import os
import re
import sys
import time

from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.secret import HiddenBytes
from kojikey.sealing.aead import KEY_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, TypeAlias

Ring: TypeAlias = 'Literal["session", "user"]'

# the numbers of add_key and keyctl by machine, for processes of 64 bits
_CALLS = {
    "x86_64": (248, 250),
    "aarch64": (217, 219),
    "riscv64": (217, 219),
    "loongarch64": (217, 219),
    "ppc64le": (269, 271),
    "s390x": (278, 280),
}
# linux/keyctl.h
_PROCESS, _SESSION, _USER, _USER_SESSION = -2, -3, -4, -5
_GET_ID, _SETPERM, _DESCRIBE, _LINK, _UNLINK, _SEARCH, _READ, _SET_TIMEOUT, _INVALIDATE = 0, 5, 6, 8, 9, 10, 11, 15, 21
# a process that possesses the key may do everything; other processes of this user may see, read and find it
_FOR_THE_USER = 0x3F0B0000
_PREFIX = "kojikey:kek:"
_KID = re.compile(r"[0-9a-f]{16}")
_FORM = b"1 "
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_STAMP_FORM = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_STAMP_BYTES = len("2026-11-23T04:47:00Z")
_PAYLOAD_BYTES = len(_FORM) + _STAMP_BYTES + 1 + KEY_BYTES


class Kept(NamedTuple):
    """A kept KEK: its bytes, the time until which it is kept, and its keyring."""

    key: HiddenBytes
    until: str
    ring: Ring


class _RefusedError(Exception):
    """The kernel refused a call."""


def is_there() -> bool:
    """Return whether this process can use a kernel keyring."""
    return next(_rings(), None) is not None


def keep(kid: str, key: HiddenBytes, *, until: str, seconds: int) -> Ring | None:
    """Keep a KEK for some seconds, in place of an earlier entry for its id.

    Returns the keyring, None if the kernel refused: it has no such keyring, or no room in it.
    """
    payload = HiddenBytes(_FORM + until.encode("ascii") + b" " + key)
    try:
        ring, serial = _ring()
        drop(kid)
        _put(_PREFIX + kid, payload, ring, serial, seconds)
    except _RefusedError:
        return None
    return ring


def _put(description: str, payload: HiddenBytes, ring: Ring, serial: int, seconds: int) -> None:
    """Create a key that only this process can reach, set its timeout and rights, then link it to the keyring."""
    key = _add_key(description, payload)
    try:
        if ring == "user":
            _keyctl(_SETPERM, key, _FOR_THE_USER)
        _keyctl(_SET_TIMEOUT, key, seconds)
        _keyctl(_LINK, key, serial)
    finally:
        _keyctl(_UNLINK, key, _PROCESS)


def kept(kid: str) -> Kept | None:
    """Return the KEK that is kept for an id, None if there is none."""
    if not _KID.fullmatch(kid):
        return None  # the id comes from the store
    for ring, serial in _rings():
        found = _found(ring, serial, kid)
        if found is not None:
            return found
    return None


def _found(ring: Ring, serial: int, kid: str) -> Kept | None:
    import ctypes

    buffer = ctypes.create_string_buffer(_PAYLOAD_BYTES)
    try:
        key = _keyctl(_SEARCH, serial, b"user", (_PREFIX + kid).encode("ascii"), 0)
        length = _keyctl(_READ, key, buffer, _PAYLOAD_BYTES)
    except _RefusedError:
        return None
    return _parsed(HiddenBytes(buffer.raw), ring) if length == _PAYLOAD_BYTES else None


def _parsed(payload: HiddenBytes, ring: Ring) -> Kept | None:
    """Return the content of a payload, None if kojikey did not write it or its time is over."""
    stamp, rest = payload[len(_FORM) : len(_FORM) + _STAMP_BYTES], payload[len(_FORM) + _STAMP_BYTES :]
    if not payload.startswith(_FORM) or rest[:1] != b" " or not _STAMP_FORM.fullmatch(stamp):
        return None
    until = stamp.decode("ascii")
    # compared as texts: importing datetime would slow each start of `kojikey run`
    return Kept(HiddenBytes(rest[1:]), until, ring) if until > time.strftime(_STAMP, time.gmtime()) else None


def drop(kid: str) -> int:
    """Drop the entries for an id; return their number."""
    return _drop_all(_PREFIX + kid)


def drop_all() -> int:
    """Drop the KEKs of all stores from both keyrings; return their number."""
    return _drop_all("")


def _drop_all(description: str) -> int:
    dropped = set()
    for _, ring in _rings():
        for serial, name in _members(ring):
            if name == description or (not description and name.startswith(_PREFIX)):
                _drop_one(serial, ring)
                dropped.add(serial)
    return len(dropped)


def _drop_one(serial: int, ring: int) -> None:
    for call in ((_INVALIDATE, serial), (_UNLINK, serial, ring)):
        try:
            _keyctl(*call)
        except _RefusedError:
            continue  # an invalidated key cannot be unlinked; one that cannot be invalidated can


def _members(ring: int) -> Iterator[tuple[int, str]]:
    """Yield the keys of a keyring with their descriptions, without those that cannot be described."""
    import ctypes

    try:
        buffer = ctypes.create_string_buffer(_keyctl(_READ, ring, None, 0) + 64 * 4)
        length = min(_keyctl(_READ, ring, buffer, len(buffer)), len(buffer))
    except _RefusedError:
        return
    text = ctypes.create_string_buffer(4096 + 64)
    for start in range(0, length - length % 4, 4):
        serial = int.from_bytes(buffer.raw[start : start + 4], sys.byteorder, signed=True)
        try:
            end = _keyctl(_DESCRIBE, serial, text, len(text))
        except _RefusedError:
            continue
        kind, *_, name = text.raw[: max(0, end - 1)].decode("utf-8", "replace").split(";", 4)
        if kind == "user":
            yield serial, name


def _rings() -> Iterator[tuple[Ring, int]]:
    """Yield the keyrings in which a KEK may be: the login's own session keyring, if it has one, and the user's."""
    try:
        ring, serial = _ring()
        yield ring, serial
        if ring == "session":
            yield "user", _keyctl(_GET_ID, _USER, 1)
    except _RefusedError:
        return


def _ring() -> tuple[Ring, int]:
    """Return the keyring in which a KEK is kept."""
    session, shared = _keyctl(_GET_ID, _SESSION, 0), _keyctl(_GET_ID, _USER_SESSION, 0)
    if session != shared:
        return "session", session
    return "user", _keyctl(_GET_ID, _USER, 1)


def _add_key(description: str, payload: HiddenBytes) -> int:
    return _call(0, b"user", description.encode("ascii"), payload, len(payload), _PROCESS)


def _keyctl(operation: int, *arguments: object) -> int:
    return _call(1, operation, *arguments)


def _call(which: int, *arguments: object) -> int:
    """Make a system call. Raises _RefusedError if the kernel refuses it or does not have it."""
    numbers = _CALLS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if numbers is None:
        raise _RefusedError
    import ctypes

    syscall = ctypes.CDLL(None).syscall
    syscall.restype = ctypes.c_long
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = syscall(ctypes.c_long(numbers[which]), *given)
    if result < 0:
        raise _RefusedError
    return result
