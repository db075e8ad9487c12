"""Encrypts bytes into a record and decrypts a record, with AES-256-GCM.

Owns: the calls of the cipher and the meaning of its failure. Must not: know the content, or compare places.
"""

from __future__ import annotations

import os

from kojikey.model.errors import RecordChanged
from kojikey.model.secret import HiddenBytes
from kojikey.sealing.record import IV_BYTES, TAG_BYTES, Record, protect, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32


def cipher() -> type[AESGCM]:
    """Return cryptography's AESGCM, by a faster import if possible.

    The public module also imports all other ciphers, which would slow each start of ``kojikey run``.
    """
    try:
        from cryptography.hazmat.bindings._rust import openssl

        fast_import = openssl.aead.AESGCM
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM
    return fast_import


def sealed(key: bytes, plaintext: bytes, *, kid: str, place: dict[str, Any]) -> str:
    """Return the record of some bytes, bound to a place, with a random IV.

    96 random bits are safe for 2**32 records of one key (NIST SP 800-38D, section 8.3); an account has tens.

    Raises:
        UsageError: the record would be too large; nothing was sealed.
    """
    protected, iv = protect(kid, place), os.urandom(IV_BYTES)
    output = cipher()(key).encrypt(iv, plaintext, protected.encode("ascii"))
    return render(protected, iv, output[:-TAG_BYTES], output[-TAG_BYTES:])


def opened(key: bytes, record: Record, *, where: str) -> HiddenBytes:
    """Return the bytes of a record, verified together with its header.

    Raises:
        RecordChanged: a bit of the record was changed, or another key sealed it.
    """
    try:
        return HiddenBytes(
            cipher()(key).decrypt(record.iv, record.ciphertext + record.tag, record.protected.encode("ascii"))
        )
    except Exception as error:
        from cryptography.exceptions import InvalidTag  # at the top, it would slow each start of `kojikey run`

        if not isinstance(error, InvalidTag):
            raise
    raise RecordChanged(where)
