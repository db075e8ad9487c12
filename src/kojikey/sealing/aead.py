"""AES-256-GCM around a record: bytes to record and record to bytes.

Owns: the one call into the cipher and the meaning of its failure. Must not: know the content, or compare places.
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
    """Return cryptography's AESGCM, by the shorter import where there is one.

    The public module imports every other cipher with it, which ``kojikey run`` would pay for at each start.
    """
    try:
        from cryptography.hazmat.bindings._rust import openssl

        short_way_in = openssl.aead.AESGCM
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM
    return short_way_in


def sealed(key: bytes, plaintext: bytes, *, kid: str, place: dict[str, Any]) -> str:
    """Return the record of some bytes, bound to a place, under a random IV.

    96 random bits are safe for 2**32 records of one key (NIST SP 800-38D, section 8.3); an account has tens.

    Raises:
        UsageError: it would be too large; nothing was sealed.
    """
    protected, iv = protect(kid, place), os.urandom(IV_BYTES)
    output = cipher()(key).encrypt(iv, plaintext, protected.encode("ascii"))
    return render(protected, iv, output[:-TAG_BYTES], output[-TAG_BYTES:])


def opened(key: bytes, record: Record, *, where: str) -> HiddenBytes:
    """Return the bytes of a record, verified together with its header.

    Raises:
        RecordChanged: any bit of it was changed, or it was sealed with another key.
    """
    try:
        return HiddenBytes(
            cipher()(key).decrypt(record.iv, record.ciphertext + record.tag, record.protected.encode("ascii"))
        )
    except Exception as error:
        from cryptography.exceptions import InvalidTag  # here, because each start of `kojikey run` would pay for it

        if not isinstance(error, InvalidTag):
            raise
    raise RecordChanged(where)
