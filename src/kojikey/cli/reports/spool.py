"""Collects results for the reports that need them in order, in a temporary SQLite file without a name.

Owns: the order, and which files and annotations are written. Must not: need memory for each result.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from kojikey.cli.command import Text
from kojikey.cli.context import Context
from kojikey.cli.exits import hint_of
from kojikey.cli.options import HTML, JUNIT
from kojikey.cli.output import documents
from kojikey.cli.reports.base import Item, ReportFailedError, Rows, RunEnd
from kojikey.cli.reports.report_file import failure_message, write_report
from kojikey.model.ref import Document
from kojikey.model.timestamps import now, parsed
from kojikey.model.verdict import is_failure
from kojikey.operations.testing_keys import Unopened

Writer = Callable[[RunEnd, Rows], Iterable[str]]


class Spool:
    """Collects results, and writes the files and annotations that the options ask for at the end."""

    def __init__(self, context: Context, *, fail_on: str, disabled: frozenset[str]) -> None:
        self._context, self._fail_on, self._disabled = context, fail_on, disabled
        self._files = [
            (path, _writer(option)) for option in (JUNIT, HTML) if (path := context.call.get(option)) is not None
        ]
        self._lost = ""
        # "" is a temporary database on disk that SQLite deletes itself: https://www.sqlite.org/inmemorydb.html
        self._database = sqlite3.connect("", isolation_level=None)
        try:
            self._database.execute("PRAGMA cache_size = -1024")
            self._database.execute("CREATE TABLE results (account TEXT, provider TEXT, document TEXT)")
        except sqlite3.Error as error:
            self._lost = _no_room(error)

    def add(self, item: Item) -> None:
        """Store a result. If the disk is full, the run goes on, and ``end`` reports that the files are missing."""
        if self._lost:
            return
        text = json.dumps(_row(item, self._fail_on, is_disabled=item.account in self._disabled))
        try:
            self._database.execute("INSERT INTO results VALUES (?, ?, ?)", (item.account, item.provider, text))
        except sqlite3.Error as error:
            self._lost = _no_room(error)

    def end(self, ending: RunEnd) -> None:
        """Write everything; a report that cannot be written stops no other.

        Raises:
            ReportFailedError: some could not be written. BrokenPipeError: the reader of standard output closed it.
        """
        problems: list[str] = []
        out = self._context.terminal.out
        try:
            for path, writer in self._files:
                pieces = partial(writer, ending, self._rows)
                if reason := self._failure_of(partial(write_report, out, path, pieces)):
                    problems.append(failure_message(path, reason))
            if out.is_on_github:
                problems += self._write_github(ending)
        finally:
            with suppress(sqlite3.Error):
                self._database.close()
        if problems:
            raise ReportFailedError(problems)

    def _write_github(self, ending: RunEnd) -> list[str]:
        from kojikey.cli.reports.github import write_annotations, write_summary

        problems = []
        # The summary first: its file is not lost with standard output, whose reader may be gone.
        for what, write in (("the summary of the step", write_summary), ("the annotations", write_annotations)):
            if reason := self._failure_of(partial(write, ending, self._rows, self._context)):
                problems.append(f"{what} could not be written ({reason})")
        return problems

    def _failure_of(self, write: Callable[[], None]) -> str:
        """Write something, and return why that failed, ``""`` if it did not."""
        if self._lost:
            return self._lost
        try:
            write()
        except BrokenPipeError:
            raise
        except OSError as error:
            return error.strerror or str(error)
        except sqlite3.Error as error:
            return str(error)
        return ""

    def _rows(self) -> Iterator[Document]:
        cursor = self._database.cursor()
        for (text,) in cursor.execute("SELECT document FROM results ORDER BY account, provider"):
            yield json.loads(text)


def _no_room(error: sqlite3.Error) -> str:
    return f"the temporary folder has no room for the results: {error}"


def _writer(option: Text) -> Writer:
    """Return a function that yields the report of an option; its module is imported when it is called."""

    def write(ending: RunEnd, rows: Rows) -> Iterable[str]:
        if option == JUNIT:
            from kojikey.cli.reports.junit import junit

            return junit(ending, rows)
        from kojikey.cli.reports.html import page

        return page(ending, rows)

    return write


def _row(item: Item, fail_on: str, *, is_disabled: bool) -> Document:
    """Return a result with further members for reports: whether it fails the run, and whether a rotation is due."""
    if isinstance(item, Unopened):
        return {
            "account": item.account, "provider": item.provider, "masked": "", "is_failure": True,
            "outcome": "unopened", "reason": "cannot_open", "detail": str(item.error),
            "hint": hint_of(item.error),
        }  # fmt: skip
    more: Document = {"is_failure": is_failure(item.verdict.outcome, fail_on)}
    if item.key is not None:
        more["rotation_due"] = item.key.rotation_due(parsed(now()), is_disabled=is_disabled)
        more["expires_at"] = item.key.current.expires_at
        before = item.key.current.last_test
        more["last_valid_at"] = before.last_valid_at if before else None
    return documents.test_fields(item) | more
