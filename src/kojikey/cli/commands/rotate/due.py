"""``kojikey rotate --due``: rotates all keys that are due, for cron. Asks nothing.

Owns: the run over many keys at once; the failure of one key does not stop the others.
"""

from __future__ import annotations

import asyncio

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Call
from kojikey.cli.commands.change_output import option_allowing
from kojikey.cli.commands.key_probe import open_probe, run_operation
from kojikey.cli.commands.management import Access, access_to, admin_account_of, open_management
from kojikey.cli.commands.rotate.due_report import DueReport
from kojikey.cli.commands.rotate.mint import propagation
from kojikey.cli.commands.rotate.options import ALLOW_WIDER, EXPIRING, GRACE, LIKE, MINT, PARENT, STEPS
from kojikey.cli.commands.test.run_options import RunOptions
from kojikey.cli.context import Context
from kojikey.cli.options import (
    ALL_ACCOUNTS,
    BASE_URL,
    BATCH,
    CAPABILITY,
    DRY_RUN,
    EXPIRES,
    FORCE_SHAPE,
    FROM_ENV,
    FROM_FILE,
    JSONL,
    KEY,
    LABEL,
    MODEL,
    NO_TEST,
    ROTATE_AFTER,
    STDIN,
    YES,
)
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.cli.output.failure import REPORT_IT
from kojikey.model.bugs import kind_and_place
from kojikey.model.errors import AccountNotFound, Effect, KojikeyError, UsageError
from kojikey.model.key import EXPIRING as USUAL_EXPIRING
from kojikey.model.key import Version
from kojikey.model.management_errors import NoAdminKey
from kojikey.model.minting import RemoteId
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.model.timestamps import short_span, span
from kojikey.model.verdict import Verdict
from kojikey.operations.minting.due_rotations import DueKey, DuePolicy, DueResult, Task, TaskTools, carry_out, due_keys
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.minting.propagation import until_known, until_refused
from kojikey.operations.minting.provider_ids import named_admin_account
from kojikey.operations.minting.retiring import Revoker
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe, Target
from kojikey.operations.results import GRACE as USUAL_GRACE
from kojikey.providers.catalog import Catalog
from kojikey.providers.management import ability_of
from kojikey.providers.management.base import KeyManagement
from kojikey.providers.management.recent_lists import RecentLists
from kojikey.providers.requests.traffic import Traffic

_NOT_WITH_DUE = (
    *STEPS,
    LIKE,
    PARENT,
    BATCH,
    STDIN,
    FROM_ENV,
    FROM_FILE,
    FORCE_SHAPE,
    BASE_URL,
    LABEL,
    MODEL,
    CAPABILITY,
    EXPIRES,
    ROTATE_AFTER,
    NO_TEST,
)


def rotate_due(context: Context) -> int:
    """Run ``rotate --due`` and return the exit code.

    A missing store or account is an error: a job that lost its settings must not look successful.
    """
    from kojikey import wiring

    policy = _policy(context)
    catalog = wiring.catalog(context.settings)
    open_store = wiring.open_existing(context.settings, context.person)
    account = None if context.call[ALL_ACCOUNTS] else context.account
    if account is not None and not open_store.has_account(account):
        raise AccountNotFound(account)
    damage = DamagedRecords(context.terminal)
    report = DueReport(context)
    due = list(due_keys(open_store, policy, account=account, damaged=damage))
    if context.call[DRY_RUN] or not policy.is_minting:
        for each in due:
            for task in each.tasks:
                report.plan(each.key, task, is_dry_run=context.call[DRY_RUN])
        return report.end(damage)
    open_store.ask_now()
    try:
        run_operation(_Run(context, open_store, catalog, policy, report).run(due))
    except KeyboardInterrupt:
        again = _again(context.call, "--mint")
        message = Hint("interrupted; no key in use is lost; to finish what was begun: ", again)
        raise KeyboardInterrupt(context.terminal.completed(message)) from None
    return report.end(damage)


def _policy(context: Context) -> DuePolicy:
    """Return the policy that the options describe: when a key is due, and what is done then.

    Raises:
        UsageError: an option cannot be combined with ``--due``, or a value is not a span.
    """
    call = context.call
    others = [option.spelling for option in call.given(*_NOT_WITH_DUE)]
    if call[KEY] is not None or others:
        raise UsageError(
            f"--due cannot be combined with {'PROVIDER' if call[KEY] is not None else others[0]}",
            effect=Effect.NOTHING_CHANGED,
            hint=_again(call, "--mint"),
        )
    if call[JSONL] and context.terminal.json:
        raise UsageError(
            "--jsonl cannot be combined with --json",
            effect=Effect.NOTHING_CHANGED,
            hint=_again(call, *(["--mint"] if call[MINT] else []), "--jsonl"),
        )
    refuse_account_with_all_accounts(call, "--due")
    RunOptions.read(call)
    expiring, grace = call[EXPIRING], call[GRACE]
    return DuePolicy(
        call[MINT],
        USUAL_EXPIRING if expiring is None else span(expiring, what="--expiring"),
        USUAL_GRACE if grace is None else short_span(grace, what="--grace"),
    )


