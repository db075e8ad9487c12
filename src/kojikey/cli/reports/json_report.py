"""``--json`` (one document, written as results arrive) and ``--jsonl`` (one result per line, the summary last)."""

from __future__ import annotations

import json

from kojikey.cli.output import documents
from kojikey.cli.output.failure import SCHEMA, Failure
from kojikey.cli.output.stdout import Stdout
from kojikey.cli.reports.base import Item, RunEnd, Tally
from kojikey.model.ref import Document
from kojikey.operations.testing_keys import Unopened

UNOPENED_LISTED = 1000


class JsonReport:
    """The JSON document of a run. Its summary and exit code come last, so results need not be kept in memory.

    Keys whose records do not open were not tested: they are listed apart, the first thousand of them.
    """

    def __init__(self, out: Stdout, *, is_readable: bool) -> None:
        """Set ``is_readable`` for an indented document, which takes too much time for thousands of results."""
        self._indent = 1 if is_readable else None
        self._out = out
        self._count = 0
        self._is_begun = False
        self._unopened: list[Document] = []

    def add(self, item: Item) -> None:
        """Write a result."""
        if isinstance(item, Unopened):
            if len(self._unopened) < UNOPENED_LISTED:
                self._unopened.append(_unopened(item))
            return
        self._begin()
        self._write((",\n" if self._count else "\n") + self._text(documents.test_fields(item)))
        self._out.flush()  # Python would write several results at once, which a pipe may not take
        self._count += 1

    def end(self, ending: RunEnd) -> None:
        """Write the rest of the document."""
        self._begin()
        self._write("\n]")
        keys: Document = {"unopened_keys": self._unopened} if self._unopened else {}
        for name, value in (keys | _closing(ending)).items():
            self._write(f",\n{json.dumps(name)}: {self._text(value)}")
        self._write("\n}\n")
        self._out.flush()

    def _begin(self) -> None:
        """Write the beginning, not before the first result: a run that fails earlier has another document."""
        if not self._is_begun:
            self._is_begun = True
            self._write(f'{{"schema": {json.dumps(SCHEMA)},\n"command": "test",\n"results": [')

    def _text(self, value: object) -> str:
        return json.dumps(value, indent=self._indent, ensure_ascii=True)

    def _write(self, text: str) -> None:
        self._out.json(text)


class JsonLines:
    """A line of JSON for each result as it arrives, and a last line with the summary."""

    def __init__(self, out: Stdout) -> None:
        self._out = out

    def add(self, item: Item) -> None:
        """Write a result, or the error about a key whose record does not open."""
        if isinstance(item, Unopened):
            self._write(_unopened(item))
        else:
            self._write(documents.test_fields(item))

    def end(self, ending: RunEnd) -> None:
        """Write the summary."""
        self._write({"schema": SCHEMA, "command": "test", **_closing(ending)})

    def _write(self, document: Document) -> None:
        self._out.json(json.dumps(document, ensure_ascii=True) + "\n")
        self._out.flush()


def _unopened(item: Unopened) -> Document:
    return {"account": item.account, "provider": item.provider, "error": Failure.of(item.error).as_json()}


def _closing(ending: RunEnd) -> Document:
    closing: Document = {"summary": ending.tally.summary.as_document()}
    if ending.tally.groups:
        closing["groups"] = groups_of(ending.tally)
    if ending.tally.unopened:
        closing["unopened"] = ending.tally.unopened
    if ending.left:
        closing["left"] = ending.left
    if ending.left_out:
        closing["left_out"] = ending.left_out
    closing["exit_code"] = int(ending.code)
    return closing | ({"error": ending.error.as_json()} if ending.error else {})


def groups_of(tally: Tally) -> list[Document]:
    """Return the member ``groups``: why keys are not valid, and what to do about it."""
    return [
        {
            "outcome": group.outcome.value, "reason": group.reason, "provider": group.provider, "count": group.count,
            "accounts": group.accounts, "next": group.step,
        }
        for group in tally.worst_first()
    ]  # fmt: skip
