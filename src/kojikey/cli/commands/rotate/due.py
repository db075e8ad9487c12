"""``kojikey rotate --due``: what cron runs. Results as they come; the exit code of the whole is the worst one.

Owns: what is reported of each key, and the order of exit codes (3, then 6, 5, 4). Asks nobody.
"""

from __future__ import annotations

import asyncio
import json
import sys

from kojikey.cli.commands.key_probe import open_probe, run_operation
from kojikey.cli.commands.management import Access, access_to, admin_account_of, open_management
from kojikey.cli.commands.rotate.mint import propagation
from kojikey.cli.commands.rotate.options import ALLOW_WIDER, EXPIRING, GRACE, MINT
from kojikey.cli.commands.saving import allowing, exit_of
from kojikey.cli.commands.test.run_options import RunOptions
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of
from kojikey.cli.options import (
    ADMIN_ACCOUNT,
    ALL_ACCOUNTS,
    BASE_URL,
    BATCH,
    CAPABILITY,
    DRY_RUN,
    FROM_ENV,
    FROM_FILE,
    JSONL,
    KEY,
    LABEL,
    MODEL,
    STDIN,
    YES,
)
from kojikey.cli.output import documents
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.cli.output.failure import SCHEMA, Failure, write_line
from kojikey.cli.output.github_escape import inert_json
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.key import EXPIRING as USUAL_EXPIRING
from kojikey.model.key import Key, Version
from kojikey.model.management_errors import CannotMint
from kojikey.model.masking import VISIBLE, mask
from kojikey.model.minting import AtProvider
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document
from kojikey.model.secret import Secret
from kojikey.model.timestamps import short_span, span
from kojikey.model.verdict import Verdict
from kojikey.operations.minting.due_rotations import DueKey, DueResult, Policy, Todo, Tools, carry_out, due_keys
from kojikey.operations.minting.minting import Minter
from kojikey.operations.minting.patience import until_known, until_refused
from kojikey.operations.minting.retiring import Revoker
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe, Target
from kojikey.operations.results import GRACE as USUAL_GRACE
from kojikey.providers.catalog import Catalog
from kojikey.providers.management import ability_of
from kojikey.providers.management.base import KeyManagement
from kojikey.providers.requests.traffic import Traffic

_WORST_FIRST = (
    Exit.STORE_UNAVAILABLE, Exit.CANNOT_OPEN, Exit.KEY_FAILED, Exit.CONFLICT, Exit.NOT_FOUND, Exit.INDETERMINATE,
    Exit.USAGE,
)  # fmt: skip
_DONE = {
    "rotated": "rotated: a new key is in use",
    "retired": "the previous key was retired",
    "staged": "a new key was made and is not in use yet",
}
_NOT_WITH_DUE = (BATCH, STDIN, FROM_ENV, FROM_FILE, BASE_URL, LABEL, MODEL, CAPABILITY)


def rotate_due(context: Context) -> int:
    """Carry out ``rotate --due`` and return the exit code."""
    from kojikey import wiring

    policy = _policy(context)
    catalog = wiring.catalog(context.settings)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    account = None if context.call[ALL_ACCOUNTS] else context.account
    damage = DamagedRecords(context.terminal)
    written = _Written(context)
    due = list(due_keys(open_store, policy, account=account, damaged=damage))
    if context.call[DRY_RUN] or not policy.is_minting:
        for each in due:
            for todo in each.todos:
                written.plan(each.key, todo, is_dry_run=context.call[DRY_RUN])
        return written.end(damage)
    open_store.ask_now()
    run_operation(_Run(context, open_store, catalog, written).all(due))
    return written.end(damage)


def _policy(context: Context) -> Policy:
    """Return when a key is due.

    Raises:
        UsageError: an option makes no sense here.
    """
    call = context.call
    others = [option.spelling for option in call.given(*_NOT_WITH_DUE)]
    if call[KEY] is not None or others:
        raise UsageError(
            f"--due cannot be combined with {'PROVIDER' if call[KEY] is not None else others[0]}",
            effect=Effect.NOTHING_CHANGED,
            hint=next_step("rotate", "--due", "--mint"),
        )
    if call[JSONL] and context.terminal.json:
        raise UsageError(
            "--jsonl cannot be combined with --json",
            effect=Effect.NOTHING_CHANGED,
            hint=next_step("rotate", "--due", "--jsonl"),
        )
    expiring, grace = call[EXPIRING], call[GRACE]
    return Policy(
        call[MINT],
        USUAL_EXPIRING if expiring is None else span(expiring, what="--expiring"),
        USUAL_GRACE if grace is None else short_span(grace, what="--grace"),
    )


