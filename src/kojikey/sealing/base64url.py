"""Base64url in the form of JOSE (RFC 7515, section 2): no padding, exactly one text for each value.

Must not: accept any other text for a value, or repeat its input in an error (it may be a KEK).
"""

from __future__ import annotations

import binascii

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/???")  # what only plain base64 has becomes what none has


def encode(data: bytes) -> str:
    """Return the text for some bytes, unpadded."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of a text that :func:`encode` wrote.

    Raises:
        ValueError: it is padded, uses another alphabet, or has extra bits at its end. The text is not repeated.
    """
    if text.isascii():  # a UnicodeEncodeError would contain the text
        padded = text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4)
        try:
            data = binascii.a2b_base64(padded)
        except binascii.Error:
            data = b""
        if binascii.b2a_base64(data, newline=False) == padded:
            return data
    raise ValueError("not canonical base64url")
