"""The results of operations: frozen, complete, without plaintext, and the same for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, field

from kojikey.model.allocation import source_without_key
from kojikey.model.errors import CannotOpen
from kojikey.model.key import Key, Stage, Version
from kojikey.model.minting import RemoteId
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed, stamp
from kojikey.model.verdict import Outcome, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.trail_end import TrailEnd

GRACE = timedelta(hours=24)
"""By default a previous key is kept at the provider for this time."""

Action = Literal["added", "rotated", "unchanged", "staged", "aborted", "rolled_back", "retired", "removed", "changed"]


class ProviderReport(Struct, frozen=True):
    """A version's key at the provider after a change.

    ``copied`` and ``not_copied`` name the settings that a new key took over, and did not, from the old one. ``rotate
    --due`` retires the previous key from ``revoke_after`` on.
    """

    key_id: str | None = None
    parent: str | None = None
    name: str | None = None
    copied: tuple[str, ...] = ()
    not_copied: tuple[str, ...] = ()
    revoke_after: str | None = None

    @classmethod
    def of(
        cls,
        remote_id: RemoteId | None,
        *,
        copied: tuple[str, ...] = (),
        not_copied: tuple[str, ...] = (),
        key: Key | None = None,
    ) -> ProviderReport:
        """Return the report about a version's key at the provider; ``key`` is the whole key after the change."""
        previous = key.version(Stage.PREVIOUS) if key else None
        after = None
        if key is not None and key.rotated_at and previous is not None and previous.at_provider is not None:
            after = stamp(parsed(key.rotated_at) + GRACE)
        name, key_id, parent = (remote_id.name, remote_id.key_id, remote_id.parent) if remote_id else ("", "", "")
        return cls(key_id or None, parent or None, name or None, copied, not_copied, after)


class ChangeResult(Struct, frozen=True):
    """The result of a change of one key. ``action`` is None if the outcome of its test forbade the change.

    A rotation whose new key was rejected is ``aborted``; one that can be resumed is ``staged``.

    ``version`` is the number of the version that was changed. ``key`` is the key as it is now in the store (for a
    removal: as it was), None if nothing was saved. ``unsigned``: the audit event is not signed, because the KEK was not
    available. ``unrecorded``: there is no event, because the account's own record is damaged. ``settings`` names the
    settings that ``set`` changed. ``is_new_account``: the account did not exist before.
    """

    account: str
    provider: str
    action: Action | None
    tail: str
    version: int | None
    key: Key | None = None
    verdict: Verdict | None = None
    unsigned: bool = False
    unrecorded: bool = False
    settings: tuple[str, ...] = ()
    at_provider: ProviderReport | None = None
    is_new_account: bool = False

    @property
    def is_unknown_mint(self) -> bool:
        """Whether a key that was created at the provider is staged and refused: it may not be known everywhere yet."""
        is_refused = self.verdict is not None and self.verdict.outcome is Outcome.REJECTED
        return self.action == "staged" and is_refused and self.key is not None and self.key.is_mint_unfinished


class TestResult(Struct, frozen=True):
    """The test of one key. ``version`` is None for a key that is not saved.

    ``recorded`` is False if the outcome was not saved: the key is not saved, was changed during its test, or no request
    was made. ``unkept`` says why, if the store did not accept the outcome. ``key`` is a saved key as it was before its
    test.
    """

    __test__ = False

    account: str
    provider: str
    tail: str
    version: int | None
    verdict: Verdict
    recorded: bool = True
    key: Key | None = None
    unkept: str = ""


class Summary(Struct, frozen=True):
    """The number of tested keys with each outcome."""

    valid: int = 0
    limited: int = 0
    rejected: int = 0
    indeterminate: int = 0

    @property
    def tested(self) -> int:
        """The number of all tested keys."""
        return self.valid + self.limited + self.rejected + self.indeterminate

    def by_outcome(self) -> dict[Outcome, int]:
        """Return the number of keys with each outcome."""
        return {outcome: getattr(self, outcome.value) for outcome in Outcome}

    def as_document(self) -> Document:
        """Return the JSON form."""
        return {"tested": self.tested, **{outcome.value: count for outcome, count in self.by_outcome().items()}}


class ListRow(Struct, frozen=True):
    """An account at a provider: with its own key, or (``key=None``) with the built-in allocation or nothing.

    ``disabled``: the account has the key, and it is not used. ``moment`` is the time at which the list was begun, the
    same for all of its rows, so that ages and due rotations agree with the filters and the totals.
    """

    account: str
    provider: str
    key: Key | None
    disabled: bool
    moment: datetime

    @property
    def source(self) -> Literal["byok", "built_in", "none"]:
        """The source of the credential that the account uses at the provider."""
        return "byok" if self.key is not None and not self.disabled else source_without_key(self.provider)

    @property
    def is_due(self) -> bool:
        """Whether there is a key and it is due for rotation, by the rules of ``rotate --due``."""
        return self.key is not None and self.key.rotation_due(self.moment, is_disabled=self.disabled)


class HistoryResult(Struct, frozen=True):
    """A key's versions, newest first."""

    key: Key
    versions: tuple[Version, ...]


class AuditResult(Struct, frozen=True):
    """Events of one account or of all accounts, in order, or the result of their verification.

    ``unsigned`` counts the events made without the KEK; ``lost`` those that cannot be recomputed, because their account
    was removed together with its data key. ``unreadable`` has an error for each event that kojikey cannot have written.

    ``verified`` names the accounts in which nothing was changed outside kojikey, and ``last_events`` has the number of
    the last event of each. ``broken`` has the errors of each other account, under ``""`` those about no account.
    ``rolled_back`` names the broken accounts that lack an event which was verified on this machine before, with the
    present end of their trail; ``accepted`` names those whose rollback a person accepted.
    """

    events: tuple[Document, ...]
    verified: tuple[str, ...] = ()
    unsigned: int = 0
    lost: int = 0
    last_events: Mapping[str, int] = field(default_factory=dict)
    broken: Mapping[str, tuple[CannotOpen, ...]] = field(default_factory=dict)
    unreadable: tuple[CannotOpen, ...] = ()
    rolled_back: Mapping[str, TrailEnd | None] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    @property
    def acceptable(self) -> tuple[str, ...]:
        """The accounts that were rolled back and have no other error."""
        return tuple(account for account in self.rolled_back if len(self.broken[account]) == 1)


class AccountRow(Struct, frozen=True):
    """An account of a store, and the number of its keys."""

    account: str
    keys: int
    disabled: bool
    created_at: str


class StoreInfo(Struct, frozen=True):
    """A description of a store: its engine, place, KEK, and counts."""

    engine: str
    place: str
    store_id: str
    format: int
    created_at: str
    kek: str
    kek_source: str
    accounts: int
    keys: int
    events: int
    rekey_under_way: bool
    damaged: int  # accounts whose documents cannot be read
    unlocked_until: str | None = None  # None unless `kojikey unlock` keeps its KEK
    keyring: str | None = None  # the keyring that has the KEK then: session or user
    details: tuple[tuple[str, str], ...] = ()


class RekeyResult(Struct, frozen=True):
    """The result of a re-keying: the number of accounts that it wrapped again, and of those that had the KEK already.

    ``is_same_kek``: the store had this KEK already. ``is_same_place``: from the same source, so nothing was changed.
    """

    rewrapped: int
    already: int
    kek: str
    resumed: bool
    is_same_kek: bool = False
    is_same_place: bool = False
