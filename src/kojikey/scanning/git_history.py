"""Finds the commit that introduced a blob or a tree, and its path, after a key was found in it.

The history is walked once for all objects. Must not: read a blob.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from io import BufferedReader

from kojikey.scanning.git_process import Git, feed, stop

_DIFF = (
    "diff-tree", "--stdin", "--root", "-r", "-t", "-m", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff",
    "--no-textconv", "--ignore-submodules=all", "-z",
)  # fmt: skip


class Origin:
    """Finds the origin of objects in the history of a repository."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def of(self, objects: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return the first commit and the path of each object, without objects that no commit reaches.

        Commits that a reference or HEAD reaches are searched first, then unreachable ones.
        """
        wanted = set(objects)
        found: dict[str, tuple[str, str]] = {}
        for commits in (self._reachable, self._unreachable):
            if wanted:
                found |= self._first(commits(), wanted)
                wanted -= found.keys()
        return found

    def _reachable(self) -> bytes:
        # --all includes HEAD, also a detached one
        return self._git.ask("rev-list", "--all", "--topo-order", "--reverse")[1]

    def _unreachable(self) -> bytes:
        listed = self._git.ask("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")[1]
        commits = [line.split()[0] for line in listed.splitlines() if line.endswith(b" commit")]
        tips = b"".join(b"%b\n" % commit for commit in commits)
        return self._git.ask("rev-list", "--stdin", "--ignore-missing", "--topo-order", "--reverse", given=tips)[1]

    def _first(self, commits: bytes, wanted: set[str]) -> dict[str, tuple[str, str]]:
        process = self._git.start(*_DIFF, stdin=subprocess.PIPE)
        writer = feed(process, commits)
        found: dict[str, tuple[str, str]] = {}
        try:
            assert isinstance(process.stdout, BufferedReader)  # noqa: S101
            for commit, name, path in _changes(process.stdout):
                if name in wanted and name not in found:
                    found[name] = commit, path
                    if len(found) == len(wanted):
                        break
        finally:
            stop(process)
            writer.join()
        return found


def _changes(stream: BufferedReader) -> Iterator[tuple[str, str, str]]:
    """Yield commit, object and path of each change in git's output."""
    commit = ""
    fields = _fields(stream)
    for field in fields:
        if not field.startswith(b":"):
            commit = field.strip().decode("ascii", "replace")
            continue
        path = next(fields, b"")
        yield commit, field.split(b" ")[3].decode("ascii", "replace"), os.fsdecode(path)


def _fields(stream: BufferedReader) -> Iterator[bytes]:
    """Yield the fields of a stream, which end with zero bytes."""
    left = b""
    while data := stream.read1(65536):
        *whole, left = (left + data).split(b"\0")
        yield from whole
