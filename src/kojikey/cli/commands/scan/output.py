"""Prints the matches of ``kojikey scan``: a table, a JSON document, or annotations on GitHub.

Owns: the text for people. Must not: search, or decide the exit code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from kojikey.cli.commands.scan.findings import Findings, key_of_row, place_of
from kojikey.cli.output.failure import SCHEMA
from kojikey.cli.output.terminal import Terminal
from kojikey.model.masking import mask
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted, printable
from kojikey.model.ref import Document
from kojikey.scanning.tally import ARCHIVE, DEVICE, FIFO, LINK, SOCKET, Tally

_MOST_IN_TABLE = 200
"""Up to this number of matches are shown as a table; more are written one per line, as the database returns them."""

_NAMED = 10
_KINDS = {
    FIFO: ("pipe", "pipes"),
    SOCKET: ("socket", "sockets"),
    DEVICE: ("device", "devices"),
    LINK: ("link out of the path or to nothing", "links out of the path or to nothing"),
}


def show(terminal: Terminal, findings: Findings, tally: Tally) -> None:
    """Print the matches for people, and a line of totals."""
    from kojikey.cli.output.page import Page

    page = Page(terminal)
    if findings.count > _MOST_IN_TABLE:
        for row in findings:
            page.line("  ".join((place_of(row), key_of_row(row), _masked(terminal, row), row["hint"])))
    elif findings.count:
        cells = [
            (place_of(row), row["account"] or "-", row["provider"], _stage(row), _masked(terminal, row), row["hint"])
            for row in findings
        ]
        page.table(("PLACE", "ACCOUNT", "PROVIDER", "STAGE", "KEY", "WHAT TO DO"), cells)
    page.line(_totals(findings, tally), style="bold")


def _stage(row: Document) -> str:
    stage = row["stage"] or "not in this store"
    return stage if row["encoding"] == "plain" else f"{stage}, {row['encoding']}"


def _masked(terminal: Terminal, row: Document) -> str:
    return terminal.masked(str(row["masked"]).removeprefix(mask("")))


def _totals(findings: Findings, tally: Tally) -> str:
    parts = []
    if tally.files or not tally.repositories:
        parts.append(counted(tally.files, "file"))
    if tally.repositories:
        parts.append(counted(tally.objects, "git object"))
    searched = " and ".join(parts)
    if not findings.count:
        return f"no key found in {searched}"
    known = f", {counted(findings.keys, 'key')} of this store" if findings.keys else ""
    return f"{counted(findings.count, 'place')}{known}, in {searched}"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def note_skipped(terminal: Terminal, tally: Tally) -> None:
    """Report on stderr what was not searched: the number of each kind, and the names of unreadable files."""
    skipped = [_counted(count, *_KINDS[kind]) for kind, count in sorted(tally.skipped.items()) if kind in _KINDS]
    if skipped:
        terminal.note(f"skipped: {', '.join(skipped)}")
    if tally.skipped[ARCHIVE]:
        archives = _counted(tally.skipped[ARCHIVE], "archive was", "archives were")
        terminal.note(f"{archives} not unpacked: only the compressed bytes were searched")
    if tally.has_git_database:
        terminal.note(Hint("git's objects are compressed; ", next_step("scan", "--git"), " searches them"))
    if tally.is_shallow:
        terminal.warn("this clone is shallow: commits that it lacks were not searched")
    if tally.is_partial:
        terminal.warn("this clone is partial: objects that it does not have were not searched")
    for name, reason in tally.unreadable[:_NAMED]:
        terminal.warn(f"{printable(name)} was not read: {reason}")
    if tally.unreadable_count > _NAMED:
        terminal.warn(f"{tally.unreadable_count - _NAMED} more were not read")


def write_document(terminal: Terminal, findings: Findings, tally: Tally, code: int, error: Document | None) -> None:
    """Write the JSON document, one match at a time."""
    for text in _document(findings, tally, code, error):
        terminal.out.json(text)
    terminal.out.flush()


def _document(findings: Findings, tally: Tally, code: int, error: Document | None) -> Iterator[str]:
    head = {"schema": SCHEMA, "command": "scan", "exit_code": int(code)}
    yield json.dumps(head, indent=1)[:-2] + ',\n "results": ['
    separator = "\n  "
    for row in findings:
        yield separator + json.dumps(row)
        separator = ",\n  "
    yield "\n ]"
    for name, value in _closing(findings, tally, error).items():
        yield f",\n {json.dumps(name)}: {json.dumps(value)}"
    yield "\n}\n"


def _closing(findings: Findings, tally: Tally, error: Document | None) -> Document:
    kinds = (FIFO, SOCKET, DEVICE, LINK, ARCHIVE)
    summary: Document = {
        "found": findings.count,
        "keys": findings.keys,
        "files": tally.files,
        "objects": tally.objects,
        "skipped": {kind: tally.skipped[kind] for kind in kinds},
        "unreadable": tally.unreadable_count,
        "shallow": tally.is_shallow,
        "partial": tally.is_partial,
    }
    unreadable = [{"file": name, "reason": reason} for name, reason in tally.unreadable]
    return {"summary": summary, "unreadable": unreadable} | ({"error": error} if error else {})


def write_annotations(terminal: Terminal, findings: Findings) -> None:
    """Write an annotation for each of the first ten matches of a kind; GitHub shows no more for a step."""
    terminal.out.annotations(_annotations(findings), to_stderr=terminal.json)


def _annotations(findings: Findings) -> Iterator[str]:
    from kojikey.cli.reports.github import ANNOTATIONS_SHOWN, annotation

    shown = {True: 0, False: 0}
    for row in findings:
        is_known = bool(row["known"])
        shown[is_known] += 1
        if shown[is_known] <= ANNOTATIONS_SHOWN:
            message = f"{key_of_row(row)} {row['masked']} at {place_of(row)}: {row['hint']}"
            place = {"file": printable(row["file"] or ""), "line": row["line"], "col": row["column"]}
            yield annotation("error" if is_known else "warning", "a provider key in plain text", message, **place)
