"""A key and its document: reading one from the other, sealing a new version, and keeping what its test found.

Owns: what a document must have to be a key. Must not: write to a store.
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
    """Return the key of a stored document.

    Raises:
        RecordChanged: the document is not one of ours, or is stored under another name than its own.
    """
    (key,) = read_keys((stored.text,))
    if key is None:
        raise RecordChanged(str(stored.ref))
    if (key.account, key.provider) != (stored.ref.account, stored.ref.provider):
        raise RecordChanged(str(stored.ref), "is stored under another name than its own")
    return key


def scan_keys(store: Store, query: Query, *, damaged: Callable[[Ref, RecordChanged], None]) -> Iterator[Key]:
    """Yield the keys that a query takes, in the order of the store, without holding them all.

    One whose record was changed outside kojikey is reported to ``damaged``, as by :func:`key_of`, and hides no other.
    """
    for page in store.pages(query):
        keys = [key for key in read_keys([row[2] for row in page]) if key is not None]
        accounts, providers = [key.account for key in keys], [key.provider for key in keys]
        if accounts == [row[0] for row in page] and providers == [row[1] for row in page]:
            yield from keys
            continue
        for row in page:
            stored = key_in(row, store.place)
            try:
                yield key_of(stored)
            except RecordChanged as error:
                damaged(stored.ref, error)


def stored_key(open_store: OpenStore, *, account: str, provider: str) -> Stored:
    """Return the key's document, as a rotation begins from it.

    Raises:
        KeyNotFound: the account has no key there.
    """
    stored = open_store.held(account, provider)
    if stored is None:
        raise KeyNotFound(account, provider)
    return stored


def sealed_version(
    sealer: Sealer, secret: Secret, *, provider: str, number: int, stage: Stage, base_url: str, expires_at: str | None
) -> Version:
    """Return a new version with its value sealed to its place."""
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
    """Return the version with the outcome of its test, unchanged where there was none.

    When it expires is kept where the key itself tells it and nobody said. ``reported``: it was a program's request.
    """
    if verdict is None:
        return version
    expires_at = version.expires_at or verdict.expires_at
    record = TestRecord.after(verdict, version.last_test, reported=reported)
    return structs.replace(version, last_test=record, expires_at=expires_at)


def ensure_not_minting(key: Key) -> None:
    """Check that no key is being created at the provider.

    Raises:
        MintUnfinished: one is, or was made and is not in use yet.
    """
    if key.is_mint_unfinished:
        raise MintUnfinished(key.account, key.provider)
