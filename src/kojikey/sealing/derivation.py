"""Keys and ids derived from a data key or a KEK (HKDF with SHA-256, RFC 5869), each for one purpose only.

Owns: the list of purposes. Must not: be imported to open a record, because it slows the start.
"""

from __future__ import annotations

from kojikey.model.secret import HiddenBytes

DATA_KEY_ID = b"kojikey/1 data key id"
KEK_ID = b"kojikey/1 kek id"
FINGERPRINT = b"kojikey/1 fingerprint"
AUDIT = b"kojikey/1 audit"
PROOF = b"kojikey/1 proof"
RECIPIENTS = b"kojikey/1 recipients"
SUCCESSION = b"kojikey/1 succession"

_ID_BYTES = 8


def derived(key: bytes, purpose: bytes, length: int = 32) -> HiddenBytes:
    """Return ``length`` bytes derived from a key for one purpose, which reveal nothing about the key."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # no salt: the keys are 32 uniformly random bytes, or Argon2id output (RFC 5869, section 3.1)
    return HiddenBytes(HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key))


def derived_id(key: bytes, purpose: bytes) -> str:
    """Return the public id of a key, 16 hex characters."""
    return derived(key, purpose, _ID_BYTES).hex()
