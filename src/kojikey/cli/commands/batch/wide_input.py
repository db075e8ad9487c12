"""A batch in UTF-16, as Windows' shells write one with ``>``, read as if it were UTF-8; it is not read whole.

Must not: look at what a line says.
"""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from kojikey.model.text_file import UTF_16_MARKS


def as_utf_8(stream: BinaryIO) -> BinaryIO:
    """Return the stream itself, or one that reads UTF-16 where a byte-order mark says that it is that."""
    peek = getattr(stream, "peek", None)
    if peek is None or not peek(2).startswith(UTF_16_MARKS):
        return stream
    return cast("BinaryIO", _WideLines(stream))


class _WideLines(io.RawIOBase):
    """Lines of UTF-16, each as UTF-8. What cannot be read is replaced: such a line is no JSON, and fails alone."""

    def __init__(self, stream: BinaryIO) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="\n")

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._text.readline(-1 if size is None else size).encode("utf-8", "replace")

    def close(self) -> None:
        self._text.close()
        super().close()
