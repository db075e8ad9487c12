"""The KEK in the operating system's keychain, accessed through a helper process.

Owns: the time limit of every call (D-Bus hangs for minutes on broken desktops: jaraco/keyring#434, #531). Must not:
import keyring; only :mod:`.keychain_helper` does, in a process that can be killed.

The entry is named after the store and the KEK, so that re-keying from keychain to keychain does not overwrite the old
KEK.
"""

# ruff: noqa: ARG001 - the functions have the signatures of kek.Source
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.kek.base import Kek, KekInputs, LocalKek, Spec, text_member
from kojikey.sealing.kek.environment import local_kek

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE = "kojikey"
SECONDS = 3.0
# -P: else a keyring.py in the working directory would be imported and get the KEK
# not -I, which would hide a kojikey that is installed for one user
HELPER = (sys.executable, "-P", "-m", "kojikey.sealing.kek.keychain_helper")
_OTHER_SOURCES = "other KEK sources: passphrase, env, file:PATH"
_PROBLEMS = {
    "no_keychain": "there is no keychain here that can store secrets",
    "locked": "the keychain is locked, and was not unlocked",
    "failed": "the keychain refused, or does not work",
}


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK in the spec's entry.

    Raises:
        KekMissing: there is no such entry. KekUnavailable: no keychain, locked, or it did not answer in time.
    """
    service, entry = text_member(spec, "service"), text_member(spec, "entry")
    value = Secret(ask(("get", service, entry), inputs.environ))
    if not value.reveal():
        raise KekMissing(f"the keychain has no entry {entry} of {service}, and this store's KEK was kept there")
    return local_kek(value, holder="the keychain entry", hint="restore the KEK that was there")


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return a new KEK that was written to the keychain and read back.

    Raises:
        KekUnavailable: no keychain, locked, or it did not answer in time.
    """
    key = HiddenBytes(os.urandom(KEY_BYTES))
    kek = LocalKek(key)
    spec = {"source": "keychain", "service": SERVICE, "entry": f"{store_id}.{kek.kid}", "kid": kek.kid}
    ask(("set", SERVICE, spec["entry"]), inputs.environ, value=base64url.encode(key))
    return spec, kek


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Remove the entry.

    Raises:
        KekUnavailable: no keychain, locked, or it did not answer in time.
    """
    ask(("delete", text_member(spec, "service"), text_member(spec, "entry")), inputs.environ)


def describe(spec: Spec) -> str:
    """Return a text that says where the KEK is kept and who can read it."""
    entry = f"{text_member(spec, 'service')}/{text_member(spec, 'entry')}"
    return f"the system keychain, entry {entry}: readable by programs of this user while the keychain is unlocked"


def mismatch(spec: Spec) -> str:
    """Return the message for a KEK of another store."""
    return "the KEK in the keychain entry is not this store's"


def argument_of(_: Spec) -> str:
    """Return ``""``: this source has no argument."""
    return ""


def is_same(spec: Spec, argument: str) -> bool:
    """Return True: this source has no argument."""
    return True


def answers(inputs: KekInputs) -> bool:
    """Return whether there is a keychain that keeps secrets and answers in time."""
    try:
        ask(("probe", SERVICE, "probe"), inputs.environ)
    except KekUnavailable:
        return False
    return True


def ask(
    request: tuple[str, str, str],
    environ: Mapping[str, str],
    *,
    value: str = "",
    seconds: float = SECONDS,
    helper: Sequence[str] = (),
) -> str:
    """Return the helper's answer to a verb, a service and an entry; ``value`` is passed through a pipe.

    Raises:
        KekUnavailable: it reported a problem, or did not answer in time and was killed with its child processes.
    """
    try:
        process = subprocess.Popen(
            [*(helper or HELPER), *request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except (OSError, ValueError):
        raise KekUnavailable("the keychain could not be read", hint=_OTHER_SOURCES) from None
    with process:
        output: bytes | None = None
        try:
            output, _ = process.communicate(value.encode("ascii"), timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
        except BaseException:  # Ctrl-C does not reach the helper, which has its own session
            _kill(process)
            raise
    if output is None:  # raised outside of `except`: the TimeoutExpired contains the output so far
        hint = f"unlock it and try again, or use another one; {_OTHER_SOURCES}"
        raise KekUnavailable(f"the keychain did not answer within {seconds:g} s", hint=hint)
    return _answer(output)


def _answer(output: bytes) -> str:
    verdict, _, rest = output.decode("ascii", "replace").partition(" ")
    if verdict != "ok":
        raise KekUnavailable(_PROBLEMS.get(rest.strip(), _PROBLEMS["failed"]), hint=_OTHER_SOURCES)
    return rest.strip()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the helper and its child processes, which may hold its pipes open."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
