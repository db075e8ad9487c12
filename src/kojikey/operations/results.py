"""What operations return: frozen, complete, free of plaintext, and the same for a table and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, field

from kojikey.model.allocation import source_without_key
from kojikey.model.errors import CannotOpen
from kojikey.model.key import Key, Stage, Version
from kojikey.model.minting import AtProvider
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed, stamp
from kojikey.model.verdict import Outcome, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.trail_end import TrailEnd

GRACE = timedelta(hours=24)
"""How long a previous key is kept at the provider, unless something else is said."""

Action = Literal["added", "rotated", "unchanged", "staged", "aborted", "rolled_back", "retired", "removed", "changed"]


class ProviderReport(Struct, frozen=True):
    """What a change did, or left, at the provider. ``revoke_after`` is when ``rotate --due`` retires the previous key.

    ``copied`` and ``not_copied`` are about what a new key took over from the old one.
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
        place: AtProvider | None,
        *,
        copied: tuple[str, ...] = (),
        not_copied: tuple[str, ...] = (),
        key: Key | None = None,
    ) -> ProviderReport:
        """Return the report about a version's place at the provider, and about the key as it is then."""
        previous = key.version(Stage.PREVIOUS) if key else None
        after = None
        if key is not None and key.rotated_at and previous is not None and previous.at_provider is not None:
            after = stamp(parsed(key.rotated_at) + GRACE)
        name, key_id, parent = (place.name, place.key_id, place.parent) if place else ("", "", "")
        return cls(key_id or None, parent or None, name or None, copied, not_copied, after)


class ChangeResult(Struct, frozen=True):
    """What ``add``, ``rotate`` or ``remove`` did (``action``), or that the outcome of the test forbade it (None).

    A rotation whose new key was rejected is ``aborted``; one that was left to be resumed is ``staged``.

    ``key`` is the key as it now is in the store (for a removal: as it was), None where nothing was ever saved.
    ``version`` is the version that was acted on. ``unsigned`` says that the audit event could not be signed,
    ``unrecorded`` that there could be none: the account's own record is damaged. ``settings`` names what ``set``
    changed.
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


class TestResult(Struct, frozen=True):
    """The test of one key. ``version`` is None for a key that was not saved.

    ``recorded`` is False where the outcome was not kept: an unsaved key, one that changed during its test, or one for
    which no request was made. ``unkept`` says why, where it was the store that did not take it. ``key`` is a saved
    key as it was read before its test.
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
    """How many keys a run tested, by outcome."""

    valid: int = 0
    limited: int = 0
    rejected: int = 0
    indeterminate: int = 0

    @property
    def tested(self) -> int:
        """All of them."""
        return self.valid + self.limited + self.rejected + self.indeterminate

    def by_outcome(self) -> dict[Outcome, int]:
        """Return how many keys have each outcome."""
        return {outcome: getattr(self, outcome.value) for outcome in Outcome}

    def as_document(self) -> Document:
        """Return the JSON form."""
        return {"tested": self.tested, **{outcome.value: count for outcome, count in self.by_outcome().items()}}


class ListRow(Struct, frozen=True):
    """An account's way in at a provider: its key, or (``key=None``) the built-in allocation where there is one.

    An account that is ``disabled`` keeps its key, and is served as one without it. ``moment`` is when the list was
    begun: the same for all of its rows, so that each agrees with the filters and the totals.
    """

    account: str
    provider: str
    key: Key | None
    disabled: bool
    moment: datetime

    @property
    def source(self) -> Literal["byok", "built_in", "none"]:
        """Where what is used at the provider comes from."""
        return "byok" if self.key is not None and not self.disabled else source_without_key(self.provider)

    @property
    def is_due(self) -> bool:
        """Whether there is a key and it is due for rotation, as ``rotate --due`` counts."""
        return self.key is not None and self.key.rotation_due(self.moment, is_disabled=self.disabled)


class HistoryResult(Struct, frozen=True):
    """A key's versions, newest first."""

    key: Key
    versions: tuple[Version, ...]


class AuditResult(Struct, frozen=True):
    """Events of one or of all accounts, in order; ``unsigned`` counts those made without the KEK, ``lost`` those
    that cannot be recomputed, because their account was removed and its data key shredded.

    ``verified`` names the accounts that are as kojikey left them, ``last_events`` the number of the last event of each,
    ``broken`` the others with what is wrong of each
    (``""`` for what is of no account). ``unreadable`` has an error for each event that is not one any more.

    ``rolled_back`` names those of the broken ones that lack an event which was verified here before, with the end of
    the trail that they have now; ``accepted`` those whose rollback a person accepted.
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
        """The accounts with which nothing is wrong but that they were rolled back."""
        return tuple(account for account in self.rolled_back if len(self.broken[account]) == 1)


class AccountRow(Struct, frozen=True):
    """An account of a store, and how many keys it has."""

    account: str
    keys: int
    disabled: bool
    created_at: str


class StoreInfo(Struct, frozen=True):
    """What and where a store is, and who can open it."""

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
    unlocked_until: str | None = None  # while `kojikey unlock` keeps its KEK
    keyring: str | None = None  # and which keyring has it: session or user
    details: tuple[tuple[str, str], ...] = ()


class RekeyResult(Struct, frozen=True):
    """What a re-keying did: how many accounts it wrapped anew, and how many it found done.

    ``is_same_kek`` tells that the store had this very KEK already, and ``is_same_place`` that it even had it from
    there: then nothing was changed.
    """

    rewrapped: int
    already: int
    kek: str
    resumed: bool
    is_same_kek: bool = False
    is_same_place: bool = False
