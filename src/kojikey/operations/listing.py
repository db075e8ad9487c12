"""Lists keys, and the providers at which an account has none. Opens no key, needs no KEK."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kojikey.model.errors import KeyNotFound, RecordChanged
from kojikey.model.key import Key
from kojikey.model.ref import account_ref, key_ref
from kojikey.model.timestamps import now, parsed
from kojikey.operations.key_records import key_of, scan_keys
from kojikey.operations.results import HistoryResult, ListRow
from kojikey.stores.base import Query, Store, Stored


def list_keys(
    store: Store, *, account: str, providers: Sequence[str], damaged: Callable[[RecordChanged], None]
) -> Iterator[ListRow]:
    """Yield a row for each of the providers, in their order, with a key or without; then the account's other keys.

    A key at a provider without a definition is listed too. The error about a key that was changed outside kojikey is
    passed to ``damaged``, and the others are listed.
    """
    moment = parsed(now())
    keys: dict[str, Key] = {}
    unlisted: set[str] = set()
    for stored in store.scan(Query(account=account)):
        try:
            keys[stored.ref.provider] = key_of(stored)
        except RecordChanged as error:
            unlisted.add(str(stored.ref.provider))
            damaged(error)
    is_off = account in disabled_accounts(store, account)
    for provider in providers:
        if provider in unlisted:
            continue
        yield ListRow(account, provider, keys.pop(provider, None), is_off, moment)
    for provider, key in keys.items():
        yield ListRow(account, provider, key, is_off, moment)


def list_all_keys(
    store: Store, *, providers: Sequence[str] = (), damaged: Callable[[RecordChanged], None]
) -> Iterator[ListRow]:
    """Yield the keys of every account, in order of account and provider, a page at a time.

    The error about a key that was changed outside kojikey is passed to ``damaged``, and the others are listed.
    """
    moment = parsed(now())
    disabled = disabled_accounts(store)
    query = Query(providers=tuple(providers))
    for key in scan_keys(store, query, damaged=lambda _, error: damaged(error)):
        yield ListRow(key.account, key.provider, key, key.account in disabled, moment)


def disabled_accounts(store: Store, account: str | None = None) -> frozenset[str]:
    """Return the disabled accounts of a store, or only the given account where it is disabled.

    For a whole store this is one pass over the accounts: a request for each account would take far longer.
    """
    if account is not None:
        stored = store.read(account_ref(account))
        return frozenset((account,) if stored is not None and is_disabled(stored) else ())
    return frozenset(stored.ref.account for stored in store.accounts() if is_disabled(stored))


def is_disabled(account: Stored) -> bool:
    """Return whether an account's document says that its own keys are disabled."""
    text = account.text
    # Few accounts are disabled. A text without this word, and without an escape that could spell it, is not parsed.
    if isinstance(text, str) and '"disabled"' not in text and "\\" not in text:
        return False
    return account.document.get("disabled") is True


def history(store: Store, *, account: str, provider: str) -> HistoryResult:
    """Return a key's versions, newest first.

    Raises:
        KeyNotFound: the account has no key there.
    """
    stored = store.read(key_ref(account, provider))
    if stored is None:
        raise KeyNotFound(account, provider)
    key = key_of(stored)
    return HistoryResult(key, tuple(sorted(key.versions, key=lambda version: -version.number)))
