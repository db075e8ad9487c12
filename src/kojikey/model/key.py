"""A key with its versions, and the document in which a store keeps it.

A document never has plaintext: each version is a sealed record, with displayable members beside it.

Owns: the members of a document and their types. Must not: read a document or check its texts (``key_reading.py`` does).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from kojikey.model.masking import VISIBLE
from kojikey.model.minting import MintIntent, RemoteId
from kojikey.model.ref import Document
from kojikey.model.timestamps import LONGEST, parsed
from kojikey.model.verdict import Outcome, Verdict

EXPIRING = timedelta(days=14)
"""By default a key is due for rotation from this time before it expires."""

Count = Annotated[int, Meta(ge=0)]
Days = Annotated[int, Meta(ge=0, le=LONGEST.days)]


class Stage(StrEnum):
    """The role that a version has in its key."""

    STAGED = "staged"  # saved, not yet trusted
    CURRENT = "current"  # in use
    PREVIOUS = "previous"  # kept for undo


class TestRecord(Struct, frozen=True, gc=False):
    """The last test of a version. A failure of the network or of the provider does not change ``last_valid_at``."""

    __test__ = False  # pytest would take it for a test class

    outcome: str
    reason: str
    tested_at: str
    last_valid_at: str | None
    reported: bool = False
    """Whether this was not a test but an answer that a program received (``Client.report``)."""

    @classmethod
    def after(cls, verdict: Verdict, before: TestRecord | None, *, reported: bool = False) -> TestRecord:
        """Return the record to keep after a test, given the one kept before it."""
        valid_at = verdict.tested_at if verdict.outcome is Outcome.VALID else before.last_valid_at if before else None
        return cls(verdict.outcome.value, verdict.reason.value, verdict.tested_at, valid_at, reported)

    def as_document(self) -> Document:
        """Return the JSON form, in the store and in ``last_test`` of the output."""
        fields: Document = {name: getattr(self, name) for name in ("outcome", "reason", "tested_at", "last_valid_at")}
        return fields | ({"reported": True} if self.reported else {})


class Version(Struct, frozen=True, gc=False):
    """One value that a key has had. ``sealed`` is a compact JWE; ``tail`` has the characters that its mask shows.

    ``pending`` has settings of the key that take effect when a staged version is promoted. ``at_provider`` identifies
    the value at its provider, and is None if its id there is not known.
    """

    number: Annotated[int, Meta(ge=1)]
    stage: Stage
    sealed: str
    tail: Annotated[str, Meta(max_length=VISIBLE)]
    fingerprint: str
    base_url: str
    created_at: str
    promoted_at: str | None
    expires_at: str | None
    last_test: TestRecord | None
    pending: dict[str, Any] | None
    at_provider: RemoteId | None = None

    @property
    def is_minted(self) -> bool:
        """Whether kojikey created the value at the provider."""
        return self.at_provider is not None and self.at_provider.is_minted

    def as_document(self) -> Document:
        """Return the JSON form for the store."""
        document: Document = {name: getattr(self, name) for name in _VERSION_MEMBERS}
        document["stage"] = self.stage.value
        document["last_test"] = self.last_test.as_document() if self.last_test else None
        if self.at_provider is not None:  # documents of earlier releases have no such member
            document["at_provider"] = self.at_provider.as_document()
        return document


class Key(Struct, frozen=True, gc=False):
    """The key of an account at a provider: its versions (at most one in each stage) and its settings.

    ``rotate_after_days`` is None for "never". Tests check ``models`` and ``capabilities``. ``minting`` is the intent of
    a new key that is being created at the provider; ``unfound`` has the intents whose answer was lost and whose key the
    provider did not list afterwards. ``is_copy``: the key was copied from another store, which rotates it.
    """

    account: str
    provider: str
    versions: tuple[Version, ...]
    next_version: Count
    created_at: str
    label: str | None
    models: tuple[str, ...]
    capabilities: tuple[str, ...]
    rotate_after_days: Days | None
    rotated_at: str | None
    minting: MintIntent | None = None
    unfound: tuple[MintIntent, ...] = ()
    is_copy: bool = False

    @property
    def is_mint_unfinished(self) -> bool:
        """Whether a new key is being created at the provider, or was created and is not in use yet."""
        staged = self.version(Stage.STAGED)
        return self.minting is not None or (staged is not None and staged.is_minted)

    @property
    def current(self) -> Version:
        """The version in use. Every saved key has one."""
        for version in self.versions:  # `next` of a generator takes four times as long, and there are many keys
            if version.stage is Stage.CURRENT:
                return version
        raise ValueError("no key of a store is without a current version")

    def age_days(self, moment: datetime) -> int:
        """Return the whole days since the value in use was saved; 0 if the clock went backwards."""
        return max(0, (moment - parsed(self.current.created_at)).days)

    def rotation_due(self, moment: datetime, *, is_disabled: bool = False, expiring: timedelta = EXPIRING) -> bool:
        """Return whether the key is due for rotation: older than ``rotate_after_days``, or soon to expire.

        A key of a disabled account is never due, and neither is a key with ``rotate_after_days`` None. A minted key
        whose whole life is shorter than ``expiring`` is due in the last tenth of it: it would be due from its first
        day otherwise.
        """
        current = self.current
        if is_disabled or self.rotate_after_days is None:
            return False
        if moment - parsed(current.created_at) >= timedelta(days=self.rotate_after_days):
            return True
        if current.expires_at is None:
            return False
        expires = parsed(current.expires_at)
        life = expires - parsed(current.created_at)
        notice = life / 10 if current.is_minted and life < expiring else expiring
        return expires - moment <= notice

    def version(self, stage: Stage) -> Version | None:
        """Return the version in a stage, None if there is none."""
        for version in self.versions:
            if version.stage is stage:
                return version
        return None

    def with_version(self, version: Version) -> Key:
        """Return the key with a version put into its stage. It replaces the version there and one of its number."""
        others = tuple(v for v in self.versions if v.stage is not version.stage and v.number != version.number)
        ordered = tuple(sorted((*others, version), key=lambda v: v.number))
        return structs.replace(self, versions=ordered, next_version=max(self.next_version, version.number + 1))

    def without(self, stage: Stage) -> Key:
        """Return the key without the version in a stage."""
        return structs.replace(self, versions=tuple(v for v in self.versions if v.stage is not stage))

    def as_document(self) -> Document:
        """Return the JSON form for the store. ``tested_at`` is the current version's, so that stores can index it."""
        document: Document = {name: getattr(self, name) for name in _KEY_MEMBERS}
        document["versions"] = [version.as_document() for version in self.versions]
        document["models"], document["capabilities"] = list(self.models), list(self.capabilities)
        test = self.current.last_test
        document["tested_at"] = test.tested_at if test else None
        rare: Document = {
            "minting": self.minting.as_document() if self.minting else None,
            "unfound": [intent.as_document() for intent in self.unfound],
            "is_copy": self.is_copy,
        }
        return document | {name: value for name, value in rare.items() if value}


# In the order in which documents have them. The other members are written only if they have a value.
_KEY_MEMBERS = (
    "account", "provider", "next_version", "created_at", "label", "models", "capabilities", "rotate_after_days",
    "rotated_at",
)  # fmt: skip
_VERSION_MEMBERS = (
    "number", "stage", "sealed", "tail", "fingerprint", "base_url", "created_at", "promoted_at", "expires_at",
    "pending",
)  # fmt: skip
