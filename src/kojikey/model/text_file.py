"""Decodes a file or a pipe: UTF-8 with or without a byte-order mark, and UTF-16 with one.

The shells of Windows write UTF-16 into a file with ``>``, and its editors begin UTF-8 with a mark. Must not: raise an
exception that holds the bytes; they may be a key or a passphrase.
"""

from __future__ import annotations

from kojikey.model.secret import HiddenBytes

UTF_8_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decoded(data: bytes) -> str | None:
    """Return the text without a byte-order mark, None if the bytes are not text."""
    data = HiddenBytes(data)
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "utf-8"
    try:
        return data.removeprefix(UTF_8_MARK).decode(encoding)
    except UnicodeDecodeError:
        return None
