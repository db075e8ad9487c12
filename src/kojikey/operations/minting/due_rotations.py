"""Decides what ``rotate --due`` has to do for each key, and does it: resume, retire, mint, or only report.

Owns: which keys are due, and for what. Every step is safe to repeat, so that a run can be killed and two can run at the
same time. Must not: create a key at a provider without ``--mint``, or change a key that a person staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import structs

from kojikey.model.errors import ChangedMeanwhile, KojikeyError, NotFound, RecordChanged
from kojikey.model.key import EXPIRING, Key, Stage
from kojikey.model.management_errors import MintUnfinished
from kojikey.model.timestamps import later, now, parsed, stamp
from kojikey.operations import rotating
from kojikey.operations.key_records import key_of, scan_keys
from kojikey.operations.listing import disabled_accounts
from kojikey.operations.minting import lost_keys, minting, retiring
from kojikey.operations.minting.mint_planning import Choice
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe
from kojikey.operations.results import GRACE, ChangeResult
from kojikey.stores.base import Query


class Task(StrEnum):
    """The tasks that a key can need."""

    RESUME = "resume"  # finish the mint of an earlier run
    RETIRE = "retire"  # delete the previous key, because its grace is over
    MINT = "rotate"
    FINISH_BY_HAND = "staged"  # a person staged a key


@dataclass(frozen=True, slots=True)
class DuePolicy:
    """The rules by which a key is due. ``is_minting``: new keys are created; otherwise due keys are only reported."""

    is_minting: bool
    expiring: timedelta = EXPIRING
    grace: timedelta = GRACE


class DueKey(NamedTuple):
    """A key with its tasks, as it was read. ``is_lost_looked_for``: it has lost keys to search for at the provider."""

    key: Key
    tasks: tuple[Task, ...]
    is_lost_looked_for: bool = False

    @property
    def first(self) -> Task:
        """The first task; RESUME if the only task is to search for a lost key."""
        return self.tasks[0] if self.tasks else Task.RESUME

    @property
    def has_known_previous(self) -> bool:
        """Whether there is a previous key whose id at the provider is known."""
        previous = self.key.version(Stage.PREVIOUS)
        return previous is not None and previous.at_provider is not None

    @property
    def needs_test_alone(self) -> bool:
        """Whether a test of the previous key is the only request to the provider."""
        return self.tasks == (Task.RETIRE,) and not (self.has_known_previous or self.is_lost_looked_for)


def due_keys(
    open_store: OpenStore, policy: DuePolicy, *, account: str | None, damaged: Callable[[RecordChanged], None]
) -> Iterator[DueKey]:
    """Yield the keys of an account, or of all accounts, that have a task. Keys of disabled accounts have none.

    The error about a key that was changed outside kojikey is passed to ``damaged``, and the others are yielded.
    """
    moment = parsed(now())
    disabled = disabled_accounts(open_store.store, account)
    for key in scan_keys(open_store.store, Query(account=account), damaged=lambda _, error: damaged(error)):
        if key.account in disabled or key.rotate_after_days is None:
            continue
        tasks = tuple(_tasks(key, policy, moment))
        looked_for = policy.is_minting and bool(key.unfound)
        if tasks or looked_for:
            yield DueKey(key, tasks, looked_for)


def _tasks(key: Key, policy: DuePolicy, moment: datetime) -> Iterator[Task]:
    staged, previous = key.version(Stage.STAGED), key.version(Stage.PREVIOUS)
    if staged is not None and not staged.is_minted:
        yield Task.FINISH_BY_HAND
        return
    if key.is_mint_unfinished:
        yield Task.RESUME
        return
    is_old = key.rotated_at is not None and moment - parsed(key.rotated_at) >= policy.grace
    if policy.is_minting and previous is not None and is_old:
        yield Task.RETIRE
    if key.rotation_due(moment, expiring=policy.expiring):
        yield Task.MINT


@dataclass(frozen=True, slots=True)
class TaskTools:
    """The means for one key's tasks. ``minter`` and ``revoker`` are None if its provider's keys cannot be managed.

    ``test`` tests a key once.
    """

    test: Probe
    minter: Minter | None = None
    revoker: retiring.Revoker | None = None


@dataclass(frozen=True, slots=True)
class DueResult:
    """The result of one task: a change, the error that prevented it, or neither if the key is only reported."""

    key: Key
    task: Task
    result: ChangeResult | None = None
    error: KojikeyError | None = None


async def carry_out(
    open_store: OpenStore, due: DueKey, tools: TaskTools, *, grace: timedelta = GRACE
) -> list[DueResult]:
    """Carry out a key's tasks in order; an error ends the tasks of this key.

    A task that another process has carried out since the key was read, or is carrying out, is left out.
    """
    results: list[DueResult] = []
    try:
        if due.is_lost_looked_for and tools.minter is not None:
            await lost_keys.tidy(tools.minter.keys, open_store, due.key)
    except KojikeyError as error:
        return [DueResult(due.key, due.first, error=error)]
    for task in due.tasks:
        try:
            if _is_done(open_store, due.key, task):
                continue
            result = await _done(open_store, due.key, task, tools)
        except KojikeyError as error:
            if _was_overtaken(open_store, due.key, task, error):
                continue
            results.append(DueResult(due.key, task, error=error))
            break
        results.append(DueResult(due.key, task, result and _retired_after(result, grace)))
        if result is not None and result.action is None and due.has_known_previous:
            break  # the previous key still works: a new key would replace it, and its id would be lost
    return results


def _is_done(open_store: OpenStore, listed: Key, task: Task) -> bool:
    """Return whether another process has carried out a task since the key was read.

    Raises:
        MintUnfinished: another process is carrying it out.
    """
    stored = open_store.find_key(listed.account, listed.provider)
    if stored is None:
        return True
    key = key_of(stored)
    if task is Task.RETIRE:
        return _sealed(key, Stage.PREVIOUS) != _sealed(listed, Stage.PREVIOUS)
    if key.current.sealed != listed.current.sealed or (task is Task.RESUME and not key.is_mint_unfinished):
        return True
    if key.minting != listed.minting:
        raise MintUnfinished(key.account, key.provider)
    return False


def _was_overtaken(open_store: OpenStore, listed: Key, task: Task, error: KojikeyError) -> bool:
    """Return whether a retirement failed because another process dropped the version, for example during its test."""
    if task is not Task.RETIRE or not isinstance(error, NotFound | ChangedMeanwhile):
        return False
    try:
        return _is_done(open_store, listed, task)
    except KojikeyError:
        return False  # the first error is reported


def _sealed(key: Key, stage: Stage) -> str | None:
    version = key.version(stage)
    return version.sealed if version else None


async def _done(open_store: OpenStore, key: Key, task: Task, tools: TaskTools) -> ChangeResult | None:
    """Carry out a task; return its result, None if only a person can do it."""
    account, provider = key.account, key.provider
    if task is Task.RETIRE:
        if tools.revoker is None:
            return await rotating.retire(open_store, account=account, provider=provider, test=tools.test)
        return await retiring.retire(open_store, tools.revoker, account=account, provider=provider)
    if tools.minter is None or not tools.minter.keys.ability.creates:
        return None
    if task is Task.RESUME:
        return await minting.resume(open_store, tools.minter, account=account, provider=provider)
    return await minting.mint(open_store, tools.minter, account=account, provider=provider, choice=Choice())


def _retired_after(result: ChangeResult, grace: timedelta) -> ChangeResult:
    """Return a result with the time at which the previous key is retired after this grace."""
    report, key = result.at_provider, result.key
    if report is None or report.revoke_after is None or key is None or key.rotated_at is None:
        return result
    return structs.replace(
        result, at_provider=structs.replace(report, revoke_after=stamp(later(parsed(key.rotated_at), grace)))
    )
