"""Searches a git repository: every object of its database once, or what is about to be committed.

Owns: git's plumbing and the reading of what it writes. Must not: let anything of the repository run
(``git_process.py``), or trust an object's content: no more than the size that git reports is read.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

from kojikey.scanning.git_process import Git, empty_tree, feed, stop
from kojikey.scanning.trouble import Tally
from kojikey.scanning.windows import Found, Scanner

_NO_OBJECT = b"0"


class InObject(NamedTuple):
    """A find in an object. ``kind`` is blob, commit, tag or tree."""

    object: str
    kind: str
    found: Found


class InIndex(NamedTuple):
    """A find in a file as it is about to be committed."""

    path: str
    object: str
    found: Found


class GitSearch:
    """A search in a repository."""

    def __init__(self, git: Git, scanner: Scanner, tally: Tally) -> None:
        self._git, self._scanner, self._tally = git, scanner, tally

    def objects(self) -> Iterator[InObject]:
        """Yield the finds in the objects, reachable or not; each is read once, in the order of the database."""
        self._tally.is_shallow |= self._git.line("rev-parse", "--is-shallow-repository") == "true"
        yield from self._batch("--batch-all-objects", "--unordered")

    def staged(self) -> Iterator[InIndex]:
        """Yield the finds in the index where it differs from HEAD."""
        head = self._git.line("rev-parse", "--verify", "--quiet", "HEAD^{commit}") or empty_tree(self._git)
        paths = self._staged_paths(head or "HEAD")
        found = self._batch(given=b"".join(name + b"\n" for name in paths))
        for in_object in found:
            for path in paths[in_object.object.encode()]:
                yield InIndex(path, in_object.object, in_object.found)

    def _staged_paths(self, head: str) -> dict[bytes, list[str]]:
        """Return the changed paths, by the object that the index has for them."""
        status, out, _ = self._git.ask(
            "diff-index", "--cached", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv",
            "--ignore-submodules=all", "-z", head, "--",
        )  # fmt: skip
        if status:
            self._tally.could_not_read(self._git.folder, "git cannot read the index")
        paths: dict[bytes, list[str]] = {}
        records = out.split(b"\0")
        for record, path in zip(records[::2], records[1::2], strict=False):
            _, mode, _, name, _ = record.split(b" ", 4)
            if name.strip(_NO_OBJECT) and mode != b"160000":  # neither deleted nor a commit of another repository
                paths.setdefault(name, []).append(os.fsdecode(path))
        return paths

    def _batch(self, *options: str, given: bytes | None = None) -> Iterator[InObject]:
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        process = self._git.start("cat-file", "--batch", "--buffer", *options, stdin=stdin)
        if given is not None:
            feed(process, given)
        try:
            yield from self._read_all(process.stdout)
        finally:
            status = stop(process)
        if status:
            self._tally.could_not_read(self._git.folder, "git cannot read all objects")

    def _read_all(self, stream: object) -> Iterator[InObject]:
        assert isinstance(stream, BufferedReader)  # noqa: S101 - a process that was started with a pipe has one
        while header := stream.readline():
            words = header.split()
            if len(words) != 3 or not words[2].isdigit():
                name = words[0].decode("ascii", "replace") if words else ""
                self._tally.could_not_read(f"{self._git.folder}: object {name}", "missing or damaged")
                continue
            yield from self._object(words, stream)
            stream.read(1)

    def _object(self, words: list[bytes], stream: BufferedReader) -> Iterator[InObject]:
        left = int(words[2])
        self._tally.objects += 1

        def read(view: memoryview) -> int:
            nonlocal left
            if not left:
                return 0
            count = stream.readinto(view[:left])
            left -= count
            return count

        is_tree = words[1] == b"tree"
        for found in self._scanner.scan(read):
            if is_tree:  # a name in a folder; a tree has no lines
                found = found._replace(line=None, column=None)
            yield InObject(words[0].decode("ascii"), words[1].decode("ascii"), found)
