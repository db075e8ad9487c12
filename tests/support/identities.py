"""Identities of age and of SSH, with and without a passphrase, for stores whose KEK is sealed to several people.

Owns: making them. Must not: seal or open anything.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


CAROL = Person(
    "AGE-SECRET-KEY-1HTFXGT2E9PM7HF4UQXWLFE8998WVTMG8QPXYF9QTXCM2HLG86X0QL37LSG",
    Recipient("age1407j05tr6thdcgghhpe27jlaas4psrfn67cm2q2cksr3lsrzy9hskyhgke", "carol"),
)
CAROLS_FILE = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBmWEdUbWR5NGd2Q2oyK0hzR3hjOERRIDYKdndrVmY4OEJFQ1IzWWNsOXpRMUYyc1VmMCsrNFdK"
    "Y0JXZUNvMmRrVzExUQotLS0gSnNwN0k3cmg1V1JPTGFrVnlNb1NCeUVYaWxVcHAzUGV4aVpHVkJYY1BISQrOZgl/ua9WRpcJ5yBHMAj1MuTthX3oNoxp"
    "1cLyZlNsEXRzCqvpdwDQGEH7fMps/ldWbGVhXO/ZXf1KhX0QV6CDnUv1YY3H2YrwImPSPeXLmzWVffJe1kE5wu+gjNogrCfc9RkIk49F96NJ"
)
"""Carol's identity file with the passphrase ``WORDS`` and scrypt's work factor 6; age itself takes about a second."""


@cache
def identity(name: str) -> Person:
    """Return the age identity of a person, the same one for the same name."""
    import pyrage  # here: most tests of a folder that uses this module need no identity

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
    """Write the private SSH key of that kind in OpenSSH's form, or with ``is_old`` in the earlier PEM form."""
    form = forms.PrivateFormat.TraditionalOpenSSL if is_old else forms.PrivateFormat.OpenSSH
    encryption = forms.BestAvailableEncryption(words) if words else forms.NoEncryption()
    return private(path, _ssh_key(kind).private_bytes(forms.Encoding.PEM, form, encryption))
