"""The kernel's keyring: entries, their keyring, lifetime and owner. Tests of the real keyring use their own KEK id."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kojikey.model.secret import HiddenBytes
from kojikey.sealing.kek import kernel_keyring
from support.played_kernel import USER_FINDS, USER_READS, PlayedKernel, kernel

__all__ = ["kernel"]

KEK = HiddenBytes(bytes(range(32)))
LATER = "2999-01-01T00:00:00Z"
KID = "00112233445566ff"
OTHER_KID = "ff66554433221100"
MAIN = (
    "import sys, ctypes; from kojikey.sealing.kek import kernel_keyring as ring; from kojikey.model.secret import *; "
)
READ = "found = ring.kept(sys.argv[1]); print(found and (found.ring, bytes(found.key).hex(), found.until))"
KEEP = f"print(ring.keep(sys.argv[1], HiddenBytes(bytes(range(32))), until='{LATER}', seconds=60))"
JOIN = "ctypes.CDLL(None).syscall(ctypes.c_long(ring._CALLS[__import__('os').uname().machine][1]), 1, None); "


@pytest.mark.parametrize(("has_own", "ring"), [(True, "session"), (False, "user")])
def test_a_kek_is_kept_in_the_session_keyring_where_the_login_has_its_own(
    kernel: PlayedKernel, has_own: bool, ring: str
) -> None:
    kernel.has_own_session = has_own
    assert kernel_keyring.keep(KID, KEK, until=LATER, seconds=60) == ring
    found = kernel_keyring.kept(KID)
    assert found is not None
    assert (bytes(found.key), found.until, found.ring) == (bytes(KEK), LATER, ring)
    ((place, key),) = kernel.kept()
    assert (place, key.seconds) == (ring, 60)
    assert bool(key.rights & (USER_READS | USER_FINDS)) == (ring == "user")
    assert kernel.members[10] == [], "this process alone still has it"


def test_a_kek_kept_again_replaces_the_previous_one(kernel: PlayedKernel) -> None:
    kernel_keyring.keep(KID, KEK, until=LATER, seconds=60)
    kernel.has_own_session = True
    kernel_keyring.keep(KID, KEK, until="2999-02-02T00:00:00Z", seconds=120)
    assert [(ring, key.seconds) for ring, key in kernel.kept()] == [("session", 120)]


def test_dropping_one_kek_leaves_the_others_and_dropping_all_empties_both_keyrings(kernel: PlayedKernel) -> None:
    kernel_keyring.keep(KID, KEK, until=LATER, seconds=60)
    kernel.has_own_session = True
    kernel_keyring.keep(OTHER_KID, KEK, until=LATER, seconds=60)
    kernel.members[12].append(kernel.add(b"user", b"not ours", b"x", 1, -2))
    assert kernel_keyring.drop(OTHER_KID) == 1
    assert kernel_keyring.kept(KID) is not None
    kernel_keyring.keep(OTHER_KID, KEK, until=LATER, seconds=60)
    assert (kernel_keyring.drop_all(), kernel_keyring.drop_all()) == (2, 0)
    assert [key.description for _, key in kernel.kept()] == ["not ours"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"1 ", b"2 " + LATER.encode() + b" " + KEK,
     b"1 2001-01-01T00:00:00Z " + KEK, b"1 2999-01-01 00:00:00Z " + KEK,
     b"1 " + LATER.encode() + b"-" + KEK, b"1 " + LATER.encode() + b" " + KEK + b"x", b"\xff" * 55],
)  # fmt: skip
def test_a_malformed_or_expired_entry_is_not_used(kernel: PlayedKernel, payload: bytes) -> None:
    kernel.members[12].append(kernel.add(b"user", f"kojikey:kek:{KID}".encode(), payload, len(payload), -2))
    assert kernel_keyring.kept(KID) is None


@pytest.mark.parametrize("kid", ["", "../x", "00112233445566FF", "0011223344556677;user;x", "0" * 17, "é" * 16])
def test_a_malformed_kek_id_is_never_looked_up(kernel: PlayedKernel, kid: str) -> None:
    kernel.refuses = True
    assert kernel_keyring.kept(kid) is None


def test_when_the_kernel_refuses_nothing_is_kept_and_none_is_returned(kernel: PlayedKernel) -> None:
    kernel.refuses = True
    assert not kernel_keyring.is_there()
    assert kernel_keyring.keep(KID, KEK, until=LATER, seconds=60) is None
    assert (kernel_keyring.kept(KID), kernel_keyring.drop_all()) == (None, 0)


def test_a_machine_with_unknown_system_call_numbers_has_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_keyring, "_CALLS", {})
    assert not kernel_keyring.is_there()


# --- the kernel itself, where it lets a process use its keyrings (a container's sandbox may not) ---

real = pytest.mark.skipif(not kernel_keyring.is_there(), reason="this kernel, or its sandbox, has no keyring to use")


@pytest.fixture
def kid() -> Iterator[str]:
    """Return the id of a KEK that only this test keeps, and drop its entry at the end."""
    own = os.urandom(8).hex()
    yield own
    kernel_keyring.drop(own)


def in_a_process(code: str, kid: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", MAIN + code, kid], capture_output=True, text=True, check=True, timeout=60
    )
    return finished.stdout.strip()


@real
def test_another_process_finds_a_kept_kek_until_it_is_dropped(kid: str) -> None:
    ring = in_a_process(KEEP, kid)
    assert ring in ("session", "user")
    assert in_a_process(READ, kid) == str((ring, bytes(KEK).hex(), LATER))
    assert kernel_keyring.drop(kid) == 1
    assert in_a_process(READ, kid) == "None"


@real
def test_a_kek_in_a_session_keyring_is_hidden_from_other_logins(kid: str) -> None:
    assert in_a_process(JOIN + KEEP + "; " + READ, kid) == f"session\n{('session', bytes(KEK).hex(), LATER)}"
    assert in_a_process(READ, kid) == "None"


@real
def test_a_kek_in_the_user_keyring_is_found_from_a_session_of_its_own(
    kid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after a logout: the keyring of the user is not linked into that of the new session.
    monkeypatch.setattr(kernel_keyring, "_ring", lambda: ("user", kernel_keyring._keyctl(0, -4, 1)))
    assert kernel_keyring.keep(kid, KEK, until=LATER, seconds=60) == "user"
    assert in_a_process(JOIN + READ, kid) == str(("user", bytes(KEK).hex(), LATER))
