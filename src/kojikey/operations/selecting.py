"""Selects the saved keys for a run of tests, and refuses a selection that is empty by mistake.

A CI job that tests nothing, because a secret was renamed or an account is misspelt, must not be green.
Must not: open a key, or need the KEK.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from kojikey.model.errors import AccountNotFound, Effect, KeyNotFound, NotFound
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import account_ref
from kojikey.stores.base import Query, Store, Stored


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected keys. They can be read once from ``sources``: one for each provider, or one for all.

    ``total`` is the number of keys; at least that many if not ``is_counted``. ``left_out`` is the number of keys that
    only the query's shard or ``not_tested_since`` excludes; None if counting them would take a scan of the whole store.
    ``missing`` are the named providers at which the account has no key, if it has one at another named provider.
    """

    sources: tuple[Iterator[Stored], ...]
    total: int
    is_counted: bool = True
    left_out: int | None = 0
    missing: tuple[str, ...] = ()


def select(store: Store, query: Query, *, ahead: int, allow_empty: bool = False) -> Selection:
    """Return the keys of a query, without reading them all into memory.

    They are counted if the engine can count. If counting would take a scan, the first ``ahead`` keys are read instead,
    from the only scan that the run makes. With ``allow_empty`` there may be no key at all, but the account must exist.

    Raises:
        AccountNotFound: the store has no record of the account. NotFound, KeyNotFound: there is no key.
    """
    selection, providers = _read_ahead(store, query, ahead) if store.partitioned else _counted(store, query)
    if query.shard is None and query.not_tested_since is None:
        every, left_out = providers, 0
    elif selection.total and store.partitioned:
        return replace(selection, left_out=None)
    else:
        counts = store.counts(query._replace(shard=None, not_tested_since=None))
        every, left_out = frozenset(counts), max(0, sum(counts.values()) - selection.total)
    if not every:
        if query.account is not None:
            refuse_unknown_account(store, query.account)
        if not allow_empty:
            raise _nothing(query)
    named = query.providers if query.account is not None and every else ()
    missing = tuple(provider for provider in named if provider not in every)
    return replace(selection, left_out=left_out, missing=missing)


def _counted(store: Store, query: Query) -> tuple[Selection, frozenset[str]]:
    counts = store.counts(query)
    sources = (store.scan(query._replace(providers=(provider,))) for provider in sorted(counts))
    return Selection(tuple(sources), sum(counts.values())), frozenset(counts)


def _read_ahead(store: Store, query: Query, most: int) -> tuple[Selection, frozenset[str]]:
    keys = store.scan(query)
    first = list(islice(keys, most))
    selection = Selection((chain(first, keys),) if first else (), len(first), is_counted=len(first) < most)
    return selection, frozenset(stored.ref.provider for stored in first)


def refuse_unknown_account(store: Store, account: str) -> None:
    """Check that a store has an account: its document, or a key if the document was removed outside kojikey.

    Raises:
        AccountNotFound: it has neither.
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
        f"no {kind} {place}", hint=Hint(add, ", or give --allow-empty if that is right"), effect=Effect.NOTHING_TESTED
    )
