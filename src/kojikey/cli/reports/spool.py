"""Collects results for reports that need them in order, in a temporary SQLite file that has no name.

Owns: the order, and writing files whole or not at all. Must not: grow in memory with the number of results.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from kojikey.cli.command import Text
from kojikey.cli.context import Context
from kojikey.cli.exits import hint_of
from kojikey.cli.options import HTML, JUNIT
from kojikey.cli.output import documents
from kojikey.cli.output.stdout import Stdout
from kojikey.cli.reports.base import STDOUT, Item, ReportFailedError, Rows, RunEnd
from kojikey.model.atomic_file import write_whole
from kojikey.model.errors import Effect, UsageError
from kojikey.model.ref import Document
from kojikey.model.timestamps import now, parsed
from kojikey.model.verdict import is_failure
from kojikey.operations.testing_keys import Unopened

Writer = Callable[[RunEnd, Rows], Iterable[str]]


class Spool:
    """Takes results, and writes the files and annotations that were asked for at the end."""

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
        """Keep a result. If there is no room for it, the run goes on, and the reports are reported as missing."""
        if self._lost:
            return
        text = json.dumps(_row(item, self._fail_on, is_disabled=item.account in self._disabled))
        try:
            self._database.execute("INSERT INTO results VALUES (?, ?, ?)", (item.account, item.provider, text))
        except sqlite3.Error as error:
            self._lost = _no_room(error)

    def end(self, ending: RunEnd) -> None:
        """Write everything; each file whole or not at all, and one that fails holds up no other.

        Raises:
            ReportFailedError: some could not be written. OSError: standard output cannot.
        """
        problems: list[str] = []
        out = self._context.terminal.out
        try:
            for path, writer in self._files:
                pieces = partial(writer, ending, self._rows)
                write = partial(write_report, out, path, pieces)
                problems += self._tried(f"the report {path} could not be written", write)
            if out.is_on_github:
                problems += self._tell_github(ending)
        finally:
            with suppress(sqlite3.Error):
                self._database.close()
        if problems:
            raise ReportFailedError(problems)

    def _tell_github(self, ending: RunEnd) -> list[str]:
        from kojikey.cli.reports.github import tell_github, write_summary

        problems = self._tried(
            "the annotations could not be written", lambda: tell_github(ending, self._rows, self._context)
        )
        what = "the summary of the step could not be written"
        return problems or self._tried(what, lambda: write_summary(ending, self._rows, self._context))

    def _tried(self, what: str, write: Callable[[], None]) -> list[str]:
        """Write something; return what is to be said where that failed."""
        reason: str | None = self._lost
        try:
            if not self._lost:
                write()
        except BrokenPipeError:
            raise
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
        return [f"{what} ({reason}); the existing file was not changed"] if reason else []

    def _rows(self) -> Iterator[Document]:
        cursor = self._database.cursor()
        for (text,) in cursor.execute("SELECT document FROM results ORDER BY account, provider"):
            yield json.loads(text)


def _no_room(error: sqlite3.Error) -> str:
    return f"the temporary folder has no room for the results: {error}"


def _writer(option: Text) -> Writer:
    """Return what writes a report; it is imported when the report is."""

    def write(ending: RunEnd, rows: Rows) -> Iterable[str]:
        if option == JUNIT:
            from kojikey.cli.reports.junit import junit

            return junit(ending, rows)
        from kojikey.cli.reports.html import page

        return page(ending, rows)

    return write


def _row(item: Item, fail_on: str, *, is_disabled: bool) -> Document:
    """Return a result with what reports need beside it: whether it fails the run, and whether its key is due."""
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


def check_places(paths: list[str]) -> None:
    """Check that each report can be written where it is to be, and that none takes the place of another.

    Raises:
        UsageError: one cannot, or two are the same.
    """
    for path in paths:
        check_place(path)
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError(
            f"two reports would be written to {paths[0]}",
            hint="--junit keys.xml --html keys.html",
            effect=Effect.NOTHING_DONE,
        )


def check_place(path: str) -> None:
    """Check that a file can be written there, before any work is done for it.

    Raises:
        UsageError: it cannot. The path is the user's own and is named.
    """
    if path == STDOUT:
        return
    if not path:
        raise UsageError("a report needs the name of a file", hint="--html keys.html", effect=Effect.NOTHING_DONE)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UsageError(
            f"there is no folder {folder} for the report", hint=f"mkdir -p {folder}", effect=Effect.NOTHING_DONE
        )
    if not os.access(folder, os.W_OK):
        raise UsageError(f"the folder {folder} is not writable", effect=Effect.NOTHING_DONE)
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is not a regular file, and a report would replace it", effect=Effect.NOTHING_DONE)


def write_report(out: Stdout, path: str, pieces: Callable[[], Iterable[str]]) -> None:
    """Write a report to a file, whole or not at all, or to standard output.

    Raises:
        OSError: it cannot be written; the file that was there is as it was.
    """
    if path == STDOUT:
        out.report(pieces())
    else:
        write_whole(path, pieces())
