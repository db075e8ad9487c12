"""Adding an account's first key at a provider: test, then save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kojikey.model.errors import ChangedMeanwhile, KeyExists
from kojikey.model.key import Key, Stage
from kojikey.model.masking import tail_of
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations.key_records import key_of, sealed_version, tested
from kojikey.operations.key_settings import ROTATE_AFTER_DAYS, KeySettings
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Target, accepted
from kojikey.operations.results import ChangeResult
from kojikey.operations.store_calls import StoreCalls, in_place
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change


class Destination:
    """The store in which new keys are saved; with ``create`` one that is created when the first key is saved.

    So a key that is refused leaves no store behind.
    """

    def __init__(self, open_store: OpenStore, create: Callable[[], OpenStore] | None = None) -> None:
        self.open_store, self._create = open_store, create

    def created(self) -> OpenStore:
        """Return the store, after creating it if that was not done yet."""
        if self._create is not None:
            self.open_store, self._create = self._create(), None
        return self.open_store


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to add; ``target`` has its base URL, models and capabilities, with the provider's defaults filled in."""

    account: str
    target: Target
    secret: Secret
    settings: KeySettings


def ensure_absent(open_store: OpenStore, *, account: str, provider: str) -> None:
    """Check that the account has no key at the provider yet, before anybody is asked for one.

    Raises:
        KeyExists: it has one.
    """
    if open_store.find_key(account, provider) is not None:
        raise KeyExists(account, provider)


def already_held(open_store: OpenStore, *, account: str, provider: str, secret: Secret) -> ChangeResult | None:
    """Return the result ``unchanged`` if the account has this very key already, None if it has no key there.

    Raises:
        KeyExists: it has another key. CannotOpen: the keys cannot be compared.
    """
    stored = open_store.find_key(account, provider)
    if stored is None:
        return None
    key = key_of(stored)
    if open_store.sealer(account).fingerprint(secret) != key.current.fingerprint:
        raise KeyExists(account, provider)
    return ChangeResult(account, provider, "unchanged", key.current.tail, key.current.number, key=key)


async def add_or_keep(
    destination: Destination,
    new: NewKey,
    *,
    test: Probe | None,
    approve: Approve,
    in_store: StoreCalls = in_place,
) -> ChangeResult:
    """Add a key, or return the result ``unchanged`` if the account has it, also from another process meanwhile.

    Raises:
        KeyExists: the account has another key. Otherwise as :func:`add`.
    """

    def held() -> ChangeResult | None:
        return already_held(
            destination.open_store, account=new.account, provider=new.target.provider, secret=new.secret
        )

    try:
        return await add(destination, new, test=test, approve=approve, in_store=in_store)
    except KeyExists:
        found = await in_store(held)
        if found is None:
            raise
        return found


async def add(
    destination: Destination,
    new: NewKey,
    *,
    test: Probe | None,
    approve: Approve,
    in_store: StoreCalls = in_place,
) -> ChangeResult:
    """Test a key and save it as version 1 if the outcome allows that; ``test=None`` saves it untested.

    Raises:
        KeyExists: there is a key already, or somebody else added one meanwhile; nothing was changed.
        ChangedMeanwhile: too many others changed the account at the same time; nothing was changed.
        StoreUnavailable, CannotOpen: the key cannot be sealed or saved; nothing was changed.
    """
    account, provider = new.account, new.target.provider
    await in_store(lambda: ensure_absent(destination.open_store, account=account, provider=provider))
    verdict = await test(new.secret, new.target) if test else None
    if not accepted(verdict, approve):
        return ChangeResult(account, provider, None, tail_of(new.secret.reveal()), None, verdict=verdict)
    return await in_store(lambda: _save(destination.created(), new, verdict))


def _save(open_store: OpenStore, new: NewKey, verdict: Verdict | None) -> ChangeResult:
    account, provider = new.account, new.target.provider
    saved: list[Key] = []

    def plan(sealer: Sealer) -> Plan:
        key = _sealed_key(new, sealer, verdict)
        saved[:] = [key]
        change = Change(key_ref(account, provider), key.as_document(), None)
        return Plan((change,), (event_draft("added", provider, key.current, verdict),))

    ledger = Ledger(open_store)
    try:
        ledger.record(account, plan)
    except ChangedMeanwhile as lost:
        if lost.ref != key_ref(account, provider):
            raise
        raise KeyExists(account, provider) from None
    return ChangeResult(
        account, provider, "added", tail_of(new.secret.reveal()), 1, key=saved[0], verdict=verdict,
        is_new_account=ledger.has_created_account,
    )  # fmt: skip


def _sealed_key(new: NewKey, sealer: Sealer, verdict: Verdict | None) -> Key:
    target, settings = new.target, new.settings
    version = sealed_version(
        sealer, new.secret, provider=target.provider, number=1, stage=Stage.CURRENT,
        base_url=target.base_url, expires_at=settings.expires_at,
    )  # fmt: skip
    days = ROTATE_AFTER_DAYS if settings.rotate_after_days is None else settings.rotate_after_days
    return Key(
        account=new.account,
        provider=target.provider,
        versions=(tested(version, verdict),),
        next_version=2,
        created_at=version.created_at,
        label=settings.label,
        models=target.models,
        capabilities=target.capabilities,
        rotate_after_days=days or None,
        rotated_at=None,
    )
