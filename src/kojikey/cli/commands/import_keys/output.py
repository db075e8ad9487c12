"""The output of ``kojikey import``: the keys that were found, their results, the places of keys that are still in plain
text, and the next step.

Must not: decide what happens to a key, or show one unmasked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kojikey.cli.command import Flag
from kojikey.cli.commands.import_keys.comments import COMMENTED_OUT
from kojikey.cli.commands.import_keys.options import ENV, FILES, MAP, ROTATE
from kojikey.cli.commands.import_keys.plan import Row, place_of, shown_name
from kojikey.cli.commands.import_keys.sources import STDIN, Binding, Source, Unread
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.cli.output import documents
from kojikey.cli.output.failure import Failure
from kojikey.model.masking import mask
from kojikey.model.next_step import Hint, is_one_command, next_step
from kojikey.model.plain_text import printable
from kojikey.model.ref import Document

_ORDER = (
    Exit.KEY_FAILED, Exit.USAGE, Exit.STORE_UNAVAILABLE, Exit.CANNOT_OPEN, Exit.CONFLICT, Exit.INDETERMINATE,
)  # fmt: skip
NO_DEFAULT_FILE = "there is no .env and no .env.local here"
_LONGEST_IN_TABLE = 32
"""The most characters of a reason in the table; a longer one is printed below the table."""


class Report(NamedTuple):
    """The results of one run. ``problems`` are sentences about files whose lines could not be replaced."""

    context: Context
    sources: Sequence[Source]
    unread: Sequence[Unread]
    rows: Sequence[Row]
    problems: Sequence[str]
    failure: Failure | None
    """The failure that stopped the run, None if none did."""
    is_dry_run: bool
    is_new_account: bool

    @property
    def code(self) -> Exit:
        """The exit code of the command."""
        if self.failure is not None:
            return self.failure.code
        if self.is_dry_run:
            return Exit.OK
        codes = {row.code for row in self.rows}
        codes |= {Exit.USAGE} if self.unread else set()
        codes |= {Exit.STORE_UNAVAILABLE} if self.problems else set()
        found = next((code for code in _ORDER if code in codes), None)
        if found is not None:
            return found
        return Exit.OK if any(row.action != "skipped" for row in self.rows) else Exit.NOT_FOUND

    @property
    def error(self) -> Failure | None:
        """The member ``error`` of the JSON document: a failure that is not about one key."""
        if self.failure is not None:
            return self.failure
        if self.code is Exit.OK:
            return None
        if self.file_failures:
            return self.file_failures[0]
        if self.code is Exit.NOT_FOUND:
            return Failure(Exit.NOT_FOUND, _nothing_found(self), _import_hint(self))
        return None

    @property
    def file_failures(self) -> list[Failure]:
        """The failures about files: those that were not read, then those whose lines were not replaced."""
        return [
            *(Failure(self.code, _unread(source), source.hint) for source in self.unread),
            *(Failure(self.code, problem, "remove the lines yourself") for problem in self.problems),
        ]


def write(report: Report) -> int:
    """Write the report, as a table or as JSON, and return the exit code."""
    for source in report.sources:
        for problem in source.problems:
            report.context.terminal.warn(f"{source.file}: {problem}; the rest was read")
    for name in _unused_maps(report):
        report.context.terminal.warn(f"--map {printable(name)}: no source has that name")
    _say_failures(report)
    if report.context.terminal.json:
        return _write_json(report)
    _write_table(report)
    return int(report.code)


def _say_failures(report: Report) -> None:
    """Print the failures that are not about one key on stderr; other hints are in the lines below the table."""
    failures = report.file_failures
    if report.error is not None and (report.failure is not None or not failures):
        failures.append(report.error._replace(hint=None))
    if report.is_dry_run and not failures and not report.rows:
        report.context.terminal.note(_nothing_found(report))
    for failure in failures:
        failure.say()


def _unread(source: Unread) -> str:
    return f"{printable(source.file)} was not read: {source.reason}"


def _unused_maps(report: Report) -> list[str]:
    """Return the names of ``--map`` that no source has, probably typing mistakes."""
    bindings = [binding for source in report.sources for binding in source.bindings]
    known = {name for each in bindings for name in (each.name, each.group, f"{each.group}.{each.name}")}
    return [name for pair in report.context.call[MAP] if (name := pair.rpartition("=")[0]) not in known]


def _nothing_found(report: Report) -> str:
    if not report.sources:
        return NO_DEFAULT_FILE
    places = ", ".join(_source_name(source) for source in report.sources)
    what = "no key that can be imported" if report.rows else "no key"
    return f"{places} has {what}; nothing was changed"


def _source_name(source: Source) -> str:
    if source.file is None:
        return "the environment"
    return "standard input" if source.file == STDIN else printable(source.file)


def _import_hint(report: Report) -> str:
    example = again(report.context, "--map", "NAME=PROVIDER")
    return _with_maps(report) or Hint(example, " imports a key under another name")


def _with_maps(report: Report) -> Hint | None:
    """Return the command that also imports the keys under unknown names, None if there are none."""
    mappings = dict.fromkeys(row.mapping for row in report.rows if row.mapping)
    return again(report.context, *(word for mapping in mappings for word in ("--map", mapping))) if mappings else None


def again(context: Context, *more: str, without: Sequence[Flag] = ()) -> Hint:
    """Return this command line with more words: with its sources, its ``--map`` and its ``--rotate``."""
    call = context.call
    words = [*call[FILES], *(["--env"] if call[ENV] else [])]
    words += [word for pair in call[MAP] for word in ("--map", pair)]
    words += [ROTATE.spelling] if call[ROTATE] and ROTATE not in without else []
    return next_step("import", *words, *more)


# --- JSON ---


def _write_json(report: Report) -> int:
    counts = Counter(str(row.action) for row in report.rows)
    return documents.write(
        "import", report.code, [_fields(row, report) for row in report.rows],
        summary={"found": len(report.rows), **counts},
        in_clear=[_place(binding) for binding in _in_clear(report.rows)],
        unread=[{"file": source.file, "reason": source.reason} for source in report.unread],
        error=report.error.as_json() if report.error else None,
    )  # fmt: skip


def _place(binding: Binding) -> Document:
    return {"file": binding.file, "line": binding.line, "name": shown_name(binding._replace(group=""))}


def _fields(row: Row, report: Report) -> Document:
    result = row.result
    verdict = result.verdict if result else None
    first = row.binding
    return {
        **_place(first),
        "group": first.group or None,
        "account": report.context.account,
        "provider": row.provider,
        "masked": None if row.tail is None else mask(row.tail),
        "version": result.version if result else None,
        "action": row.action,
        "test": documents.verdict_fields(verdict) if verdict else None,
        "detail": row.detail,
        "hint": _completed(report, row.hint),
        "also": [_place(binding) for binding in row.also],
        "commented_out": (first.file, first.line) in row.commented_out,
    }


def _in_clear(rows: Iterable[Row]) -> list[Binding]:
    return [binding for row in rows for binding in row.in_clear]


# --- for people ---


def _write_table(report: Report) -> None:
    from kojikey.cli.output.page import Page

    terminal = report.context.terminal
    page = Page(terminal)
    cells = [_cells(row, report) for row in report.rows]
    if cells:
        page.table(("WHERE", "NAME", "PROVIDER", "KEY", "RESULT"), cells)
    for row in report.rows:
        if len(row.detail) > _LONGEST_IN_TABLE:
            page.line(f"{shown_name(row.binding)} ({place_of(row.binding)}): {row.detail}")
    if not terminal.quiet and report.is_new_account and any(row.action == "added" for row in report.rows):
        page.line(f"account {report.context.account} is new")
    if left := _in_clear(report.rows):
        page.line(f"still in clear: {', '.join(dict.fromkeys(map(place_of, left)))}")
    if terminal.quiet:
        return
    for step in dict.fromkeys((_next_step(report), _with_maps(report) or "")):
        if step:
            page.line(Hint("next: ", _completed(report, step)))


def _cells(row: Row, report: Report) -> list[str]:
    terminal = report.context.terminal
    places = ", ".join(place_of(binding) for binding in row.bindings)
    names = ", ".join(dict.fromkeys(shown_name(binding) for binding in row.bindings))
    would = {"added": "would be added", "rotated": "would be rotated", "unchanged": "is saved already"}
    action = would.get(str(row.action), str(row.action)) if report.is_dry_run else str(row.action)
    gone = ", removed from the file" if row.commented_out and not row.in_clear else ""
    result = f"{action}{gone}" + (f": {row.detail}" if 0 < len(row.detail) <= _LONGEST_IN_TABLE else "")
    return [places, names, row.provider or "", terminal.masked(row.tail) if row.tail is not None else "", result]


def _next_step(report: Report) -> str:
    """Return the most useful next step, other than ``--map`` for unknown names; ``""`` if there is none."""
    rows, command = report.rows, again(report.context)
    actions = {str(row.action) for row in rows}
    if report.failure is not None:
        return report.failure.hint or ""
    if report.is_dry_run:
        return command if actions & {"added", "rotated"} else _first_hint(rows) or ""
    if "staged" in actions or "refused" in actions:
        return _first_hint([row for row in rows if row.action in ("staged", "refused")])
    if "exists" in actions:
        return again(report.context, "--rotate") if not report.context.call[ROTATE] else _first_hint(rows)
    if report.code is Exit.NOT_FOUND:
        return _import_hint(report)
    saved = [row for row in rows if row.action in COMMENTED_OUT]
    may_replace = not report.problems and all(source.digest for source in report.sources if source.file)
    if may_replace and any(row.in_clear for row in saved):
        return again(report.context, "--comment-out", without=(ROTATE,))
    return next_step("run", "--", "CMD") if saved else ""


def _first_hint(rows: Iterable[Row]) -> str:
    """Return the first hint of some rows; before one that is no command stands the name of its key."""
    row = next((row for row in rows if row.hint), None)
    if row is None:
        return ""
    if is_one_command(row.hint):
        return row.hint
    return Hint(f"{shown_name(row.binding)} ({place_of(row.binding)}): ", row.hint)


def _completed(report: Report, text: str) -> str:
    return report.context.terminal.completed(text) if text else ""
