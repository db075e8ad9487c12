"""People with identities, for stores whose KEK is sealed to several: of age, and of SSH with and without a passphrase.

Owns: making them. Must not: seal or open anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from kojikey.sealing.kek.age_recipients import Recipient
from support.keks import private

WORDS = b"only anna knows this"


@dataclass(frozen=True)
class Person:
    """Somebody with an age identity."""

    secret: str
    recipient: Recipient


@cache
def identity(name: str) -> Person:
    """Return the age identity of a person, the same one for the same name."""
    made = pyrage.x25519.Identity.generate()
    return Person(str(made), Recipient(str(made.to_public()), name))


@cache
def _ssh_key(kind: str) -> ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ed25519.Ed25519PrivateKey.generate()


def ssh_recipient(kind: str) -> Recipient:
    """Return the public key of the SSH key of that kind."""
    public = _ssh_key(kind).public_key().public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH)
    return Recipient(public.decode(), f"{kind}@laptop")


def ssh_file(path: Path, kind: str, *, words: bytes | None = None, is_old: bool = False) -> Path:
    """Write the private SSH key of that kind, as OpenSSH does; ``is_old`` is the PEM form of long ago."""
    form = forms.PrivateFormat.TraditionalOpenSSL if is_old else forms.PrivateFormat.OpenSSH
    encryption = forms.BestAvailableEncryption(words) if words else forms.NoEncryption()
    return private(path, _ssh_key(kind).private_bytes(forms.Encoding.PEM, form, encryption))