class _Run:
    """The keys that are due, several at once."""

    def __init__(self, context: Context, open_store: OpenStore, catalog: Catalog, written: _Written) -> None:
        self._context, self._open_store, self._catalog, self._written = context, open_store, catalog, written
        options = RunOptions.read(context.call)
        self._traffic: Traffic = options.traffic(tell=context.terminal.warn)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._seconds = propagation(context)
        self._accesses: dict[tuple[str, str], Access | KojikeyError] = {}

    async def all(self, due: list[DueKey]) -> None:
        """Take care of all of them."""
        from kojikey import wiring

        proxies, tell = wiring.proxies(self._context.terminal.warn), self._context.terminal.warn
        async with (
            open_probe(self._context, self._catalog, proxies, tell=tell, traffic=self._traffic) as probe,
            asyncio.TaskGroup() as group,
        ):
            for each in due:
                group.create_task(self._one(each, self._in_turn(probe)))

    def _in_turn(self, probe: Probe) -> Probe:
        async def paced(secret: Secret, target: Target) -> Verdict:
            while (wait := self._traffic.take_turn(target.provider, target.base_url)) > 0:
                await asyncio.sleep(wait)
            return await probe(secret, target)

        return paced

    async def _one(self, due: DueKey, probe: Probe) -> None:
        async with self._slots:
            key = due.key
            if Todo.FINISH_BY_HAND in due.todos or _unmintable(key):
                for todo in due.todos:
                    self._written.plan(key, todo, is_dry_run=False)
                return
            try:
                access = self._access(key)
                async with open_management(access) as keys:
                    revoker = Revoker(keys, self._may_delete, probe, until_refused(probe, self._seconds))
                    tools = Tools(keys, self._minter(keys, probe), revoker)
                    results = await carry_out(self._open_store, due, tools)
            except KojikeyError as error:
                if code_of(error) in (Exit.STORE_UNAVAILABLE, Exit.INTERNAL):
                    raise
                results = [DueResult(key, due.todos[0] if due.todos else Todo.RETIRE, error=error)]
            for result in results:
                self._written.result(result)

    def _access(self, key: Key) -> Access:
        """Return how to reach a provider's key management; what was found is remembered for the run."""
        account = admin_account_of(self._context)
        if not (self._context.call[ADMIN_ACCOUNT] or self._context.settings.config.get("admin_account")):
            account = key.account
        name = account, key.provider
        if name not in self._accesses:
            try:
                self._accesses[name] = access_to(
                    self._context, self._catalog, self._open_store, key.provider, account=account
                )
            except KojikeyError as error:
                self._accesses[name] = error
        found = self._accesses[name]
        if isinstance(found, KojikeyError):
            raise found
        return found

    def _minter(self, keys: KeyManagement, probe: Probe) -> Minter:
        call = self._context.call

        def approve(verdict: Verdict) -> bool:
            return call[allowing(verdict)]

        return Minter(
            keys,
            until_known(probe, self._seconds),
            approve,
            lambda _: call[ALLOW_WIDER],
            lambda *_: None,
            self._context.terminal.note,
            call[ADMIN_ACCOUNT],
        )

    def _may_delete(self, _: Version, place: AtProvider) -> bool:
        """Tell whether a previous key is deleted: nobody is asked, for this is what cron runs."""
        return place.is_minted or self._context.call[YES]


def _unmintable(key: Key) -> bool:
    """Tell whether nothing can make the key: its provider has no API for that, or it is an admin key."""
    ability = ability_of(key.provider)
    return ability is None or not ability.creates


class _Written:
    """What was reported so far, and the exit code that it gives."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._documents: list[Document] = []
        self._codes: set[Exit] = set()

    def plan(self, key: Key, todo: Todo, *, is_dry_run: bool) -> None:
        """Report what a key needs, and that it was not done."""
        document = _of(key) | {"action": None, "due": True, "would": todo.value}
        if not is_dry_run:
            self._codes.add(Exit.CONFLICT if todo is Todo.FINISH_BY_HAND else Exit.KEY_FAILED)
        finish = next_step("rotate", key.provider, "--account", key.account, "--resume")
        words = {
            Todo.MINT: "is due for rotation",
            Todo.RETIRE: "has a previous key that is to be retired",
            Todo.RESUME: "has an unfinished rotation",
            Todo.FINISH_BY_HAND: Hint(
                "has a staged key that a person has to finish: ",
                finish,
                ", or --abort",
            ),
        }[todo]
        self._write(document, words)

    def result(self, due: DueResult) -> None:
        """Report what was done for a key, or why not."""
        key = due.key
        if due.error is not None:
            is_for_a_person = isinstance(due.error, CannotMint)
            self._codes.add(Exit.KEY_FAILED if is_for_a_person else code_of(due.error))
            document = _of(key) | {
                "action": None,
                "due": True,
                "would": due.todo.value,
                "error": Failure.of(due.error).as_json(),
            }
            self._write(document, str(due.error), hint=due.error.hint)
            return
        assert due.result is not None  # noqa: S101 - one of the two
        code = exit_of(due.result)
        if code:
            self._codes.add(code)
        document = documents.changed(due.result) | {"due": bool(code)}
        self._write(document, _DONE.get(str(due.result.action), "the previous key still works"))

    def _write(self, document: Document, words: str, *, hint: str | None = None) -> None:
        self._documents.append(document)
        if self._context.call[JSONL]:
            self._write_json_line(document)
        elif not self._context.terminal.json:
            from kojikey.cli.output.render import Page

            page = Page(self._context.terminal)
            masked = self._context.terminal.masked(str(document["masked"])[-VISIBLE:].strip("*"))
            page.line(f"{document['account']}  {document['provider']}  {masked}  {words}")
            if hint:
                page.line(self._context.terminal.completed(hint), indent=2)

    def _write_json_line(self, document: Document) -> None:
        text = json.dumps(document)
        write_line(inert_json(text) if self._context.terminal.is_on_github else text)
        sys.stdout.flush()

    def end(self, damage: DamagedRecords) -> int:
        """Report the whole, and return the exit code."""
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
            documents.write("rotate", code, self._documents, summary=counts, error=damage.error)
        elif not self._documents:
            self._context.terminal.note("no key is due")
        return int(code)


def _of(key: Key) -> Document:
    return {
        "account": key.account,
        "provider": key.provider,
        "masked": mask(key.current.tail),
        "version": key.current.number,
    }
