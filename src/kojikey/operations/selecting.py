"""Which saved keys a run of tests takes, counted before it begins, and that it takes none by mistake.

A renamed secret of a CI service or a mistyped account must not make a job green that tested nothing.
Must not: open a key, or need the KEK.
"""

from __future__ import annotations

from dataclasses import dataclass

from kojikey.model.errors import AccountNotFound, Effect, KeyNotFound, NotFound
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import account_ref
from kojikey.stores.base import Query, Store


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys that a query takes. ``left_out`` counts those that its shard or its moment alone leave out.

    ``left_out`` is None where counting them would read all of a store of which this run reads a part.
    ``missing`` are named providers at which the account has no key, while it has one at another that was named.
    """

    counts: dict[str, int]
    left_out: int | None = 0
    missing: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many keys are taken."""
        return sum(self.counts.values())


def select(store: Store, query: Query, *, allow_empty: bool = False) -> Selection:
    """Count the keys that a query takes, by provider, without holding them.

    With ``allow_empty`` it may be that there is no key at all; an account that is not there is an error all the same.

    Raises:
        AccountNotFound: the store has nothing of the account. NotFound: it has no key that the query could take.
    """
    counts = store.counts(query)
    if query.shard is None and query.not_tested_since is None:
        every, left_out = counts, 0
    elif counts and store.partitioned:
        return Selection(counts, None)
    else:
        every = store.counts(query._replace(shard=None, not_tested_since=None))
        left_out = max(0, sum(every.values()) - sum(counts.values()))
    if not every:
        if query.account is not None:
            refuse_unknown_account(store, query.account)
        if not allow_empty:
            raise _nothing(query)
    named = query.providers if query.account is not None and every else ()
    return Selection(counts, left_out, tuple(provider for provider in named if provider not in every))


def refuse_unknown_account(store: Store, account: str) -> None:
    """Check that a store has something of an account: its document, or (where somebody took that away) a key.

    Raises:
        AccountNotFound: it has nothing.
    """
    if store.read(account_ref(account)) is None and next(store.scan(Query(account=account)), None) is None:
        raise AccountNotFound(account)


def _nothing(query: Query) -> NotFound:
    if query.account is not None and len(query.providers) == 1:
        return KeyNotFound(query.account, query.providers[0])
    kind = f"{' or '.join(query.providers)} key" if query.providers else "key"
    place = "in this store" if query.account is None else f"for account {query.account}"
    add = next_step("add", query.providers[0] if query.providers else "PROVIDER")
    return NotFound(
        f"no {kind} {place}", hint=Hint(add, ", or --allow-empty where there may be none"), effect=Effect.NOTHING_TESTED
    )
