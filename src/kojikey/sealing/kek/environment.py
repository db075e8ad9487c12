"""The KEK in an environment variable, for CI and containers.

Owns: the text form of a KEK for people, 32 bytes in base64url. Must not: repeat a variable's value.
"""

# ruff: noqa: ARG001 - the functions have the signatures of kek.Source
from __future__ import annotations

from kojikey.model.errors import KekMissing, KekUnavailable, UsageError
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.kek.base import KEK_VARIABLE, Kek, KekInputs, LocalKek, Spec, text_member

_TO_URL = str.maketrans("+/", "-_")
_MAKE_ONE = "python3 -c 'import base64, secrets; print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())'"


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK in the spec's variable.

    Raises:
        KekMissing: it is not set. KekUnavailable: its value is not a KEK.
    """
    name = text_member(spec, "name")
    value = Secret(inputs.environ.get(name, ""))
    if not value.reveal():
        raise KekMissing(f"{name} is not set, and this store's KEK is kept there", hint=f"export {name}=...")
    return local_kek(value, holder=name, hint="restore the KEK that was there; no other one works")


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return the KEK in a variable, which must be set already.

    Raises:
        KekMissing: the variable is not set. KekUnavailable: its value is not a KEK.
    """
    name = argument or KEK_VARIABLE
    value = Secret(inputs.environ.get(name, ""))
    if not value.reveal():
        hint = f'create one, keep it where you keep secrets, and try again: export {name}="$({_MAKE_ONE})"'
        raise KekMissing(f"{name} is not set; it has to hold 32 random bytes in base64url", hint=hint)
    kek = local_kek(value, holder=name, hint=f"this creates one: {_MAKE_ONE}")
    return {"source": "env", "name": name, "kid": kek.kid}, kek


def check_argument(argument: str, *, effect: str) -> None:
    """Check what was typed after ``env:``.

    Raises:
        UsageError: it is not the name of a variable.
    """
    if not (argument.isascii() and argument.isidentifier()):
        hint = "for example env:MY_KEK"
        raise UsageError("that is not the name of an environment variable", hint=hint, effect=effect)


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Do nothing: :func:`make` did not set the variable."""


def describe(spec: Spec) -> str:
    """Return a text that says where the KEK is kept and who can read it."""
    name = text_member(spec, "name")
    return f"the environment variable {name}: readable by this user's processes, and by whatever sets it"


def mismatch(spec: Spec) -> str:
    """Return the message for a KEK of another store."""
    return f"the KEK in {text_member(spec, 'name')} is not this store's"


def argument_of(spec: Spec) -> str:
    """Return the variable's name, ``""`` for the default one."""
    name = text_member(spec, "name")
    return "" if name == KEK_VARIABLE else name


def is_same(spec: Spec, argument: str) -> bool:
    """Return whether a variable's name (``""`` for the default) is the spec's."""
    return bool(spec.get("name") == (argument or KEK_VARIABLE))


def local_kek(text: Secret, *, holder: str, hint: str) -> LocalKek:
    """Return the KEK in a text, base64url or base64, with or without padding and white space around it.

    Raises:
        KekUnavailable: the text is not a KEK. It is not repeated.
    """
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise KekUnavailable(
            f"the value of {holder} is not a KEK: 32 bytes in base64url or base64 (43 characters)", hint=hint
        )
    return LocalKek(key)


def _decoded(text: Secret) -> HiddenBytes:
    """Return the bytes of a text, ``b""`` if it is neither base64url nor base64."""
    bare = text.reveal().strip().translate(_TO_URL)
    try:
        return HiddenBytes(base64url.decode(bare[:-1] if bare.endswith("=") else bare))
    except ValueError:
        return HiddenBytes()
