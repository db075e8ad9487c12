"""A key with its versions, as operations see it, and its document, as stores keep it.

A document never has plaintext: each version is a sealed record with what may be shown about it beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from kojikey.model import validators
from kojikey.model.masking import VISIBLE
from kojikey.model.minting import AtProvider, MintIntent
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed
from kojikey.model.verdict import Outcome, Reason, Verdict

EXPIRING = timedelta(days=14)
"""How long before it expires a key is due for rotation, unless something else is said."""


class Stage(StrEnum):
    """What a version is to its key."""

    STAGED = "staged"  # saved, not yet trusted
    CURRENT = "current"  # in use
    PREVIOUS = "previous"  # kept for undo


@dataclass(frozen=True, slots=True)
class TestRecord:
    """The last test of a version. ``last_valid_at`` outlives failures of the network and of the provider."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    outcome: str
    reason: str
    tested_at: str
    last_valid_at: str | None
    reported: bool = False
    """Whether it was no test, but an answer that a program got (``Client.report``)."""

    @classmethod
    def after(cls, verdict: Verdict, before: TestRecord | None, *, reported: bool = False) -> TestRecord:
        """Return the record to keep after a test, given the one kept before it."""
        valid_at = verdict.tested_at if verdict.outcome is Outcome.VALID else before.last_valid_at if before else None
        return cls(verdict.outcome.value, verdict.reason.value, verdict.tested_at, valid_at, reported)

    def as_document(self) -> Document:
        """Return the JSON form, which is also that of ``last_test`` in the contract."""
        fields: Document = {name: getattr(self, name) for name in ("outcome", "reason", "tested_at", "last_valid_at")}
        return fields | ({"reported": True} if self.reported else {})

    @classmethod
    def from_document(cls, document: Any) -> TestRecord:
        """Return the record that :meth:`as_document` wrote. Raises as :meth:`Key.from_document`."""
        return cls(
            Outcome(document["outcome"]).value,
            Reason(document["reason"]).value,
            validators.stamp(document["tested_at"]),
            validators.optional(validators.stamp, document["last_valid_at"]),
            validators.flag(document.get("reported", False)),
        )


@dataclass(frozen=True, slots=True)
class Version:
    """One value that a key has had. ``sealed`` is a compact JWE; ``tail`` is what its mask may show.

    ``pending`` holds the settings of the key that take effect when a staged version is promoted. ``at_provider`` is
    where the value is at its provider, None where that is not known.
    """

    number: int
    stage: Stage
    sealed: str
    tail: str
    fingerprint: str
    base_url: str
    created_at: str
    promoted_at: str | None = None
    expires_at: str | None = None
    last_test: TestRecord | None = None
    pending: Document | None = None
    at_provider: AtProvider | None = None

    @property
    def is_minted(self) -> bool:
        """Whether kojikey had the value made at the provider."""
        return self.at_provider is not None and self.at_provider.is_minted

    def as_document(self) -> Document:
        """Return the JSON form for the store."""
        document: Document = {name: getattr(self, name) for name in _VERSION_FIELDS}
        document["stage"] = self.stage.value
        document["last_test"] = self.last_test.as_document() if self.last_test else None
        if self.at_provider is not None:  # documents of earlier releases have no such member
            document["at_provider"] = self.at_provider.as_document()
        return document

    @classmethod
    def from_document(cls, document: Document) -> Version:
        """Return the version that :meth:`as_document` wrote. Raises as :meth:`Key.from_document`."""
        fields: dict[str, Any] = {name: check(document[name]) for name, check in _VERSION_FIELDS.items()}
        if not fields["number"] or len(fields["tail"]) > VISIBLE:
            raise ValueError("not a version")
        return cls(
            **fields,
            last_test=validators.optional(TestRecord.from_document, document["last_test"]),
            at_provider=validators.optional(AtProvider.from_document, document.get("at_provider")),
        )


def _maybe(check: Callable[[object], Any]) -> Callable[[object], Any]:
    return partial(validators.optional, check)


def _pending(value: object) -> Document:
    if not isinstance(value, dict):
        raise ValueError("not settings")  # noqa: TRY004 - one kind of error for all that is wrong
    for name, setting in value.items():
        _PENDING[name](setting)
    return value


