"""Lists the keys, and the providers for which an account has none. Opens nothing, needs no KEK."""

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
    """Yield a row for each of the providers, in their order, and for keys at any other provider after them.

    ``providers`` are those asked for, or those that are shown without a key, too; a key at a provider whose definition
    is gone is still listed. One that was changed outside kojikey is reported to ``damaged`` and hides no other.
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
    disabled = _is_disabled(store, account)
    for provider in providers:
        if provider in unlisted:
            continue
        yield ListRow(account, provider, keys.pop(provider, None), disabled, moment)
    for provider, key in keys.items():
        yield ListRow(account, provider, key, disabled, moment)


def list_all_keys(
    store: Store, *, providers: Sequence[str] = (), damaged: Callable[[RecordChanged], None]
) -> Iterator[ListRow]:
    """Yield the keys of every account, in order of account and provider, without holding them all.

    One that was changed outside kojikey is reported to ``damaged`` and hides no other.
    """
    moment = parsed(now())
    # One more pass over the store, where asking for each account would be a request for each. Few are disabled.
    disabled = {stored.ref.account for stored in store.accounts() if is_disabled(stored)}
    query = Query(providers=tuple(providers))
    for key in scan_keys(store, query, damaged=lambda _, error: damaged(error)):
        yield ListRow(key.account, key.provider, key, key.account in disabled, moment)


def _is_disabled(store: Store, account: str) -> bool:
    stored = store.read(account_ref(account))
    return stored is not None and is_disabled(stored)


def is_disabled(account: Stored) -> bool:
    """Return whether an account's document says that its own keys are disabled."""
    text = account.text
    # Few are. A text without the word, and without an escape that could spell it, need not be parsed to tell.
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