def _again(call: Call, *more: str) -> Hint:
    return next_step("rotate", "--due", *more, *(["--all-accounts"] if call[ALL_ACCOUNTS] else []))


class _Run:
    """The run over the keys that are due, several at once."""

    def __init__(
        self, context: Context, open_store: OpenStore, catalog: Catalog, policy: DuePolicy, report: DueReport
    ) -> None:
        self._context, self._open_store, self._catalog = context, open_store, catalog
        self._policy, self._report = policy, report
        options = RunOptions.read(context.call)
        self._traffic: Traffic = options.traffic(tell=context.terminal.warn)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._seconds = propagation(context)
        self._accesses: dict[tuple[str, str], Access | KojikeyError] = {}

    async def run(self, due: list[DueKey]) -> None:
        """Rotate, retire or resume each key, and report the results."""
        from kojikey import wiring

        proxies, tell = wiring.proxies(self._context.terminal.warn), self._context.terminal.warn
        async with (
            open_probe(self._context, self._catalog, proxies, tell=tell, traffic=self._traffic) as probe,
            asyncio.TaskGroup() as group,
        ):
            for each in due:
                group.create_task(self._process(each, self._rate_limited(probe)))

    def _rate_limited(self, probe: Probe) -> Probe:
        async def paced(secret: Secret, target: Target) -> Verdict:
            while (wait := self._traffic.reserve(target.provider, target.base_url)) > 0:
                await asyncio.sleep(wait)
            return await probe(secret, target)

        return paced

    async def _process(self, due: DueKey, probe: Probe) -> None:
        async with self._slots:
            if self._report.is_stopped:
                return
            if Task.FINISH_BY_HAND in due.tasks:
                self._report.plan(due.key, Task.FINISH_BY_HAND)
                return
            for result in await self._results(due, probe):
                self._report.result(result)

    async def _results(self, due: DueKey, probe: Probe) -> list[DueResult]:
        """Return the results for one key; an error about it is a result."""
        try:
            access = self._access(due)
            if access is None:
                return await carry_out(self._open_store, due, TaskTools(probe), grace=self._policy.grace)
            async with open_management(access, traffic=self._traffic) as keys:
                revoker = Revoker(keys, self._may_delete, probe, until_refused(probe, self._seconds))
                tools = TaskTools(probe, self._minter(access, keys, probe), revoker)
                return await carry_out(self._open_store, due, tools, grace=self._policy.grace)
        except KojikeyError as error:
            return [DueResult(due.key, due.first, error=error)]
        except Exception as error:
            bug = KojikeyError(f"a bug in kojikey: {kind_and_place(error)}", hint=REPORT_IT)
            return [DueResult(due.key, due.first, error=bug)]

    def _access(self, due: DueKey) -> Access | None:
        """Return the access to a provider's key management; None if there is none, or if it cannot help this key."""
        key, ability = due.key, ability_of(due.key.provider)
        if ability is None or (not ability.creates and Task.RETIRE not in due.tasks):
            return None
        begun_with = named_admin_account(self._open_store, account=key.account, provider=key.provider)
        account = admin_account_of(self._context, key.account, begun_with=begun_with)
        access = self._cached_access(account, key.provider)
        if isinstance(access, NoAdminKey) and due.needs_test_alone:
            return None
        if isinstance(access, KojikeyError):
            raise access
        return access

    def _cached_access(self, account: str, provider: str) -> Access | KojikeyError:
        """Return the access with an account's admin key, or the error about it; each is looked up once in a run."""
        name = account, provider
        if name not in self._accesses:
            try:
                access = access_to(self._context, self._catalog, self._open_store, provider, account=account)
                self._accesses[name] = access._replace(recent=RecentLists())
            except KojikeyError as error:
                self._accesses[name] = error
        return self._accesses[name]

    def _minter(self, access: Access, keys: KeyManagement, probe: Probe) -> Minter:
        call = self._context.call

        def approve(verdict: Verdict) -> bool:
            return call[option_allowing(verdict)]

        return Minter(
            keys,
            until_known(probe, self._seconds),
            approve,
            lambda _: call[ALLOW_WIDER],
            lambda *_: None,
            self._context.terminal.note,
            access.page,
            access.account,
        )

    def _may_delete(self, _: Version, remote_id: RemoteId) -> bool:
        """Return whether a previous key is deleted: one that kojikey created, and any with ``--yes``."""
        return remote_id.is_minted or self._context.call[YES]
