"""Replaces the lines of saved keys by the comment ``# NAME: in kojikey``, in the files that they were read from.

Owns: every other byte, the mode and the owner stay the same, and a file is written whole or not at all. Must not:
change a file that somebody changed after it was read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256

from kojikey.cli.commands.import_keys.plan import Row
from kojikey.cli.commands.import_keys.sources import Binding, Source, Span
from kojikey.model.atomic_file import write_whole
from kojikey.model.home import expanded
from kojikey.model.plain_file import open_plain
from kojikey.model.secret import HiddenBytes
from kojikey.model.text_file import UTF_8_MARK, UTF_16_MARKS

COMMENTED_OUT = ("added", "rotated", "unchanged")
"""The actions after which a key is in use, so that its lines are replaced. A staged key may still be discarded."""


def comment_out(sources: Sequence[Source], rows: Sequence[Row]) -> list[str]:
    """Replace the lines of saved keys in each file, and return a sentence about each file that was not written.

    Adds the replaced lines to ``commented_out`` of their rows.
    """
    problems: list[str] = []
    done: dict[str, str] = {}  # digests at reading of the rewritten files, by real path: a file may be named twice
    for source in sources:
        saved = [
            (row, binding)
            for row in rows
            for binding in row.bindings
            if row.action in COMMENTED_OUT and binding.file == source.file
        ]
        if source.file is None or not saved:
            continue
        path = os.path.realpath(expanded(source.file, what="the file"))
        try:
            if done.get(path) != source.digest:
                _rewrite(path, source.digest, [binding for _, binding in saved])
                done[path] = source.digest
        except OSError as error:
            reason = error.strerror or "it cannot be written"
            problems.append(
                f"{source.file} was not changed ({reason}): its keys are saved, and still there in plain text"
            )
            continue
        for row, binding in saved:
            row.commented_out.add((source.file, binding.line))
    return problems


def _rewrite(path: str, digest: str, bindings: Iterable[Binding]) -> None:
    """Replace statements of a file that still has the digest with which it was read.

    Raises:
        OSError: it has another one, or it cannot be written.
    """
    with open_plain(path) as file:
        data, like = HiddenBytes(file.read()), os.fstat(file.fileno())
    if sha256(data).hexdigest() != digest:
        raise OSError(0, "it was changed meanwhile")
    if not os.access(path, os.W_OK):
        raise OSError(0, "it is read-only")
    replaced = {binding.span: binding.name for binding in bindings if binding.span is not None}
    write_whole(path, _pieces(data, replaced), like=like)


def _pieces(data: HiddenBytes, replaced: dict[Span, str]) -> list[HiddenBytes]:
    """Return the bytes of a file, in pieces, with a comment in place of each statement."""
    mark, encoding = _encoding(data)
    text = data.removeprefix(mark).decode(encoding)
    pieces, position = [mark], 0
    for span, name in sorted(replaced.items()):
        pieces += [text[position : span.start].encode(encoding), f"# {name}: in kojikey".encode(encoding)]
        position = span.end
    return [HiddenBytes(piece) for piece in (*pieces, text[position:].encode(encoding))]


def _encoding(data: bytes) -> tuple[bytes, str]:
    """Return the byte-order mark of a file, and the encoding of the text after it."""
    little, big = UTF_16_MARKS
    for mark, encoding in ((little, "utf-16-le"), (big, "utf-16-be"), (UTF_8_MARK, "utf-8")):
        if data.startswith(mark):
            return mark, encoding
    return b"", "utf-8"