_PENDING: dict[str, Callable[[object], Any]] = {
    "models": validators.texts,
    "capabilities": validators.texts,
    "label": validators.text,
    "rotate_after_days": validators.count,
}
_VERSION_FIELDS: dict[str, Callable[[object], Any]] = {
    "number": validators.count,
    "stage": lambda value: Stage(str(value)),
    "sealed": validators.text,
    "tail": validators.text,
    "fingerprint": validators.fingerprint,
    "base_url": validators.text,
    "created_at": validators.stamp,
    "promoted_at": _maybe(validators.stamp),
    "expires_at": _maybe(validators.stamp),
    "pending": _maybe(_pending),
}


@dataclass(frozen=True, slots=True)
class Key:
    """What an account has at a provider: its versions (at most one in each stage) and its settings.

    ``rotate_after_days`` is None for "never". ``models`` and ``capabilities`` are what tests check. ``minting`` is a
    new key that is being made at the provider; ``unfound`` are those whose answer was lost, and that the provider did
    not list when it was asked. ``is_copy``: the key came from another store, which is the one that rotates it there.
    """

    account: str
    provider: str
    versions: tuple[Version, ...]
    next_version: int
    created_at: str
    label: str | None = None
    models: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    rotate_after_days: int | None = 90
    rotated_at: str | None = None
    minting: MintIntent | None = None
    unfound: tuple[MintIntent, ...] = ()
    is_copy: bool = False

    @property
    def is_mint_unfinished(self) -> bool:
        """Whether a key is being made at the provider, or was made and is not in use yet."""
        staged = self.version(Stage.STAGED)
        return self.minting is not None or (staged is not None and staged.is_minted)

    @property
    def current(self) -> Version:
        """The version in use. Every saved key has one."""
        return next(version for version in self.versions if version.stage is Stage.CURRENT)

    def age_days(self, moment: datetime) -> int:
        """Return the whole days since the value in use was saved; 0 where the clock went backwards."""
        return max(0, (moment - parsed(self.current.created_at)).days)

    def rotation_due(self, moment: datetime, *, is_disabled: bool = False, expiring: timedelta = EXPIRING) -> bool:
        """Tell whether the key is due for rotation: it is older than it may be, or expires within a span.

        The keys of disabled accounts, and those that are never to be rotated, are not. A minted key that lives
        shorter than the span is due in the last tenth of its life, or it would be due from the day it was made.
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
        """Return the version in that stage, None where there is none."""
        return next((version for version in self.versions if version.stage is stage), None)

    def with_version(self, version: Version) -> Key:
        """Return the key with that version in its stage, in place of what was there and of the same number."""
        others = tuple(v for v in self.versions if v.stage is not version.stage and v.number != version.number)
        ordered = tuple(sorted((*others, version), key=lambda v: v.number))
        return replace(self, versions=ordered, next_version=max(self.next_version, version.number + 1))

    def without(self, stage: Stage) -> Key:
        """Return the key with no version in that stage."""
        return replace(self, versions=tuple(v for v in self.versions if v.stage is not stage))

    def as_document(self) -> Document:
        """Return the JSON form for the store. ``tested_at`` repeats the current version's, for stores to index."""
        document: Document = {name: getattr(self, name) for name in _KEY_FIELDS}
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

    @classmethod
    def from_document(cls, document: Document) -> Key:
        """Return the key that :meth:`as_document` wrote.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it wrote something else, and someone changed it since.
        """
        fields: dict[str, Any] = {name: check(document[name]) for name, check in _KEY_FIELDS.items()}
        versions = tuple(Version.from_document(version) for version in document["versions"])
        if len({v.stage for v in versions}) < len(versions) or len({v.number for v in versions}) < len(versions):
            raise ValueError("two versions in one place")
        if any(version.number >= fields["next_version"] for version in versions):
            raise ValueError("a version from the future")
        return cls(
            **fields,
            versions=versions,
            minting=validators.optional(MintIntent.from_document, document.get("minting")),
            unfound=tuple(map(MintIntent.from_document, document.get("unfound", ()))),
            is_copy=validators.flag(document.get("is_copy", False)),
        )


_KEY_FIELDS: dict[str, Callable[[object], Any]] = {
    "account": validators.account,
    "provider": validators.name,
    "next_version": validators.count,
    "created_at": validators.stamp,
    "label": _maybe(validators.text),
    "models": validators.texts,
    "capabilities": validators.texts,
    "rotate_after_days": _maybe(validators.count),
    "rotated_at": _maybe(validators.stamp),
}
