"""The KEK from a passphrase, by Argon2id.

Owns: the parameters (kept in the spec, bounded on reading), and the encoding of a passphrase. Must not: ask a person;
``KekInputs.ask_passphrase`` does, twice for a new passphrase.

A passphrase is encoded in UTF-8 in Unicode's normal form C, so that the same letters typed on two systems are the same
bytes (RFC 8265, section 4.2, OpaqueString). Nothing is stripped but the line end in a file.
"""

# ruff: noqa: ARG001 - the functions have the signatures of kek.Source
from __future__ import annotations

import os
from typing import NamedTuple

from kojikey.model.errors import Effect, KekMissing, KekUnavailable, RecordChanged, RecordUnsupported, UsageError
from kojikey.model.home import expanded
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.model.text_file import UTF_16_MARKS, decoded
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.kek import private_file
from kojikey.sealing.kek.base import (
    PASSPHRASE_FILE_VARIABLE,
    Kek,
    KekInputs,
    LocalKek,
    Purpose,
    Spec,
    asks_person,
    text_member,
)

TRIES = 3  # of a person who is asked
SHORT = 8  # characters; a shorter new passphrase causes a warning
LONGEST = 1024  # bytes
# for new stores: the second recommendation of RFC 9106, section 4
MEMORY_KIB, ITERATIONS, LANES = 64 * 1024, 3, 4
_SALT_BYTES = range(16, 65)
_LANES = range(1, 17)
_ITERATIONS = range(1, 9)
_MOST_MEMORY_KIB = 256 * 1024  # bounded, because the store's parameters are used before they can be verified
_NEEDED = {
    "old": "the old passphrase of a re-keying under way",
    "announced": "the new passphrase of a re-keying under way",
}
_FIRST_LINE = "write the passphrase into it, as its first line"
_WAYS_OUT = Hint(
    f"set {PASSPHRASE_FILE_VARIABLE} to a file of mode 600 whose first line is the passphrase, "
    "or run on a terminal (on Linux ",
    next_step("unlock"),
    " asks there once for some hours)",
)


