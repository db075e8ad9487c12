"""KEKs in the Linux kernel's keyring, between ``kojikey unlock`` and ``kojikey lock``: in memory, never on disk.

Owns: the choice of keyring, the system calls, and the form of an entry. Must not: ask for a passphrase, or decide how
long a KEK is kept.

The session keyring is used where the login has one of its own: only programs of that login find the KEK, and it goes
with the login. Otherwise the user keyring is used: every program of this user finds it, also after a logout, until its
time is over. A login without a session keyring of its own would be given a new one for each process that writes to it
(add_key(2), KEY_SPEC_SESSION_KEYRING), which nobody else can read: keyrings are therefore named by their serial number.

There is no package between this and the kernel: libkeyutils is not on every system, and the calls are few.
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

# Numbers of add_key and keyctl, by what the kernel calls the machine (in a process of 64 bits).
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
# A process that possesses it may do everything; other processes of this user may see, read and find it.
_FOR_THE_USER = 0x3F0B0000
_PREFIX = "kojikey:kek:"
_KID = re.compile(r"[0-9a-f]{16}")
_FORM = b"1 "
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_STAMP_FORM = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_STAMP_BYTES = len("2026-11-23T04:47:00Z")
_PAYLOAD_BYTES = len(_FORM) + _STAMP_BYTES + 1 + KEY_BYTES


class Kept(NamedTuple):
    """A KEK that is kept: its bytes, until when, and in which keyring."""

    key: HiddenBytes
    until: str
    ring: Ring


class _RefusedError(Exception):
    """The kernel refused a call."""


def is_there() -> bool:
    """Return whether this system has such a keyring, and lets this process use it."""
    return next(_rings(), None) is not None


def keep(kid: str, key: HiddenBytes, *, until: str, seconds: int) -> Ring | None:
    """Keep a KEK for a time, in place of an earlier entry for its id.

    Returns which keyring has it, None where the kernel refused: it has no such keyring, or no room in it.
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
    """Create a key that only this process reaches, set its timeout and rights, then link it to the keyring."""
    made = _add_key(description, payload)
    try:
        if ring == "user":
            _keyctl(_SETPERM, made, _FOR_THE_USER)
        _keyctl(_SET_TIMEOUT, made, seconds)
        _keyctl(_LINK, made, serial)
    finally:
        _keyctl(_UNLINK, made, _PROCESS)


def kept(kid: str) -> Kept | None:
    """Return the KEK that is kept for an id, None where there is none."""
    if not _KID.fullmatch(kid):
        return None  # a store's writer chose it
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
    """Return the content of a payload, None where it is not ours or its time is over."""
    stamp, rest = payload[len(_FORM) : len(_FORM) + _STAMP_BYTES], payload[len(_FORM) + _STAMP_BYTES :]
    if not payload.startswith(_FORM) or rest[:1] != b" " or not _STAMP_FORM.fullmatch(stamp):
        return None
    until = stamp.decode("ascii")
    # Stamps sort as the moments do; datetime would cost each start of `kojikey run`.
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
            continue  # what was invalidated needs no unlinking, and what cannot be is unlinked


def _members(ring: int) -> Iterator[tuple[int, str]]:
    """Yield the keys of a keyring with their descriptions; those that cannot be described are left out."""
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
    """Yield the keyrings in which a KEK may be, that of the session first where the login has its own."""
    try:
        ring, serial = _ring()
        yield ring, serial
        if ring == "session":
            yield "user", _keyctl(_GET_ID, _USER, 1)
    except _RefusedError:
        return


def _ring() -> tuple[Ring, int]:
    """Return the keyring to keep a KEK in."""
    session, shared = _keyctl(_GET_ID, _SESSION, 0), _keyctl(_GET_ID, _USER_SESSION, 0)
    if session != shared:
        return "session", session
    return "user", _keyctl(_GET_ID, _USER, 1)


def _add_key(description: str, payload: HiddenBytes) -> int:
    return _call(0, b"user", description.encode("ascii"), payload, len(payload), _PROCESS)


def _keyctl(operation: int, *arguments: object) -> int:
    return _call(1, operation, *arguments)


def _call(which: int, *arguments: object) -> int:
    """Make a system call. Raises _RefusedError: the kernel refused it, or has none such."""
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
