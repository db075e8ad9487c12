"""The report of ``rotate --due``: a line for each step of a key, as it arrives, and the exit code of the run.

Owns: the text, the JSON, and the order of exit codes. Must not: decide what a key needs, or do it.
"""

from __future__ import annotations

import json

from kojikey.cli.commands.change_output import exit_of
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of
from kojikey.cli.options import JSONL
from kojikey.cli.output import documents
from kojikey.cli.output.advice import for_step, with_advice
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.cli.output.failure import SCHEMA, Failure
from kojikey.model.errors import KojikeyError
from kojikey.model.key import Key
from kojikey.model.management_errors import CannotMint
from kojikey.model.masking import VISIBLE, mask
from kojikey.model.next_step import Hint, finish_or_discard, next_step
from kojikey.model.ref import Document
from kojikey.operations.minting.due_rotations import DueResult, Task
from kojikey.operations.results import ChangeResult
from kojikey.providers.management import ability_of

_WORST_FIRST = (
    Exit.INTERNAL, Exit.STORE_UNAVAILABLE, Exit.CANNOT_OPEN, Exit.KEY_FAILED, Exit.CONFLICT, Exit.NOT_FOUND,
    Exit.INDETERMINATE, Exit.USAGE,
)  # fmt: skip
_DONE = {
    "rotated": "rotated: a new key is in use",
    "retired": "the previous key was retired",
    "staged": "a new key was created and is not in use yet",
}


class DueReport:
    """Writes the results, and derives the exit code from them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._documents: list[Document] = []
        self._codes: set[Exit] = set()
        self._stopped: Failure | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the store failed; then no further key is begun."""
        return self._stopped is not None

    def plan(self, key: Key, task: Task, *, is_dry_run: bool = False) -> None:
        """Report a step that a key needs and that was not done."""
        hint = self._context.terminal.completed(_command_for(key.provider, task), account=key.account)
        document = _key_fields(key) | {"action": None, "due": True, "would": task.value, "hint": hint}
        if not is_dry_run:
            self._codes.add(Exit.CONFLICT if task is Task.FINISH_BY_HAND else Exit.KEY_FAILED)
        self._write(document, _SENTENCES[task], hint=hint)

    def result(self, due: DueResult) -> None:
        """Report a step that was done, or why it was not."""
        if due.error is not None:
            self._failed(due, due.error)
        elif due.result is None:
            self.plan(due.key, due.task)
        else:
            self._changed(due.result)

    def _failed(self, due: DueResult, error: KojikeyError) -> None:
        failure = Failure.of(error)
        failure = failure._replace(
            hint=self._context.terminal.completed(failure.hint or "", account=due.key.account) or None
        )
        self._codes.add(Exit.KEY_FAILED if isinstance(error, CannotMint) else code_of(error))
        document = _key_fields(due.key) | {
            "action": None,
            "due": True,
            "would": due.task.value,
            "error": failure.as_json(),
        }
        self._write(document, failure.message, hint=failure.hint)
        if failure.code is Exit.STORE_UNAVAILABLE:
            self._stopped = self._stopped or failure
            self._context.terminal.warn(f"{due.key.account}  {due.key.provider}  {failure.message}")

    def _changed(self, result: ChangeResult) -> None:
        result = with_advice(result, for_step(result.provider, "resume"), self._context.terminal)
        code = exit_of(result)
        if code:
            self._codes.add(code)
        document = documents.change_fields(result) | {"due": bool(code)}
        hint = result.verdict.hint if result.verdict and result.action == "staged" else None
        if result.action is None:
            retire = next_step("rotate", result.provider, "--retire", "--yes")
            told = Hint(retire, " deletes it at the provider, where kojikey can find it there")
            hint = self._context.terminal.completed(told, account=result.account)
        self._write(document, _DONE.get(str(result.action), "the previous key still works"), hint=hint)

    def _write(self, document: Document, sentence: str, *, hint: str | None = None) -> None:
        self._documents.append(document)
        if self._context.call[JSONL]:
            self._write_json_line(document)
        elif not self._context.terminal.json:
            from kojikey.cli.output.page import Page

            page = Page(self._context.terminal)
            masked = self._context.terminal.masked(str(document["masked"])[-VISIBLE:].strip("*"))
            page.line(f"{document['account']}  {document['provider']}  {masked}  {sentence}")
            if hint:
                page.line(hint, indent=2)

    def _write_json_line(self, document: Document) -> None:
        self._context.terminal.out.json(json.dumps(document) + "\n")
        self._context.terminal.out.flush()

    def end(self, damage: DamagedRecords) -> int:
        """Write the summary or the JSON document, and return the exit code."""
        if self._stopped is not None:
            self._context.terminal.note("the remaining keys were not checked; run the same command again to continue")
        codes = self._codes | ({Exit(damage.code)} if damage.code else set())
        code = next((each for each in _WORST_FIRST if each in codes), Exit.OK)
        counts: dict[str, int] = {}
        for document in self._documents:
            name = str(document["action"] or ("failed" if "error" in document else "due"))
            counts[name] = counts.get(name, 0) + 1
        if self._context.call[JSONL]:
            summary = {"schema": SCHEMA, "command": "rotate", "exit_code": int(code), "summary": counts}
            self._write_json_line(summary)
        elif self._context.terminal.json:
            documents.write(
                "rotate",
                code,
                self._documents,
                summary=counts,
                error=self._stopped.as_json() if self._stopped else damage.error,
            )
        elif not self._documents:
            self._context.terminal.note("no key is due")
        return int(code)


def _key_fields(key: Key) -> Document:
    return {
        "account": key.account,
        "provider": key.provider,
        "masked": mask(key.current.tail),
        "version": key.current.number,
    }


_SENTENCES = {
    Task.MINT: "is due for rotation",
    Task.RETIRE: "has a previous key that has to be retired",
    Task.RESUME: "has an unfinished rotation",
    Task.FINISH_BY_HAND: "has a staged key that needs a decision",
}


def _command_for(provider: str, task: Task) -> Hint:
    """Return the command for a step that a key needs."""
    match task:
        case Task.MINT:
            ability = ability_of(provider)
            return next_step("rotate", provider, *(["--mint"] if ability and ability.creates else []))
        case Task.RETIRE:
            return next_step("rotate", provider, "--retire")
        case Task.RESUME:
            return next_step("rotate", provider, "--resume")
        case Task.FINISH_BY_HAND:
            return finish_or_discard(provider)
