"""Decides what ``rotate --due`` has to do for each key, and does it: resume, retire, mint, or only report.

Owns: which keys are due for what. Every step is safe to repeat, so that a run can be killed and two can run at once.
Must not: create a key at a provider without minting, or change one that a person staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import structs

from kojikey.model.errors import KojikeyError, RecordChanged, VersionNotFound
from kojikey.model.key import EXPIRING, Key, Stage
from kojikey.model.management_errors import MintUnfinished
from kojikey.model.timestamps import now, parsed, stamp
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


class Todo(StrEnum):
    """What a key needs."""

    RESUME = "resume"  # finish what an earlier run left
    RETIRE = "retire"  # delete the previous key, whose time is over
    MINT = "rotate"
    FINISH_BY_HAND = "staged"  # a person staged a key


@dataclass(frozen=True, slots=True)
class Policy:
    """When a key is due. ``is_minting``: keys are made at their providers, not only reported."""

    is_minting: bool
    expiring: timedelta = EXPIRING
    grace: timedelta = GRACE


class DueKey(NamedTuple):
    """A key that needs something, as it was read."""

    key: Key
    todos: tuple[Todo, ...]
    is_lost_looked_for: bool = False

    @property
    def first(self) -> Todo:
        """What is done first; where only a lost key is looked for, that is to finish what was left."""
        return self.todos[0] if self.todos else Todo.RESUME

    @property
    def has_known_previous(self) -> bool:
        """Whether there is a previous key whose id at the provider is known."""
        previous = self.key.version(Stage.PREVIOUS)
        return previous is not None and previous.at_provider is not None

    @property
    def needs_test_alone(self) -> bool:
        """Whether the provider is asked for nothing but a test of the previous key."""
        return self.todos == (Todo.RETIRE,) and not (self.has_known_previous or self.is_lost_looked_for)


def due_keys(
    open_store: OpenStore, policy: Policy, *, account: str | None, damaged: Callable[[RecordChanged], None]
) -> Iterator[DueKey]:
    """Yield the keys of an account, or of all, that need something. Those of disabled accounts are left out.

    A key whose record was changed outside kojikey is reported to ``damaged`` and hides no other.
    """
    moment = parsed(now())
    disabled = disabled_accounts(open_store.store, account)
    for key in scan_keys(open_store.store, Query(account=account), damaged=lambda _, error: damaged(error)):
        if key.account in disabled or key.rotate_after_days is None:
            continue
        todos = tuple(_todos(key, policy, moment))
        looked_for = policy.is_minting and bool(key.unfound)
        if todos or looked_for:
            yield DueKey(key, todos, looked_for)


def _todos(key: Key, policy: Policy, moment: datetime) -> Iterator[Todo]:
    staged, previous = key.version(Stage.STAGED), key.version(Stage.PREVIOUS)
    if staged is not None and not staged.is_minted:
        yield Todo.FINISH_BY_HAND
        return
    if key.is_mint_unfinished:
        yield Todo.RESUME
        return
    is_old = key.rotated_at is not None and moment - parsed(key.rotated_at) >= policy.grace
    if policy.is_minting and previous is not None and is_old:
        yield Todo.RETIRE
    if key.rotation_due(moment, expiring=policy.expiring):
        yield Todo.MINT


@dataclass(frozen=True, slots=True)
class Tools:
    """How one key is taken care of. ``minter`` and ``revoker`` are None where its provider's keys cannot be managed.

    ``test`` tests a key once.
    """

    test: Probe
    minter: Minter | None = None
    revoker: retiring.Revoker | None = None


@dataclass(frozen=True, slots=True)
class DueResult:
    """What became of one thing that a key needed: a change, the error that stopped it, or neither (only reported)."""

    key: Key
    todo: Todo
    result: ChangeResult | None = None
    error: KojikeyError | None = None


async def carry_out(open_store: OpenStore, due: DueKey, tools: Tools, *, grace: timedelta = GRACE) -> list[DueResult]:
    """Do what a key needs, in order; what goes wrong ends it for this key alone.

    What another process did since the key was listed is not done again, and what it is doing is left to it.
    """
    results: list[DueResult] = []
    try:
        if due.is_lost_looked_for and tools.minter is not None:
            await lost_keys.tidy(tools.minter.keys, open_store, due.key)
    except KojikeyError as error:
        return [DueResult(due.key, due.first, error=error)]
    for todo in due.todos:
        try:
            if _is_done(open_store, due.key, todo):
                continue
            result = await _done(open_store, due.key, todo, tools)
        except KojikeyError as error:
            if todo is Todo.RETIRE and isinstance(error, VersionNotFound):
                continue  # another process dropped it during its test
            results.append(DueResult(due.key, todo, error=error))
            break
        results.append(DueResult(due.key, todo, result and _retired_after(result, grace)))
        if result is not None and result.action is None and due.has_known_previous:
            break  # a new key would take its place, and it would be forgotten
    return results


def _is_done(open_store: OpenStore, listed: Key, todo: Todo) -> bool:
    """Return whether another process did a thing since the key was listed.

    Raises:
        MintUnfinished: another process is doing it.
    """
    stored = open_store.held(listed.account, listed.provider)
    if stored is None:
        return True
    key = key_of(stored)
    if todo is Todo.RETIRE:
        return _sealed(key, Stage.PREVIOUS) != _sealed(listed, Stage.PREVIOUS)
    if key.current.sealed != listed.current.sealed or (todo is Todo.RESUME and not key.is_mint_unfinished):
        return True
    if key.minting != listed.minting:
        raise MintUnfinished(key.account, key.provider)
    return False


def _sealed(key: Key, stage: Stage) -> str | None:
    version = key.version(stage)
    return version.sealed if version else None


async def _done(open_store: OpenStore, key: Key, todo: Todo, tools: Tools) -> ChangeResult | None:
    """Do a thing; None where only a person can."""
    account, provider = key.account, key.provider
    if todo is Todo.RETIRE:
        if tools.revoker is None:
            return await rotating.retire(open_store, account=account, provider=provider, test=tools.test)
        return await retiring.retire(open_store, tools.revoker, account=account, provider=provider)
    if tools.minter is None or not tools.minter.keys.ability.creates:
        return None
    if todo is Todo.RESUME:
        return await minting.resume(open_store, tools.minter, account=account, provider=provider)
    return await minting.mint(open_store, tools.minter, account=account, provider=provider, choice=Choice())


def _retired_after(result: ChangeResult, grace: timedelta) -> ChangeResult:
    """Return a result that says when the previous key is retired with this grace."""
    report, key = result.at_provider, result.key
    if report is None or report.revoke_after is None or key is None or key.rotated_at is None:
        return result
    return structs.replace(
        result, at_provider=structs.replace(report, revoke_after=stamp(parsed(key.rotated_at) + grace))
    )
