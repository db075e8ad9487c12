"""Results for people: the one place, with ``terminal.py``'s console, where rich draws. JSON is in ``documents.py``.

Owns: words, marks and columns. A mark is never only a colour, and a column never cuts a name that a person must type.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from kojikey.cli.output.stdout import write_line
from kojikey.cli.output.terminal import Terminal, encodes
from kojikey.model.key import Key, Stage, TestRecord, Version
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.model.timestamps import now, parsed
from kojikey.model.verdict import Outcome, Usage, Verdict
from kojikey.operations.results import ChangeResult, HistoryResult, ListRow, StoreInfo, TestResult

if TYPE_CHECKING:
    from typing import TextIO

    from rich.table import Table

    from kojikey.cli.commands.doctor.findings import Finding
    from kojikey.testing import SandboxKey

_STYLE = {
    Outcome.VALID: "green",
    Outcome.LIMITED: "yellow",
    Outcome.REJECTED: "bold red",
    Outcome.INDETERMINATE: "cyan",
}
_MARK = {Outcome.VALID: "✓", Outcome.LIMITED: "!", Outcome.REJECTED: "✗", Outcome.INDETERMINATE: "?"}
_ASCII_MARK = {Outcome.VALID: "+", Outcome.LIMITED: "!", Outcome.REJECTED: "x", Outcome.INDETERMINATE: "?"}

_ACCOUNT_WIDTHS = (128, 40, 24, 12)  # characters of an account's name: all of them, then fewer to leave a table room
_NARROWEST = 14  # of the last column of a table, which is wrapped


class Page:
    """Standard output, for one command's results; another stream for messages beside them."""

    def __init__(self, terminal: Terminal, stream: TextIO | None = None) -> None:
        self.terminal = terminal
        self.console: Console = terminal.console(stream or sys.stdout)
        self._unicode = encodes(stream or sys.stdout, "✓✗–·")

    def line(self, text: str | Text = "", *, style: str = "", indent: int = 0) -> None:
        """Write a line; a long one is broken between words on a terminal, and goes on under its indent."""
        shown = text if isinstance(text, Text) else Text(self.plain(text), style=style)
        shown = Text(" " * indent).append_text(shown)
        for part in broken(shown, self.console.width) if self._is_on_terminal else [shown]:
            self.console.print(part, soft_wrap=True)

    @property
    def _is_on_terminal(self) -> bool:
        return not self.console.soft_wrap  # rich's own word is yes wherever colour is forced

    def plain(self, text: str) -> str:
        """Return a text with what the encoding lacks replaced."""
        if self._unicode:
            return text
        replaced = text.replace("–", "-").replace("·", "-").replace("…", "...")
        encoding = self.console.encoding or "ascii"
        return replaced.encode(encoding, "replace").decode(encoding)

    def mark(self, outcome: Outcome) -> str:
        """Return the sign of an outcome."""
        return (_MARK if self._unicode else _ASCII_MARK)[outcome]

    def verdict(self, verdict: Verdict, *, who: str, tail: str, after: Sequence[str] = ()) -> None:
        """Write what a test found: the outcome, then the lines of :meth:`explanation`."""
        head = Text(f"{self.mark(verdict.outcome)} ", style=_STYLE[verdict.outcome])
        head.append(f"{who}  {self.terminal.masked(tail)}  ", style="default")
        head.append(outcome_words(verdict), style=_STYLE[verdict.outcome])
        self.line(head)
        self.explanation(verdict, after=after)

    def retirement(self, result: ChangeResult, verdict: Verdict) -> None:
        """Write what became of a previous key; that the provider still accepts it is the failure here."""
        if verdict.outcome is Outcome.INDETERMINATE:
            self.verdict(verdict, who=result.provider, tail=result.tail)
            return
        is_accepted = verdict.outcome is not Outcome.REJECTED
        words = "the provider still accepts it" if is_accepted else "the provider no longer accepts it"
        shown = Outcome.VALID if not is_accepted else Outcome.LIMITED if result.action else Outcome.REJECTED
        line = Text(f"{self.mark(shown)} ", style=_STYLE[shown])
        line.append(f"{result.provider}  {self.terminal.masked(result.tail)}  ", style="default")
        self.line(line.append(words, style=_STYLE[shown]))

    def explanation(self, verdict: Verdict, *, after: Sequence[str] = ()) -> None:
        """Write the lines under a verdict: what happened, what was (not) changed, and what to type.

        ``after`` is what came of it for the key, and then what can be typed beside the verdict's own hint.
        """
        detail = verdict.detail or (verdict.reason.value if verdict.outcome is not Outcome.VALID else "")
        if detail := self.terminal.unsaid(detail):
            self.line(detail, indent=2)
        if after:
            self.line(after[0], indent=2)
        steps = [*([verdict.hint] if verdict.outcome is not Outcome.VALID and verdict.hint else []), *after[1:]]
        told = verdict.manage_url in verdict.hint
        if verdict.outcome in (Outcome.LIMITED, Outcome.REJECTED) and verdict.manage_url and not told:
            steps.append(verdict.manage_url)
        if steps:
            head = "" if self.terminal.quiet else "next: "
            self.line(head + "; ".join(steps), indent=2)
        if verdict.permissions:
            self.line(f"it may: {', '.join(verdict.permissions)}", indent=2, style="dim")
        if verdict.expires_at and verdict.reason.value != "expired":
            self.line(f"it expires {verdict.expires_at[:10]}", indent=2, style="dim")
        if verdict.usage:
            self.line(usage_words(verdict.usage), indent=2, style="dim")

    def tests(self, results: Sequence[TestResult], *, with_account: bool) -> None:
        """Write the results of a run."""
        from kojikey.cli.reports.screen import unkept_lines

        for result in results:
            who = f"{result.account}/{result.provider}" if with_account else result.provider
            is_unknown = result.version is not None and result.verdict.outcome is Outcome.INDETERMINATE
            after = ["the saved key was not changed"] if is_unknown else []
            self.verdict(result.verdict, who=who, tail=result.tail, after=after)
            for line in unkept_lines(result):
                self.line(line, indent=2)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, head: str = "") -> None:
        """Write a table without lines: it fits by wrapping its last column, between words.

        Where that is not enough, each row becomes a block of its own, for a name or a URL that is cut cannot be
        copied. ``head`` says in a block what its first cell is, where that does not go without saying.
        """
        lines = [[cell if isinstance(cell, Text) else Text(self.plain(cell)) for cell in row] for row in rows]
        if self._is_too_wide(columns, lines):
            for line in lines:
                self.block(columns, [Text(head).append_text(line[0]), *line[1:]])
            return
        table = _without_lines(show_header=True)
        for number, column in enumerate(columns):
            table.add_column(escape(column), no_wrap=number < len(columns) - 1, overflow="fold")
        for line in lines:
            table.add_row(*line)
        self._draw(table)

    def _is_too_wide(self, columns: Sequence[str], lines: Sequence[Sequence[str | Text]]) -> bool:
        *others, last = zip(columns, *(map(str, line) for line in lines), strict=True)
        widths = [max(map(cell_len, column)) for column in others]
        narrowest = max(_longest_word(last), min(_NARROWEST, max(map(cell_len, last))))
        return self._is_on_terminal and sum(widths) + 2 * len(widths) + narrowest > self.console.width

    def _fitting(self, columns: Sequence[str], tables: Sequence[list[list[str | Text]]]) -> list[list[str | Text]]:
        """Return the first of several forms of a table that fits, the fullest where none does."""
        return next((table for table in tables if not self._is_too_wide(columns, table)), tables[0])

    def block(self, columns: Sequence[str], cells: Sequence[Text]) -> None:
        """Write a row as a block: its first cell, and under it the others with their names."""
        self.line(cells[0])
        for name, cell in zip(columns[1:], cells[1:], strict=True):
            if cell:
                self.line(Text(f"{name.lower()}  ", style="bold").append_text(cell), indent=2)

    def _draw(self, table: Table) -> None:
        """Draw a table; in a pipe without the spaces that fill its last column."""
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as drawn:
            self.console.print(table)
        for line in drawn.get().splitlines():
            write_line(line.rstrip())

    def keys(self, rows: Iterable[ListRow], *, with_account: bool) -> int:
        """Write the keys as a table and return how many rows there were."""
        listed = list(rows)
        if not listed:
            return 0
        columns, cells = next(
            (form for form in self._key_tables(listed, with_account=with_account) if not self._is_too_wide(*form)),
            next(self._key_tables(listed, with_account=with_account)),
        )
        self.table(columns, cells)
        return len(listed)

    def _key_tables(
        self, rows: Sequence[ListRow], *, with_account: bool
    ) -> Iterator[tuple[list[str], list[list[str | Text]]]]:
        """Yield the forms of the table, each narrower than the one before: only names are needed to type a command."""
        columns = ["PROVIDER", "KEY", "VER", "LAST TEST", "NOTE"]
        for is_brief in (False, True):
            cells = [self._key_cells(row, is_brief=is_brief) for row in rows]
            if not with_account:
                yield columns, cells
                continue
            for most in _ACCOUNT_WIDTHS:
                named = [[_shortened(row.account, most), *cell] for row, cell in zip(rows, cells, strict=True)]
                yield ["ACCOUNT", *columns], named
        if with_account:
            yield ["ACCOUNT", *columns[:2], *columns[3:]], [[*cell[:3], *cell[4:]] for cell in named]

    def _key_cells(self, row: ListRow, *, is_brief: bool) -> list[str | Text]:
        if row.key is None:
            note = "built-in allocation" if row.source == "built_in" else "no key"
            return [row.provider, Text(self.plain("–"), style="dim"), "", "", Text(note, style="dim")]
        current = row.key.current
        test = self._last_test(current.last_test, is_brief=is_brief)
        notes = self._notes(row, row.key)
        if row.disabled:
            used = ", built-in allocation" if row.source == "built_in" else ""
            notes = f"BYOK is disabled{used}; {notes}"
        return [row.provider, self.terminal.masked(current.tail), str(current.number), test, notes]

    def _last_test(self, test: TestRecord | None, *, is_brief: bool = False) -> Text:
        if test is None:
            return Text("never", style="yellow")
        outcome = Outcome(test.outcome)
        words = test.outcome if outcome is Outcome.VALID else test.reason
        when = "" if is_brief else f", {ago(test.tested_at)}"
        return Text(f"{self.mark(outcome)} {words}{when}", style=_STYLE[outcome])

    def _notes(self, row: ListRow, key: Key) -> str:
        staged = key.version(Stage.STAGED)
        notes = [
            f"version {staged.number} staged" if staged else "",
            "rotation due" if row.is_due else f"{key.age_days(row.moment)} d old",
            f"expires {key.current.expires_at[:10]}" if key.current.expires_at else "",
            key.label or "",
        ]
        return ", ".join(note for note in notes if note)

    def history(self, result: HistoryResult) -> None:
        """Write a key's versions; when each was saved to the second, the minute or the day, as there is room."""
        columns = ("VER", "STAGE", "KEY", "FINGERPRINT", "SAVED", "LAST TEST")
        lengths = [len(shown) for shown in ("2026-11-23 04:47:00", "2026-11-23 04:47", "2026-11-23")]
        tables = [[self._version_cells(version, length) for version in result.versions] for length in lengths]
        self.table(columns, self._fitting(columns, tables), head="version ")
        for version in result.versions:
            place = version.at_provider
            if place is not None and place.key_id:
                self.line(f"version {version.number} is {place.key_id} at the provider", indent=2)

    def _version_cells(self, version: Version, length: int) -> list[str | Text]:
        saved = version.created_at.replace("T", " ")[:length]
        masked = self.terminal.masked(version.tail)
        test = self._last_test(version.last_test)
        return [str(version.number), version.stage.value, masked, version.fingerprint, saved, test]

    def audit(self, events: Sequence[Document], *, with_account: bool) -> None:
        """Write events, a line each; their time to the second or the minute, as there is room."""
        columns = [*(["ACCOUNT"] if with_account else []), "TIME", "SEQ", "ACTION", "PROVIDER", "VER", "BY"]
        tables = [[_event_cells(event, length, with_account=with_account) for event in events] for length in (19, 16)]
        self.table(columns, self._fitting(columns, tables))

    def store(self, info: StoreInfo, more: Sequence[tuple[str, str]]) -> None:
        """Write what a store is, and ``more`` that is known of it here."""
        details = [(name, value) for name, value in info.details if name != "format" and value != info.place]
        rows = [
            ("engine", info.engine),
            ("place", info.place),
            *details,
            ("format", f"{info.format}, created {info.created_at}"),
            ("store id", info.store_id),
            ("KEK", info.kek + (" (re-keying under way)" if info.rekey_under_way else "")),
            ("holds", f"keys {info.keys}, accounts {info.accounts}, audit events {info.events}"),
            *([("damaged", Hint(f"accounts {info.damaged}: ", next_step("doctor")))] if info.damaged else []),
            *more,
        ]
        self.pairs(rows)

    def made_up_keys(self, provider: str, base_url: str, keys: Sequence[SandboxKey]) -> None:
        """Write a sandbox's keys of a provider, each on one line that can be copied."""
        self.line(Text(f"{provider}  ", style="bold").append(base_url, style="default"))
        for key in keys:
            outcome = Outcome(key.outcome)
            line = Text(f"  {self.mark(outcome)} ", style=_STYLE[outcome])
            self.line(line.append(f"{key.name:<20}  {key.key}", style="default"))
            if key.base_url != base_url or key.options:
                needs = [*(["--base-url", key.base_url] if key.base_url != base_url else []), *key.options]
                self.line("with " + " ".join(needs), indent=26, style="dim")
        self.line()

    def findings(self, findings: Sequence[Finding]) -> None:
        """Write what a check-up found, with how to mend what is wrong."""
        marks = {"ok": Outcome.VALID, "note": Outcome.LIMITED, "wrong": Outcome.REJECTED}
        for finding in findings:
            outcome = marks.get(finding.state)
            mark = Text(f"{self.mark(outcome)} ", style=_STYLE[outcome]) if outcome else Text(self.plain("· "))
            line = mark.append(finding.name, style="bold")
            detail, *more = finding.detail.split("\n")
            self.line(line.append(f"  {self.plain(detail)}", style="default"))
            for each in more:
                self.line(self.plain(each), indent=4)
            if finding.mend:
                self.line(finding.mend, indent=4)

    def pairs(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write names and values under each other: in two columns where each word fits into its own."""
        rows = list(rows)
        names = max(cell_len(name) for name, _ in rows) + 2
        if self._is_on_terminal and names + _longest_word(value for _, value in rows) > self.console.width:
            for name, value in rows:
                self.line(Text(f"{name}  ", style="bold").append_text(Text(self.plain(value))))
            return
        table = _without_lines(show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(name), Text(self.plain(value)))
        self._draw(table)


def _shortened(name: str | Text, length: int) -> str:
    """Return a name with its middle left out: accounts are told apart by both ends."""
    text = str(name)
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[head + 1 - length :]}"


def broken(text: Text, width: int) -> list[Text]:
    """Break a line between words. What follows is indented a little more; a word that is too wide stays whole."""
    plain = text.plain
    indent = len(plain) - len(plain.lstrip()) + 2
    starts, used = [], 0
    for word in re.finditer(r"\s*(\S+)", plain):
        if used and used + cell_len(word[0]) > width:
            starts.append(word.start(1))
            used = indent + cell_len(word[1])
        else:
            used += cell_len(word[0])
    parts = list(text.divide(starts))
    for part in parts:
        part.rstrip()
    return [*parts[:1], *(Text(" " * indent).append_text(part) for part in parts[1:])]


def _without_lines(*, show_header: bool) -> Table:
    from rich.table import Table  # an import that `test` of one key can do without

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=show_header, header_style="bold")


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def outcome_words(verdict: Verdict) -> str:
    """Return the outcome and, where it is not plainly valid, the reason."""
    return "valid" if verdict.outcome is Outcome.VALID else f"{verdict.outcome.value}: {verdict.reason.value}"


def usage_words(usage: Usage) -> str:
    """Return what an account has used, such as ``plan creator: 1234 of 100000 credits used, resets 2026-12-01``."""
    if usage.limit is not None:
        used = f"{usage.used} of {usage.limit} {usage.unit} used"
    elif usage.remaining is not None:
        used = f"{usage.remaining} {usage.unit} left"
    else:
        used = f"{usage.used} {usage.unit} used" if usage.used is not None else ""
    reset = f"resets {usage.resets_at[:10]}" if usage.resets_at else ""
    plan = f"plan {usage.plan}" if usage.plan else ""
    return ", ".join(part for part in (plan, used, reset) if part) or "the provider reports no usage"


def ago(stamp: str) -> str:
    """Return how long ago a moment was, in its largest unit."""
    seconds = max(0, int((parsed(now()) - parsed(stamp)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def _event_cells(event: Document, length: int, *, with_account: bool) -> list[str | Text]:
    outcome, reason = event.get("outcome"), event.get("reason")
    found = (
        (f"{outcome}: {reason}" if reason != "ok" else outcome)
        if outcome
        else event.get("role") or event.get("recipient")
    )
    found = ", ".join(event.get("settings") or ()) or found
    signed = "" if event.get("signed") else " unsigned"
    cells: list[str | Text] = [
        str(event.get("time", "")).replace("T", " ")[:length],
        str(event.get("seq")),
        f"{event.get('action')}{signed}",
        str(event.get("provider") or ""),
        str(event.get("version") or ""),
        "; ".join(str(part) for part in (event.get("actor"), found) if part),
    ]
    return [str(event.get("account")), *cells] if with_account else cells
