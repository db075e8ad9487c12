"""Reads a batch in UTF-16, which Windows' shells write with ``>``, as if it were UTF-8, one line at a time.

Must not: look at the content of a line.
"""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from kojikey.model.text_file import UTF_16_MARKS


def as_utf_8(stream: BinaryIO) -> BinaryIO:
    """Return the stream itself or, if it begins with a byte-order mark of UTF-16, a stream of its lines in UTF-8."""
    peek = getattr(stream, "peek", None)
    if peek is None or not peek(2).startswith(UTF_16_MARKS):
        return stream
    return cast("BinaryIO", _Utf16Lines(stream))


class _Utf16Lines(io.RawIOBase):
    """Lines of UTF-16, encoded as UTF-8. Bytes that are not UTF-16 are replaced: such a line is no JSON, and fails."""

    def __init__(self, stream: BinaryIO) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="\n")

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._text.readline(-1 if size is None else size).encode("utf-8", "replace")

    def close(self) -> None:
        self._text.close()
        super().close()