class Parameters(NamedTuple):
    """The parameters of Argon2id."""

    salt: bytes
    memory_kib: int
    iterations: int
    lanes: int


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK of a passphrase, which may be wrong; a person is asked up to 3 times.

    In this order: the passphrase file in the environment, the KEK that ``kojikey unlock`` keeps, a person.

    Raises:
        KekMissing: nobody can be asked. KekUnavailable: the passphrase file cannot be used.
        RecordUnsupported: the parameters are outside the allowed range. RecordChanged: they are damaged.
    """
    parameters = _parameters(spec)  # before anybody types a passphrase for a store that cannot be opened
    if inputs.may_use_unlocked and not inputs.environ.get(PASSPHRASE_FILE_VARIABLE):
        unlocked = _unlocked(spec)
        if unlocked is not None:
            return unlocked
    for left in reversed(range(TRIES if asks_person(spec, inputs) else 1)):
        kek = _stretched(_bytes(_passphrase(inputs, inputs.which or "open")), parameters)
        if not left or kek.kid == spec.get("kid"):
            break
        if inputs.warn is not None:
            inputs.warn(f"{mismatch(spec)}; type it again")
    return kek


def _unlocked(spec: Spec) -> Kek | None:
    """Return the KEK that ``kojikey unlock`` keeps, None if it keeps none, or another one under the same id."""
    from kojikey.sealing.kek import kernel_keyring

    kid = text_member(spec, "kid")
    kept = kernel_keyring.kept(kid)
    kek = LocalKek(kept.key) if kept is not None else None
    return kek if kek is not None and kek.kid == kid else None


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return the KEK of a new passphrase, with a new salt.

    Raises:
        UsageError: the passphrase is empty or too long. KekMissing: nobody can be asked.
        KekUnavailable: the passphrase file cannot be used.
    """
    passphrase = _passphrase(inputs, "new")
    if not passphrase.reveal():
        raise UsageError("a passphrase cannot be empty", effect=Effect.NOTHING_CREATED)
    if len(passphrase.reveal()) < SHORT and inputs.warn is not None:
        inputs.warn(f"a passphrase of fewer than {SHORT} characters can be guessed by someone who copies the store")
    parameters = Parameters(os.urandom(_SALT_BYTES.start), MEMORY_KIB, ITERATIONS, LANES)
    kek = _stretched(_bytes(passphrase), parameters)
    members = {**parameters._asdict(), "salt": base64url.encode(parameters.salt)}
    return {"source": "passphrase", **members, "kid": kek.kid}, kek


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Do nothing: the KEK is not stored."""


def describe(spec: Spec) -> str:
    """Return a text that says where the KEK is kept and who can read it."""
    memory = _parameters(spec).memory_kib // 1024
    return f"a passphrase (Argon2id, {memory} MiB): anyone who knows or guesses it can open the keys"


def mismatch(spec: Spec) -> str:
    """Return the message for a wrong passphrase."""
    return "that is not this store's passphrase"


def argument_of(_: Spec) -> str:
    """Return ``""``: this source has no argument."""
    return ""


def is_same(spec: Spec, argument: str) -> bool:
    """Return True: this source has no argument."""
    return True


def _passphrase(inputs: KekInputs, purpose: Purpose) -> Secret:
    path = inputs.environ.get(PASSPHRASE_FILE_VARIABLE)
    if path:
        return _first_line(path, inputs)
    if inputs.ask_passphrase is None:
        needed = _NEEDED.get(purpose, "a passphrase")
        raise KekMissing(f"{needed} is needed, and {inputs.why_unasked}", hint=_WAYS_OUT)
    return inputs.ask_passphrase(purpose)


def _first_line(named: str, inputs: KekInputs) -> Secret:
    path = expanded(named, what=PASSPHRASE_FILE_VARIABLE)
    line = _text_of_first_line(private_file.read_named(path, what="passphrase file", warn=inputs.warn))
    if line is None:
        raise KekUnavailable(f"the first line of the passphrase file {path} is not text in UTF-8", hint=_FIRST_LINE)
    if not line.reveal():
        raise KekMissing(f"the first line of the passphrase file {path} is empty", hint=_FIRST_LINE)
    return line


def _text_of_first_line(content: HiddenBytes) -> Secret | None:
    # only the first line is decoded, as the others may be anything; in UTF-16 its end cannot be found in the bytes
    text = decoded(content if content.startswith(UTF_16_MARKS) else HiddenBytes(content.split(b"\n", 1)[0]))
    return None if text is None else Secret(text.split("\n", 1)[0].removesuffix("\r"))


def _bytes(passphrase: Secret) -> HiddenBytes:
    encoded = _normal(passphrase.reveal())
    if len(encoded) > LONGEST:
        raise UsageError(
            f"a passphrase has at most {LONGEST} bytes",
            hint=f"type a shorter one; {PASSPHRASE_FILE_VARIABLE} names a file with the passphrase alone",
            effect=Effect.NOTHING_DONE,
        )
    return encoded


def _normal(text: str) -> HiddenBytes:
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    return HiddenBytes(text.encode("utf-8", "surrogatepass"))  # an error of "strict" would contain the passphrase


def _parameters(spec: Spec) -> Parameters:
    try:
        salt = base64url.decode(text_member(spec, "salt"))
    except ValueError:
        raise RecordChanged("header", "does not say how its KEK is derived (its salt is damaged)") from None
    numbers = {name: spec.get(name) for name in ("memory_kib", "iterations", "lanes")}
    memory, iterations, lanes = (_number(name, value) for name, value in numbers.items())
    if (
        len(salt) not in _SALT_BYTES
        or lanes not in _LANES
        or iterations not in _ITERATIONS
        or not 8 * lanes <= memory <= _MOST_MEMORY_KIB
    ):
        raise RecordUnsupported(
            "the store's passphrase parameters are outside the allowed range",
            where="header",
            effect=Effect.NOTHING_OPENED,
        )
    return Parameters(salt, memory, iterations, lanes)


def _number(name: str, value: object) -> int:
    if type(value) is not int:
        raise RecordChanged("header", f"does not say how its KEK is derived (its {name} is damaged)")
    return value


def _stretched(passphrase: HiddenBytes, parameters: Parameters) -> LocalKek:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    salt, memory, iterations, lanes = parameters
    try:
        argon2 = Argon2id(salt=salt, length=KEY_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory)
        return LocalKek(HiddenBytes(argon2.derive(passphrase)))
    except UnsupportedAlgorithm:
        raise KekUnavailable("this build of OpenSSL has no Argon2id, which the passphrase needs") from None
    except MemoryError:
        raise KekUnavailable(
            f"there is not enough memory for the {memory // 1024} MiB that the passphrase needs"
        ) from None
