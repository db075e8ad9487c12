"""Searches a git repository: every object of its database once, or the staged files.

Owns: the choice of objects. Must not: start git in any other way than :mod:`.git_process` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from kojikey.scanning.git_objects import InObject, ObjectSearch
from kojikey.scanning.git_process import Git, empty_tree, stop
from kojikey.scanning.scanner import Found, Scanner
from kojikey.scanning.tally import Tally
from kojikey.scanning.workers import Workers

_NO_OBJECT = b"0"
_BATCH = 128  # objects; neighbours in the database are deltas of each other, so one process searches them


class InIndex(NamedTuple):
    """A find in a staged file."""

    path: str
    object: str
    found: Found


class GitSearch:
    """A search in a repository."""

    def __init__(self, git: Git, scanner: Scanner, tally: Tally) -> None:
        self._git, self._tally = git, tally
        self._objects = ObjectSearch(git, scanner)

    def objects(self) -> Iterator[InObject]:
        """Yield the finds in all objects, also unreachable ones; each is read once, in the order of the database."""
        self._note_missing_objects()
        names = self._names()
        with Workers(self._objects.search, InObject, self._tally) as workers:
            batch = list(islice(names, _BATCH))
            while following := list(islice(names, _BATCH)):
                yield from workers.search(batch)
                batch = following
            yield from workers.finish(batch)
        self._objects.close()

    def _note_missing_objects(self) -> None:
        """Note in the tally that the database is incomplete, which reading its objects would not show."""
        self._tally.is_shallow |= self._git.line("rev-parse", "--is-shallow-repository") == "true"
        self._tally.is_partial |= self._git.ask("config", "--get-regexp", r"^remote\..*\.promisor$")[0] == 0
        if self._git.ask("show-ref", "--head", "--quiet")[0] > 1:  # 1: there is no reference yet
            self._tally.could_not_read(self._git.folder, "a branch or tag names an object that is missing")

    def _names(self) -> Iterator[str]:
        listing = self._git.start(
            "cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered", "--buffer"
        )
        assert listing.stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            for line in listing.stdout:
                yield line.decode("ascii").rstrip()
        finally:
            status = stop(listing)
        if status:
            self._tally.could_not_read(self._git.folder, "git cannot list all objects")

    def staged(self) -> Iterator[InIndex]:
        """Yield the finds in the files of the index that differ from HEAD."""
        head = self._git.line("rev-parse", "--verify", "--quiet", "HEAD^{commit}") or empty_tree(self._git)
        paths = self._staged_paths(head or "HEAD")
        names = iter(paths)
        while batch := list(islice(names, _BATCH)):
            for in_object in self._objects.search(batch, self._tally):
                for path in paths[in_object.object]:
                    yield InIndex(path, in_object.object, in_object.found)
        self._objects.close()

    def _staged_paths(self, head: str) -> dict[str, list[str]]:
        """Return the changed paths by their objects in the index."""
        status, out, _ = self._git.ask(
            "diff-index", "--cached", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv",
            "--ignore-submodules=all", "-z", head, "--",
        )  # fmt: skip
        if status:
            self._tally.could_not_read(self._git.folder, "git cannot read the index")
        paths: dict[str, list[str]] = {}
        records = out.split(b"\0")
        for record, path in zip(records[::2], records[1::2], strict=False):
            _, mode, _, name, _ = record.split(b" ", 4)
            if name.strip(_NO_OBJECT) and mode != b"160000":  # neither deleted nor a commit of another repository
                paths.setdefault(name.decode("ascii"), []).append(os.fsdecode(path))
        return paths
