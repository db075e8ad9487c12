"""The results of a batch: JSON lines, one JSON document, or on a terminal a table with a bar under it.

Owns: the exit code of the batch. Must not: show any part of a line except its account and its provider.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kojikey.cli.commands import change_output
from kojikey.cli.commands.batch.table import BatchTable
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of
from kojikey.cli.options import DRY_RUN, JSONL
from kojikey.cli.output import advice, documents
from kojikey.cli.output.failure import SCHEMA, Failure
from kojikey.cli.output.progress import Progress
from kojikey.cli.output.streams import lost_output
from kojikey.model.errors import KeyExists, KojikeyError, StoreUnavailable
from kojikey.model.masking import mask
from kojikey.model.next_step import advice_then
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document
from kojikey.operations.rotating_many import DoneLine, FailedLine, Line, LineResult, PlannedLine

_FAILED = "failed"
_REFUSED = "refused"
"""The action of a line that is malformed, or whose key was not saved because of its test."""
_NOTHING_LOST, _AGAIN = "no key in use was lost", "run the same command again to finish the rest"
_NAMED = 10  # new accounts that the summary names
_ADD_ORDER = (Exit.KEY_FAILED, Exit.USAGE, Exit.CONFLICT)


class BatchOutput:
    """Writes the results of a batch, and derives its exit code. ``total`` is the number of lines, None if unknown."""

    def __init__(self, context: Context, *, total: int | None) -> None:
        self.context = context
        self.command = context.call.command.name
        self.codes: list[Exit] = []  # each once, in the order of the lines
        self.counts: dict[str, int] = {}
        self.finished = self.failed = self.read = self.new_accounts = 0
        self.some_new_accounts: list[str] = []
        self.is_at_end = False
        self.lost = ""
        self._progress = Progress(total, is_shown=context.terminal.has_bar and not context.call.get(DRY_RUN))
        is_table = not context.terminal.json and not context.call.get(JSONL) and sys.stdout.isatty()
        self._table = BatchTable(context.terminal) if is_table else None

    def counted(self, lines: Iterator[Line | FailedLine]) -> Iterator[Line | FailedLine]:
        """Yield the lines, and remember how many were read, and whether these are all."""
        for line in lines:
            self.read += 1
            yield line
        self.is_at_end = True

    def note(self, text: str) -> None:
        """Print a note about a line."""
        self._progress.clear()
        self.context.terminal.note(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._progress.clear()
        self.context.terminal.warn(text)

    @contextmanager
    def bar(self) -> Iterator[None]:
        """Show the progress bar while the block runs, on a terminal."""
        self._progress.show(self, at_once=True)
        try:
            yield
        finally:
            self._progress.clear()

    def add(self, item: LineResult) -> None:
        """Write a result."""
        item = self._advised(item)
        code, document = _result(item)
        if code not in self.codes:
            self.codes.append(code)
        what = str(document.get("action") or document.get("would") or _FAILED)
        self.counts[what] = self.counts.get(what, 0) + 1
        if isinstance(item, DoneLine) and item.result.is_new_account:
            self.new_accounts += 1
            self.some_new_accounts += [item.result.account] if self.new_accounts <= _NAMED else []
        self.failed += code is not Exit.OK
        opening = self._opening()
        self.finished += 1
        if self._table is not None:
            self._progress.clear()
            self._write(self._table.row(item, code, what), is_json=False)
        elif self.context.terminal.json:
            self._write(opening + ("," if self.finished > 1 else "") + "\n" + json.dumps(document, ensure_ascii=True))
        else:
            self._write(json.dumps(document, ensure_ascii=True) + "\n")
        self._progress.show(self)

    def end(self, error: KojikeyError | None, *, is_interrupted: bool) -> int:
        """Print the counts and the failure, if any, complete the JSON document, and return the exit code."""
        code, failure = _worst(self.command, self.codes), None
        is_cut = bool(self.lost) and not (self.is_at_end and self.finished == self.read)
        if is_interrupted or is_cut:
            code = Exit.INTERRUPTED if is_interrupted else Exit.STORE_UNAVAILABLE
            message = f"{self.lost or 'interrupted'}; {self.finished} lines done, {self._left()}, {_NOTHING_LOST}"
            failure = Failure(code, message, _AGAIN)
        elif error is not None:
            code, failure = code_of(error), self._stopped_by(error)
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        terminal = self.context.terminal
        lines = counted(self.finished, "line")
        terminal.note(lines + (f": {counts}" if counts else ""))
        if self.new_accounts:
            more = " and more" if self.new_accounts > _NAMED else ""
            terminal.note(f"{counted(self.new_accounts, 'new account')}: {', '.join(self.some_new_accounts)}{more}")
        if failure:
            failure.say()
        if terminal.json:
            failed = self.counts.get(_FAILED, 0) + self.counts.get(_REFUSED, 0)
            all_counts = {**self.counts, **({_FAILED: failed} if failed else {})}
            closing: Document = {"summary": {"lines": self.finished, **all_counts}, "exit_code": int(code)}
            closing |= {"error": failure.as_json()} if failure else {}
            members = "".join(f",\n{json.dumps(name)}: {json.dumps(value)}" for name, value in closing.items())
            self._write(self._opening() + "\n]" + members + "\n}\n")
        return int(code)

    def _stopped_by(self, error: KojikeyError) -> Failure:
        done = f"{counted(self.finished, 'line')} done, {self._left()}"
        if not isinstance(error, StoreUnavailable):
            return Failure.of_run(error, done)
        # its effect, and a command in its hint, are about one of several lines; the same batch again finishes them all
        failure = Failure.of(error)
        message = f"{error.message}; {done}, {_NOTHING_LOST}"
        return Failure(failure.code, message, advice_then(failure.hint, _AGAIN))

    def _left(self) -> str:
        return f"{self.read - self.finished} left" if self.is_at_end else "the rest left"

    def _opening(self) -> str:
        return "" if self.finished else f'{{"schema": {json.dumps(SCHEMA)},\n"command": "{self.command}",\n"results": ['

    def _write(self, text: str, *, is_json: bool = True) -> None:
        if self.lost:
            return
        out = self.context.terminal.out
        try:
            (out.json if is_json else out.text)(text)
            out.flush()
        except OSError as error:
            if self.context.call.get(DRY_RUN):
                raise  # a dry run changes nothing, so a closed pipe is no failure
            self.lost = lost_output(error)
            raise

    def _advised(self, item: LineResult) -> LineResult:
        """Return a result whose hint fits this command: a test alone does not know whether the key was saved."""
        if not isinstance(item, DoneLine):
            return item
        provider = item.result.provider
        is_add = self.command == "add"
        steps = advice.for_unsaved(provider, has_key=False) if is_add else advice.for_step(provider, "rotate")
        return DoneLine(item.number, advice.with_advice(item.result, steps, self.context.terminal))


def _result(item: LineResult) -> tuple[Exit, Document]:
    if isinstance(item, DoneLine):
        code, fields = change_output.exit_of(item.result), documents.change_fields(item.result)
        fields["action"] = fields["action"] or _REFUSED
        return code, {"line": item.number, **fields, "exit_code": int(code)}
    masked = None if item.tail is None else mask(item.tail)
    document: Document = {
        "line": item.number, "account": item.account, "provider": item.provider, "masked": masked, "version": None,
    }  # fmt: skip
    if isinstance(item, PlannedLine):
        return Exit.OK, document | {"would": item.would, "exit_code": 0}
    code = code_of(item.error)
    action = "exists" if isinstance(item.error, KeyExists) else _REFUSED if code is Exit.USAGE else None
    return code, document | {"action": action, "exit_code": int(code), "error": Failure.of(item.error).as_json()}


def _worst(command: str, codes: Sequence[Exit]) -> Exit:
    """Return the exit code of a batch from the codes of its lines, which are in the order of the lines.

    A failed key has precedence over everything, and an indeterminate one over nothing. Of the codes between them,
    ``add`` has a fixed order, and ``rotate`` takes the first one.
    """
    found = [code for code in codes if code not in (Exit.OK, Exit.INDETERMINATE)]
    order = _ADD_ORDER if command == "add" else (Exit.KEY_FAILED,)
    first = next((code for code in order if code in found), next(iter(found), None))
    return first or (Exit.INDETERMINATE if Exit.INDETERMINATE in codes else Exit.OK)
