"""Collects the matches of ``kojikey scan`` for the reports, as JSON rows in order.

Owns: the members of a row, and the advice for a match. Must not: hold a key, or need memory for each match.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from kojikey.cli.output.terminal import Terminal
from kojikey.model.key import Stage
from kojikey.model.masking import mask
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import printable
from kojikey.model.ref import Document
from kojikey.operations.scanning import Finding
from kojikey.providers.index import IndexEntry

_COMMIT_CHARACTERS = 12  # of a commit's id in the output for people
_ORDER = "ORDER BY file, commit_id, object, line, column_no, rowid"


class Findings:
    """The matches of one run, in a temporary database that SQLite deletes itself; iterating yields them in order."""

    def __init__(self, terminal: Terminal, index: dict[str, IndexEntry]) -> None:
        self._terminal, self._index = terminal, index
        self.count = 0
        self._keys: set[tuple[str | None, str, str | None]] = set()
        self._advice_cache: dict[tuple[str | None, str, Stage | None], tuple[str, str]] = {}
        # "" is a file without a name: https://www.sqlite.org/inmemorydb.html
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA cache_size = -1024")
        self._database.execute("CREATE TABLE found (file, commit_id, object, line, column_no, document)")
        self._database.execute("BEGIN")

    def add(self, finding: Finding) -> None:
        """Store a match."""
        row = self._row(finding)
        self.count += 1
        if finding.is_known:
            self._keys.add((row["account"], row["provider"], row["stage"]))
        place = tuple(row[name] or "" for name in ("file", "commit", "object"))
        values = (*place, finding.line or 0, finding.column or 0, json.dumps(row))
        self._database.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", values)

    def __iter__(self) -> Iterator[Document]:
        for (text,) in self._database.cursor().execute(f"SELECT document FROM found {_ORDER}"):  # noqa: S608
            yield json.loads(text)

    @property
    def keys(self) -> int:
        """The number of different versions of the store's keys that were found."""
        return len(self._keys)

    def _row(self, finding: Finding) -> Document:
        page, hint = self._advice(finding)
        return {
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "commit": finding.commit,
            "object": finding.object,
            "object_type": finding.kind,
            "account": finding.account,
            "provider": finding.provider,
            "stage": finding.stage.value if finding.stage else None,
            "masked": mask(finding.tail),
            "encoding": finding.encoding,
            "known": finding.is_known,
            "hint": hint,
            "manage_url": page,
        }

    def _advice(self, finding: Finding) -> tuple[str, str]:
        """Return the provider's page and the hint; they are the same for every match of a version."""
        version = (finding.account, finding.provider, finding.stage)
        if version not in self._advice_cache:
            entry = self._index.get(finding.provider)
            page = entry.keys_page if entry else ""
            hint = self._terminal.completed(_next_step(finding, page), account=finding.account)
            self._advice_cache[version] = page, hint
        return self._advice_cache[version]


def _next_step(finding: Finding, page: str) -> str:
    at = f" at {page}" if page else " at the provider"
    match finding.stage:
        case Stage.CURRENT:
            return Hint(next_step("rotate", finding.provider), f", then revoke the old key{at}")
        case Stage.STAGED:
            return Hint(next_step("rotate", finding.provider, "--abort"), f", then revoke it{at}")
        case Stage.PREVIOUS:
            return Hint(f"revoke it{at}, then ", next_step("rotate", finding.provider, "--retire"))
        case None:
            return f"revoke it{at}: it is not in this store"


def place_of(row: Document) -> str:
    """Return the place of a match for people, without control characters."""
    commit, file = row["commit"], row["file"]
    position = ":".join(str(row[name]) for name in ("line", "column") if row[name] is not None)
    if row["object"] is None or (commit is None and file is not None):
        parts = [printable(file or ""), position or "in its name"]
    elif commit is not None and file is not None:
        parts = [commit[:_COMMIT_CHARACTERS], printable(file), str(row["line"] or "in a name")]
    else:
        parts = [row["object"], str(row["line"] or "in a name")]
    return ":".join(parts)


def key_of_row(row: Document) -> str:
    """Return the account, provider and stage of a match for people."""
    owner = f"{row['account']}/" if row["known"] else ""
    stage = row["stage"] or "not in this store"
    return f"{owner}{row['provider']} ({stage})"
