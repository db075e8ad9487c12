"""Checks from the store alone whether an account has the keys that a job needs. Asks no provider, opens no key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from kojikey.model.errors import NotFound, RecordChanged
from kojikey.model.key import Key, Stage
from kojikey.model.next_step import next_step
from kojikey.model.ref import Ref, key_ref
from kojikey.model.timestamps import parsed
from kojikey.model.verdict import Outcome
from kojikey.operations.key_records import key_of, scan_keys
from kojikey.operations.listing import is_disabled
from kojikey.operations.open_store import OpenStore
from kojikey.operations.selecting import refuse_unknown_account
from kojikey.stores.base import Query, Store


class Problem(StrEnum):
    """The ways in which a required key can be missing or unfit."""

    NO_KEY = "no_key"
    DISABLED = "disabled"  # the account is disabled: its own keys are not used
    REJECTED = "rejected"
    LIMITED = "limited"
    EXPIRED = "expired"
    TOO_OLD = "too_old"
    NEVER_TESTED = "never_tested"
    TESTED_TOO_LONG_AGO = "tested_too_long_ago"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a required key must keep; None for no limit."""

    max_age: timedelta | None = None
    tested_within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The providers at which a key is required, its limits, and the moment for which they are computed."""

    providers: Sequence[str]
    limits: Limits
    moment: datetime


@dataclass(frozen=True, slots=True)
class Requirement:
    """A required key, and its problems. ``key`` is None if the account has none there."""

    account: str
    provider: str
    problems: tuple[Problem, ...]
    key: Key | None

    @property
    def is_met(self) -> bool:
        """Whether there is a key without problems."""
        return not self.problems


def check(open_store: OpenStore, wanted: Wanted, *, account: str) -> tuple[Requirement, ...]:
    """Return the account's key at each of the wanted providers, with its problems.

    Raises:
        AccountNotFound: the store has no record of the account.
        StoreUnavailable: the store cannot be read. RecordChanged: kojikey cannot have written a record.
    """
    refuse_unknown_account(open_store.store, account)
    disabled = open_store.is_disabled(account)
    return tuple(
        _requirement(account, provider, key_of(stored) if stored else None, wanted, is_disabled=disabled)
        for provider in wanted.providers
        for stored in (open_store.find_key(account, provider),)
    )


def check_all(
    open_store: OpenStore, wanted: Wanted, *, damaged: Callable[[RecordChanged], None]
) -> Iterator[Requirement]:
    """Yield the result of :func:`check` for each account in turn.

    A record that was changed outside kojikey is passed to ``damaged``, and the others are checked.

    Raises:
        NotFound: the store has no account. StoreUnavailable: the store cannot be read.
    """
    store = open_store.store
    accounts = {stored.ref.account: is_disabled(stored) for stored in store.accounts()}
    damage: set[Ref] = set()

    def note(ref: Ref, error: RecordChanged) -> None:
        damage.add(ref)
        damaged(error)

    query, count = Query(providers=tuple(wanted.providers)), 0
    for account, keys in _by_account(store, accounts, scan_keys(store, query, damaged=note)):
        held = {key.provider: key for key in keys}
        count += 1
        for provider in wanted.providers:
            if key_ref(account, provider) not in damage:
                is_off = accounts.get(account, False)
                yield _requirement(account, provider, held.get(provider), wanted, is_disabled=is_off)
    if not count and not damage:
        raise NotFound("there is no account in this store", hint=next_step("add", "PROVIDER", "--account", "NAME"))


def _by_account(store: Store, accounts: Iterable[str], keys: Iterator[Key]) -> Iterator[tuple[str, Iterable[Key]]]:
    """Yield each account with its keys: in the order of names, or in the store's own order if it is partitioned."""
    groups, left = groupby(keys, key=lambda key: key.account), deque(accounts)
    if store.partitioned:
        without = dict.fromkeys(left)
        for account, found in groups:
            without.pop(account, None)
            yield account, found
        left = deque(without)
    for account, found in groups:
        while left and left[0] < account:
            yield left.popleft(), ()
        if left and left[0] == account:
            left.popleft()
        yield account, found
    yield from ((account, ()) for account in left)


def _requirement(account: str, provider: str, key: Key | None, wanted: Wanted, *, is_disabled: bool) -> Requirement:
    if key is None:
        return Requirement(account, provider, (Problem.NO_KEY,), None)
    problems = [*([Problem.DISABLED] if is_disabled else []), *_problems(key, wanted.limits, wanted.moment)]
    return Requirement(account, provider, tuple(problems), key)


def _problems(key: Key, limits: Limits, now: datetime) -> list[Problem]:
    current = key.current
    problems: list[Problem] = []
    if current.last_test is not None and current.last_test.outcome in (Outcome.REJECTED, Outcome.LIMITED):
        problems.append(Problem(current.last_test.outcome))
    if current.expires_at is not None and parsed(current.expires_at) <= now:
        problems.append(Problem.EXPIRED)
    if limits.max_age is not None and now - parsed(current.created_at) > limits.max_age:
        problems.append(Problem.TOO_OLD)
    if limits.tested_within is not None:
        settled = last_settled(key)
        if settled is None:
            problems.append(Problem.NEVER_TESTED)
        elif now - parsed(settled) > limits.tested_within:
            problems.append(Problem.TESTED_TOO_LONG_AGO)
    return problems


def last_settled(key: Key) -> str | None:
    """Return when the last conclusive test of the value in use was made, None if there was none.

    After an indeterminate test that is the time of the last valid one: others are not kept.
    """
    test = key.current.last_test
    if test is None:
        return None
    return test.last_valid_at if test.outcome == Outcome.INDETERMINATE else test.tested_at


def has_staged(key: Key) -> bool:
    """Return whether a rotation of the key is under way."""
    return key.version(Stage.STAGED) is not None
