"""The report for GitHub Actions: annotations, and the summary of the step.

Owns: GitHub's limits and escapes. Must not: write a provider's text in a form that the runner reads as a command.
Limits: GitHub shows 10 annotations of each kind for a step, and the summary of a step has at most 1 MiB, see
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Escapes: actions/toolkit,
packages/core/src/command.ts (``escapeData``, ``escapeProperty``).
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.cli.options import HTML, JSONL, JUNIT
from kojikey.cli.output.github_escape import escaped_anywhere
from kojikey.cli.reports.base import STDOUT, Rows, RunEnd
from kojikey.model.ref import Document

ANNOTATIONS_SHOWN = 10
SUMMARY_LIMIT = 1024 * 1024
_LONGEST_MESSAGE = 500
_BYTES_FOR_LAST_LINE = 400
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")
_URL = re.compile(r"(?:https?://|www\.)[\w.~:/?#@!$&'*+,;=%-]*[\w/=&%+~-]", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.%+-]+@[\w.-]*\w", re.ASCII)
_URL_OR_ADDRESS = re.compile(f"({_URL.pattern}|{_ADDRESS.pattern})", re.ASCII | re.IGNORECASE)


def write_annotations(ending: RunEnd, rows: Rows, context: Context) -> None:
    """Write the annotations to standard output, or to standard error if JSON or a report occupies standard output.

    Raises:
        OSError: the stream cannot be written.
    """
    to_stderr = (
        context.terminal.json or context.call.get(JSONL) or STDOUT in (context.call.get(JUNIT), context.call.get(HTML))
    )
    context.terminal.out.annotations(key_annotations(ending, rows), to_stderr=to_stderr)


def write_summary(ending: RunEnd, rows: Rows, context: Context) -> None:
    """Append the summary of the step to the file that the runner names, if it names one.

    Raises:
        OSError: the file cannot be written.
    """
    path = context.settings.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        append_summary(path, summary(ending, rows))


def key_annotations(ending: RunEnd, rows: Rows) -> Iterator[str]:
    """Yield workflow commands: an error for a key that fails the run, a warning for another that is not valid.

    If there are more of a kind than GitHub shows, the last one gives their number.
    """
    for command, is_failure in (("error", True), ("warning", False)):
        selected = (row for row in rows() if row["outcome"] != "valid" and row["is_failure"] is is_failure)
        lines: list[str] = []
        count = 0
        for count, row in enumerate(selected, 1):
            if count <= ANNOTATIONS_SHOWN:
                lines.append(annotation(command, _title(row), _message(row)))
        if count > ANNOTATIONS_SHOWN:
            more = f"{count - ANNOTATIONS_SHOWN + 1} more keys like these: see the summary of this step, or the report"
            lines[-1] = annotation(command, "kojikey test", more)
        yield from lines
    if ending.error and not ending.tally.unopened:
        level = "notice" if ending.code is Exit.OK else "error"
        yield annotation(level, "kojikey test", ending.error.message)


def annotation(command: str, title: str, message: str, **place: str | int | None) -> str:
    """Return an escaped workflow command; ``place`` may have the properties file, line and col."""
    known = "".join(f"{name}={_property(str(value))}," for name, value in place.items() if value)
    return f"::{command} {known}title={_property(title)}::{_data(message[:_LONGEST_MESSAGE])}"


def _title(row: Document) -> str:
    return f"{row['account']}/{row['provider']}: {row['outcome']} ({row['reason']})"


def _message(row: Document) -> str:
    return ". ".join(text for text in (row["detail"], row["hint"]) if text)


def _data(text: str) -> str:
    # U+2028 and similar characters end a line for some programs that read the log
    plain = "".join(character if character.isprintable() or character in "\r\n" else " " for character in text)
    return escaped_anywhere(plain).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def append_summary(path: str, pieces: Iterable[str]) -> None:
    """Append pieces to the summary of the step up to GitHub's limit; GitHub drops a larger summary as a whole.

    Raises:
        OSError: the file cannot be written.
    """
    used = os.path.getsize(path) if os.path.exists(path) else 0
    room = SUMMARY_LIMIT - used - _BYTES_FOR_LAST_LINE
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
        kept.append(b"\n\nThere are more keys; a summary has at most 1 MiB. A report (--html, --junit) has all.\n")
    if used + sum(map(len, kept)) <= SUMMARY_LIMIT:
        with open(path, "ab") as file:
            file.writelines(kept)


def summary(ending: RunEnd, rows: Rows) -> Iterator[str]:
    """Yield the summary in Markdown, in pieces."""
    counts = ending.tally.summary.as_document()
    yield "## Provider keys\n\n"
    yield "| tested | valid | limited | rejected | indeterminate |\n|---:|---:|---:|---:|---:|\n"
    yield "| " + " | ".join(str(counts[name]) for name in ("tested", "valid", "limited", "rejected", "indeterminate"))
    yield " |\n\n"
    if ending.left:
        yield f"**{ending.left} keys were not tested.** {markdown(ending.error.message if ending.error else '')}\n\n"
    groups = ending.tally.worst_first()
    if groups:
        yield "| keys | provider | reason | next |\n|---:|---|---|---|\n"
    for group in groups:
        reason = markdown(f"{group.outcome.value}: {group.reason}")
        step = markdown(group.step, site=group.first.verdict.manage_url)
        yield f"| {group.count} | {markdown(group.provider)} | {reason} | {step} |\n"
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
    site = str(row.get("manage_url") or "")
    return "| " + " | ".join(markdown(str(cell), site=site) for cell in cells) + " |\n"


def markdown(text: str, *, site: str = "") -> str:
    """Return the text escaped for a cell of a Markdown table: no markup, no HTML, no end of the cell or line.

    A URL is not escaped, so that a copy of it works. It becomes a link if it has the host of ``site``, the provider's
    page; any other may come from a hostile server and becomes code, which GitHub does not link.
    """
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    parts = _URL_OR_ADDRESS.split(line)  # every second part is a URL or an e-mail address
    return "".join(_link_or_code(part, site) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _link_or_code(text: str, site: str) -> str:
    is_link = bool(site) and "://" in text and urlsplit(text).netloc == urlsplit(site).netloc
    return f"<{text}>" if is_link else f"`{text}`"


def _escaped(text: str) -> str:
    # GitHub turns @name into a mention of a user; a zero-width space after @ prevents that.
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False)).replace("@", "@&#8203;")
