"""Whether an account has the keys that a job needs, as far as the store knows. Asks nobody, opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kojikey.model.key import Key, Stage
from kojikey.model.moment import parsed
from kojikey.model.ref import key_ref
from kojikey.model.verdict import Outcome
from kojikey.operations.custody import Custody
from kojikey.operations.listing import key_of


class Lack(StrEnum):
    """Why a required key does not do."""

    NO_KEY = "no_key"
    DISABLED = "disabled"  # the account's own keys are set aside
    REJECTED = "rejected"
    LIMITED = "limited"
    EXPIRED = "expired"
    TOO_OLD = "too_old"
    NEVER_TESTED = "never_tested"
    TESTED_TOO_LONG_AGO = "tested_too_long_ago"


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of a key beside being there. None: nothing."""

    max_age: timedelta | None = None
    tested_within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """A required key; ``lacks`` is empty where it does. ``key`` is None where there is none."""

    account: str
    provider: str
    lacks: tuple[Lack, ...]
    key: Key | None

    @property
    def is_met(self) -> bool:
        """Whether the key does."""
        return not self.lacks


def require(
    custody: Custody, *, account: str, providers: Sequence[str], demands: Demands, now: datetime
) -> tuple[Requirement, ...]:
    """Return for each of the providers whether the account has a key there that does.

    Raises:
        StoreUnavailable: the store can not be read. RecordChanged: a record is not one of ours.
    """
    is_disabled = custody.is_disabled(account)
    return tuple(_requirement(custody, account, p, demands, now, is_disabled=is_disabled) for p in providers)


def _requirement(
    custody: Custody, account: str, provider: str, demands: Demands, now: datetime, *, is_disabled: bool
) -> Requirement:
    stored = custody.store.read(key_ref(account, provider))
    if stored is None:
        return Requirement(account, provider, (Lack.NO_KEY,), None)
    key = key_of(stored)
    lacks = [*([Lack.DISABLED] if is_disabled else []), *_lacks(key, demands, now)]
    return Requirement(account, provider, tuple(lacks), key)


def _lacks(key: Key, demands: Demands, now: datetime) -> list[Lack]:
    current = key.current
    lacks: list[Lack] = []
    if current.last_test is not None and current.last_test.outcome in (Outcome.REJECTED, Outcome.LIMITED):
        lacks.append(Lack(current.last_test.outcome))
    if current.expires_at is not None and parsed(current.expires_at) <= now:
        lacks.append(Lack.EXPIRED)
    if demands.max_age is not None and now - parsed(current.created_at) > demands.max_age:
        lacks.append(Lack.TOO_OLD)
    if demands.tested_within is not None:
        settled = last_settled(key)
        if settled is None:
            lacks.append(Lack.NEVER_TESTED)
        elif now - parsed(settled) > demands.tested_within:
            lacks.append(Lack.TESTED_TOO_LONG_AGO)
    return lacks


def last_settled(key: Key) -> str | None:
    """Return when a test of the value in use last settled something: one that learned nothing does not count."""
    test = key.current.last_test
    if test is None:
        return None
    return test.last_valid_at if test.outcome == Outcome.INDETERMINATE else test.tested_at


def has_staged(key: Key) -> bool:
    """Tell whether a rotation of the key is under way."""
    return key.version(Stage.STAGED) is not None
