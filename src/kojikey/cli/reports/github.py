"""What a run tells GitHub Actions: annotations, and the step's summary.

Owns: GitHub's limits and escapes. Must not: write a word of a provider that the runner could take for a command.
Limits: 10 annotations of each kind are shown for a step, and a step's summary has at most 1 MiB, see
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Escapes: actions/toolkit,
packages/core/src/command.ts (``escapeData``, ``escapeProperty``).
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Iterable, Iterator

from kojikey.cli.desk import Desk
from kojikey.cli.reports.as_json import groups_of
from kojikey.cli.reports.sink import Ending
from kojikey.cli.reports.spool import Rows
from kojikey.model.ref import Document

SHOWN = 10
SUMMARY_LIMIT = 1024 * 1024
_LONGEST_MESSAGE = 500
_ROOM_FOR_THE_END = 400
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


def tell_github(ending: Ending, rows: Rows, desk: Desk) -> None:
    """Write the annotations.

    Raises:
        OSError: the stream can not be written to.
    """
    stream = sys.stderr if desk.terminal.json or desk.call.flag("jsonl") else sys.stdout
    for line in commands(ending, rows):
        stream.write(line + "\n")
    stream.flush()


def write_summary(ending: Ending, rows: Rows, desk: Desk) -> None:
    """Write the summary of the step, where the runner has a file for it.

    Raises:
        OSError: it could not be written.
    """
    path = desk.settings.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        append_summary(path, summary(ending, rows))


def commands(ending: Ending, rows: Rows) -> Iterator[str]:
    """Yield workflow commands: errors for keys that fail the run, warnings for the others that are not valid.

    Where there are more of a kind than GitHub shows, the last one says how many.
    """
    for command, is_wanted in (("error", True), ("warning", False)):
        of_kind = (row for row in rows() if row["outcome"] != "valid" and row["is_failure"] is is_wanted)
        lines: list[str] = []
        count = 0
        for row in of_kind:
            count += 1
            if count <= SHOWN:
                lines.append(annotation(command, _title(row), _message(row)))
        if count > SHOWN:
            more = f"{count - SHOWN + 1} more keys like these: see the summary of this step, or the report"
            lines[-1] = annotation(command, "kojikey test", more)
        yield from lines
    if ending.error and not ending.tally.unopened:
        yield annotation("notice", "kojikey test", str(ending.error["message"]))


def annotation(command: str, title: str, message: str, **place: str | int | None) -> str:
    """Return a workflow command with everything in it escaped; ``place`` is file, line and col, as far as known."""
    known = "".join(f"{name}={_property(str(value))}," for name, value in place.items() if value)
    return f"::{command} {known}title={_property(title)}::{_data(message[:_LONGEST_MESSAGE])}"


def _title(row: Document) -> str:
    return f"{row['account']}/{row['provider']}: {row['outcome']} ({row['reason']})"


def _message(row: Document) -> str:
    return ". ".join(text for text in (row["detail"], row["hint"]) if text)


def _data(text: str) -> str:
    # U+2028 and the like end no line for the runner, but might for who reads the log
    plain = "".join(character if character.isprintable() or character in "\r\n" else " " for character in text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace("##[", "# #[")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def append_summary(path: str, pieces: Iterable[str]) -> None:
    """Append to the summary of the step, never past what GitHub takes of it (it drops the whole otherwise).

    Raises:
        OSError: it can not be written.
    """
    used = os.path.getsize(path) if os.path.exists(path) else 0
    room = SUMMARY_LIMIT - used - _ROOM_FOR_THE_END
    kept: list[bytes] = []
    is_cut = False
    for piece in pieces:
        data = piece.encode()
        if len(data) > room:
            is_cut = True
            break
        room -= len(data)
        kept.append(data)
    if is_cut:
        kept.append(b"\n\nThere are more; a summary has at most 1 MiB. The whole is in the report.\n")
    if used + sum(map(len, kept)) <= SUMMARY_LIMIT:
        with open(path, "ab") as file:
            file.writelines(kept)


def summary(ending: Ending, rows: Rows) -> Iterator[str]:
    """Yield the summary in Markdown, a line at a time."""
    counts = ending.tally.summary.as_document()
    yield "## Provider keys\n\n"
    yield "| tested | valid | limited | rejected | indeterminate |\n|---:|---:|---:|---:|---:|\n"
    yield "| " + " | ".join(str(counts[name]) for name in ("tested", "valid", "limited", "rejected", "indeterminate"))
    yield " |\n\n"
    if ending.left:
        yield f"**{ending.left} keys were not tested.** {markdown(str((ending.error or {}).get('message', '')))}\n\n"
    groups = groups_of(ending.tally)
    if groups:
        yield "| keys | provider | reason | next |\n|---:|---|---|---|\n"
    for group in groups:
        reason = f"{group['outcome']}: {group['reason']}"
        yield f"| {group['count']} | {markdown(group['provider'])} | {markdown(reason)} | {markdown(group['next'])} |\n"
    bad = (row for row in rows() if row["outcome"] != "valid")
    first = next(bad, None)
    if first is None:
        return
    yield "\n### Keys that are not valid\n\n| account | provider | key | reason | detail |\n|---|---|---|---|---|\n"
    yield _summary_row(first)
    for row in bad:
        yield _summary_row(row)


def _summary_row(row: Document) -> str:
    cells = (row["account"], row["provider"], row["masked"], f"{row['outcome']}: {row['reason']}", row["detail"])
    return "| " + " | ".join(markdown(str(cell)) for cell in cells) + " |\n"


def markdown(text: str) -> str:
    """Return a text that is only text in a Markdown table: no markup, no HTML, no cell or line end, no link."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    escaped = _MARKDOWN.sub(r"\\\1", html.escape(line, quote=False))
    # GitHub links bare addresses and mentions; a provider's text shall do neither
    return escaped.replace("://", ":&#8203;//").replace("www.", "www&#8203;.").replace("@", "@&#8203;")
