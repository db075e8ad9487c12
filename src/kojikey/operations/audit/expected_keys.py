"""Compares the keys that an account should have by its events with the keys that the store has.

A writer of the store can restore or remove single rows. The trail is bound to the account's record, so it does not
agree with such rows.

Owns: which events create and remove a key, and which move its versions between stages. Must not: check the trail itself
(``audit_verification.py``), or open a version (``sealed_versions.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kojikey.model.errors import AuditBroken
from kojikey.model.key import Key, Stage, Version
from kojikey.model.plain_text import shown
from kojikey.model.ref import Document


class _Expected(NamedTuple):
    """The version that a stage has by the last event about it; ``version`` is None if the stage is empty."""

    seq: object
    action: object
    version: object = None
    fingerprint: object = None

    def is_of(self, version: Version | None) -> bool:
        if version is None:
            return self.version is None
        return (version.number, version.fingerprint) == (self.version, self.fingerprint)


_Stages = dict[Stage, _Expected | None]
"""The expected content of each stage of a key; None if an event of an earlier release did not say it."""


class ExpectedKeys:
    """The keys that one account should have by the events that were followed."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._keys: dict[str, _Stages] = {}  # by provider

    def follow(self, event: Document) -> None:
        """Take note of the account's next event."""
        if event.get("origin") is not None and event.get("signed") is True:
            return  # it happened in another store; the copy of the key has an event of its own
        provider, action = event.get("provider"), event.get("action")
        if action == "removed" and provider is None:
            self._keys.clear()
        elif action == "removed":
            self._keys.pop(str(provider), None)
        elif action in ("added", "copied"):
            self._keys[str(provider)] = _begun(event)
        elif str(provider) in self._keys:
            _move(self._keys[str(provider)], event)

    def misplaced(self, key: Key, *, end: int) -> Iterator[AuditBroken]:
        """Yield an error for each stage of a key that disagrees with the events; ``end`` is the last event's number."""
        stages = self._keys.get(key.provider)
        if stages is None:
            text = f"the {key.provider} key was added outside kojikey: no event says where it is from"
            yield self._broken(end, text)
            return
        for stage, expected in stages.items():
            if expected is not None and not expected.is_of(key.version(stage)):
                yield self._broken(end, _difference(key, stage, expected))

    def missing(self, there: set[str], *, end: int) -> Iterator[AuditBroken]:
        """Yield an error for each key that should exist by the events, and is not at a provider in ``there``."""
        for provider, stages in self._keys.items():
            expected = stages[Stage.CURRENT]
            if provider not in there and expected is not None:
                text = f"the {shown(provider)} key was removed outside kojikey: {_last_about(expected)} it"
                yield self._broken(end, text)

    def ensure_expected(self, key: Key, stage: Stage, *, end: int) -> None:
        """Check that a stage of a key has the version that it should have by the events.

        Raises:
            AuditBroken: it has another one, or the events have no such key.
        """
        expected = self._keys.get(key.provider, {}).get(stage, _Expected(end, None))
        if expected is not None and not expected.is_of(key.version(stage)):
            raise self._broken(end, _difference(key, stage, expected))

    def _broken(self, end: int, otherwise: str) -> AuditBroken:
        return AuditBroken(self._account, end + 1, f"is missing, or {otherwise}")


def _begun(event: Document) -> _Stages:
    """Return the stages of a key after the event that created it."""
    nothing = _Expected(event.get("seq"), event.get("action"))
    stages: _Stages = {Stage.CURRENT: _expected(event), Stage.PREVIOUS: nothing, Stage.STAGED: nothing}
    if event.get("action") == "copied":
        # A key is copied with all its versions. Earlier releases recorded only the current one.
        others = event.get("others")
        for stage in (Stage.PREVIOUS, Stage.STAGED):
            told = others.get(stage.value, {}) if isinstance(others, dict) else None
            stages[stage] = (
                _expected({**event, "version": None, "fingerprint": None, **told}) if isinstance(told, dict) else None
            )
    return stages


def _move(stages: _Stages, event: Document) -> None:
    """Apply an event to the stages of a key."""
    action, nothing = event.get("action"), _Expected(event.get("seq"), event.get("action"))
    if action == "staged" or (action == "minted" and event.get("version") is not None):
        stages[Stage.STAGED] = _expected(event)  # a minted key is staged in the same step
    elif action == "promoted":
        stages |= {Stage.CURRENT: _expected(event), Stage.PREVIOUS: stages[Stage.CURRENT], Stage.STAGED: nothing}
    elif action == "rolled_back":
        stages |= {Stage.CURRENT: _expected(event), Stage.PREVIOUS: stages[Stage.CURRENT]}
    elif action == "aborted":
        stages[Stage.STAGED] = nothing
    elif action == "retired":
        stages[Stage.PREVIOUS] = nothing


def _expected(event: Document) -> _Expected:
    return _Expected(event.get("seq"), event.get("action"), event.get("version"), event.get("fingerprint"))


def _difference(key: Key, stage: Stage, expected: _Expected) -> str:
    version = "" if stage is Stage.CURRENT else f"{stage.value} version of the "
    subject = f"the {version}{key.provider} key"
    if expected.version is None:
        return f"{subject} was added outside kojikey: no event says where it is from"
    if key.version(stage) is None:
        return f"{subject} was removed outside kojikey: {_last_about(expected)} it"
    return f"{subject} was changed outside kojikey: {_last_about(expected)} the key, and names another version"


def _last_about(expected: _Expected) -> str:
    return f"event {shown(expected.seq)} ({shown(expected.action)}) is the last one about"
