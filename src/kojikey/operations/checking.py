"""Whether an account has the keys that a job needs, as far as the store knows. Asks nobody, opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kojikey.model.errors import NotFound, RecordChanged
from kojikey.model.key import Key, Stage
from kojikey.model.next_step import next_step
from kojikey.model.ref import key_ref
from kojikey.model.timestamps import parsed
from kojikey.model.verdict import Outcome
from kojikey.operations.key_records import key_of
from kojikey.operations.listing import is_disabled
from kojikey.operations.open_store import OpenStore
from kojikey.operations.selecting import refuse_unknown_account
from kojikey.stores.base import Query, Stored


class Problem(StrEnum):
    """What is wrong with a required key."""

    NO_KEY = "no_key"
    DISABLED = "disabled"  # the account is disabled: its own keys are not used
    REJECTED = "rejected"
    LIMITED = "limited"
    EXPIRED = "expired"
    TOO_OLD = "too_old"
    NEVER_TESTED = "never_tested"
    TESTED_TOO_LONG_AGO = "tested_too_long_ago"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a key must fulfil beside being there. None: nothing."""

    max_age: timedelta | None = None
    tested_within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """A required key, and what is wrong with it. ``key`` is None where there is none."""

    account: str
    provider: str
    problems: tuple[Problem, ...]
    key: Key | None

    @property
    def is_met(self) -> bool:
        """Whether nothing is wrong with the key."""
        return not self.problems


def check(
    open_store: OpenStore, *, account: str, providers: Sequence[str], policy: Policy, now: datetime
) -> tuple[Requirement, ...]:
    """Return for each of the providers the account's key there, with what is wrong with it.

    Raises:
        AccountNotFound: the store has nothing of the account.
        StoreUnavailable: the store cannot be read. RecordChanged: a record is not one of ours.
    """
    refuse_unknown_account(open_store.store, account)
    disabled = open_store.is_disabled(account)
    return tuple(
        _requirement(account, p, open_store.held(account, p), policy, now, is_disabled=disabled) for p in providers
    )


def check_all(
    open_store: OpenStore,
    *,
    providers: Sequence[str],
    policy: Policy,
    now: datetime,
    damaged: Callable[[RecordChanged], None],
) -> Iterator[Requirement]:
    """Yield for each account and provider what :func:`check` returns, in the order of the accounts.

    A record that was changed from outside is reported to ``damaged``, and hides no other.

    Raises:
        NotFound: the store has no account. StoreUnavailable: the store cannot be read.
    """
    store = open_store.store
    stored_keys = {stored.ref: stored for stored in store.scan(Query(providers=tuple(providers)))}
    disabled = {stored.ref.account: is_disabled(stored) for stored in store.accounts()}
    accounts = sorted({*disabled, *(ref.account for ref in stored_keys)})
    if not accounts:
        raise NotFound("there is no account in this store", hint=next_step("add", "PROVIDER", "--account", "NAME"))
    for account in accounts:
        for provider in providers:
            stored = stored_keys.get(key_ref(account, provider))
            try:
                yield _requirement(account, provider, stored, policy, now, is_disabled=disabled.get(account, False))
            except RecordChanged as error:
                damaged(error)


def _requirement(
    account: str, provider: str, stored: Stored | None, policy: Policy, now: datetime, *, is_disabled: bool
) -> Requirement:
    if stored is None:
        return Requirement(account, provider, (Problem.NO_KEY,), None)
    key = key_of(stored)
    problems = [*([Problem.DISABLED] if is_disabled else []), *_problems(key, policy, now)]
    return Requirement(account, provider, tuple(problems), key)


def _problems(key: Key, policy: Policy, now: datetime) -> list[Problem]:
    current = key.current
    problems: list[Problem] = []
    if current.last_test is not None and current.last_test.outcome in (Outcome.REJECTED, Outcome.LIMITED):
        problems.append(Problem(current.last_test.outcome))
    if current.expires_at is not None and parsed(current.expires_at) <= now:
        problems.append(Problem.EXPIRED)
    if policy.max_age is not None and now - parsed(current.created_at) > policy.max_age:
        problems.append(Problem.TOO_OLD)
    if policy.tested_within is not None:
        settled = last_settled(key)
        if settled is None:
            problems.append(Problem.NEVER_TESTED)
        elif now - parsed(settled) > policy.tested_within:
            problems.append(Problem.TESTED_TOO_LONG_AGO)
    return problems


def last_settled(key: Key) -> str | None:
    """Return when a test of the value in use last settled something: one that learned nothing does not count."""
    test = key.current.last_test
    if test is None:
        return None
    return test.last_valid_at if test.outcome == Outcome.INDETERMINATE else test.tested_at


def has_staged(key: Key) -> bool:
    """Tell whether a rotation of the key is under way."""
    return key.version(Stage.STAGED) is not None
