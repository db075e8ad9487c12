"""Reads keys from their documents in a store, seals new versions, and adds the outcome of a test to a version.

Must not: write to a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import structs

from kojikey.model.errors import KeyNotFound, RecordChanged
from kojikey.model.key import Key, Stage, TestRecord, Version
from kojikey.model.key_reading import read_keys
from kojikey.model.management_errors import MintUnfinished
from kojikey.model.masking import tail_of
from kojikey.model.ref import Ref
from kojikey.model.secret import Secret
from kojikey.model.timestamps import now
from kojikey.model.verdict import Verdict
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Query, Store, Stored, key_in


def key_of(stored: Stored) -> Key:
    """Return the key in a stored document.

    Raises:
        RecordChanged: kojikey cannot have written the document, or it is stored under another name than its own.
    """
    return own_key(stored, *read_keys((stored.text,)))


def own_key(stored: Stored, key: Key | None) -> Key:
    """Return what :func:`read_keys` read from a document, if it is the key of that place. Raises as :func:`key_of`."""
    if key is None:
        raise RecordChanged(str(stored.ref))
    if (key.account, key.provider) != (stored.ref.account, stored.ref.provider):
        raise RecordChanged(str(stored.ref), "is stored under another name than its own")
    return key


def scan_keys(store: Store, query: Query, *, damaged: Callable[[Ref, RecordChanged], None]) -> Iterator[Key]:
    """Yield the keys that a query selects, in the order of the store, a page at a time.

    The error of :func:`key_of` about a record that was changed outside kojikey is passed to ``damaged``; the other keys
    are still yielded.
    """
    for page in store.pages(query):
        keys = read_keys([row[2] for row in page])
        good = [
            key
            for key, row in zip(keys, page, strict=True)
            if key is not None and key.account == row[0] and key.provider == row[1]
        ]
        if len(good) == len(page):
            yield from good
            continue
        for row in page:
            stored = key_in(row, store.place)
            try:
                yield key_of(stored)
            except RecordChanged as error:
                damaged(stored.ref, error)


def stored_key(open_store: OpenStore, *, account: str, provider: str) -> Stored:
    """Return the document of an account's key at a provider.

    Raises:
        KeyNotFound: the account has no key there.
    """
    stored = open_store.find_key(account, provider)
    if stored is None:
        raise KeyNotFound(account, provider)
    return stored


def sealed_version(
    sealer: Sealer, secret: Secret, *, provider: str, number: int, stage: Stage, base_url: str, expires_at: str | None
) -> Version:
    """Return a new version, with its value sealed for this account, provider, version number and base URL."""
    return Version(
        number=number,
        stage=stage,
        sealed=sealer.seal(secret, provider=provider, version=number, base_url=base_url),
        tail=tail_of(secret.reveal()),
        fingerprint=sealer.fingerprint(secret),
        base_url=base_url,
        created_at=now(),
        promoted_at=None,
        expires_at=expires_at,
        last_test=None,
        pending=None,
    )


def tested(
    version: Version,
    verdict: Verdict | None,
    *,
    reported: bool = False,  # noqa: PT028 - this is no test
) -> Version:
    """Return the version with the outcome of its test; unchanged if ``verdict`` is None.

    An expiry that the provider reports is kept if none was given before. ``reported``: the verdict is about a request
    that a program made.
    """
    if verdict is None:
        return version
    expires_at = version.expires_at or verdict.expires_at
    record = TestRecord.after(verdict, version.last_test, reported=reported)
    return structs.replace(version, last_test=record, expires_at=expires_at)


def ensure_not_minting(key: Key) -> None:
    """Check that no key is being created at the provider.

    Raises:
        MintUnfinished: a key is being created there, or was created and is not in use yet.
    """
    if key.is_mint_unfinished:
        raise MintUnfinished(key.account, key.provider)
