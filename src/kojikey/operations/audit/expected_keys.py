"""Compares the keys that an account should have by its events with those that the store has.

Owns: which events say that a key exists, and which version of it is current, previous and staged. Rows of a store can
be put back or removed one by one; the trail is bound to the account's record, so it no longer matches such rows. Must
not: check the trail itself (``auditing.py``), or open a version (``sealed_versions.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kojikey.model import validators
from kojikey.model.errors import AuditBroken
from kojikey.model.key import Key, Stage, Version
from kojikey.model.ref import Document


class _Said(NamedTuple):
    """What the last event that speaks of a stage says is in it; without a version nothing is."""

    seq: object
    action: object
    version: object = None
    fingerprint: object = None

    def is_of(self, version: Version | None) -> bool:
        if version is None:
            return self.version is None
        return (version.number, version.fingerprint) == (self.version, self.fingerprint)


_Stages = dict[Stage, _Said | None]
"""What is known of each stage of a key; None where an event of an earlier release did not say it."""


class ExpectedKeys:
    """What the events of one account say of its keys, as far as they were followed."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._keys: dict[str, _Stages] = {}  # by provider

    def follow(self, event: Document) -> None:
        """Take note of the account's next event."""
        if event.get("origin") is not None and event.get("signed") is True:
            return  # it happened in another store; what was copied has an event of its own
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
        """Yield an error for each stage of a key that the events say something else of; ``end`` is the last's number.

        A key that was looked at is not missing (see :meth:`missing`).
        """
        stages = self._keys.get(key.provider)
        if stages is None:
            text = f"the {key.provider} key was added outside kojikey: no event says where it is from"
            yield self._broken(end, text)
            return
        for stage, said in stages.items():
            if said is not None and not said.is_of(key.version(stage)):
                yield self._broken(end, _difference(key, stage, said))

    def missing(self, there: set[str], *, end: int) -> Iterator[AuditBroken]:
        """Yield an error for each key that is there by the events, and is not among those that were found."""
        for provider, stages in self._keys.items():
            said = stages[Stage.CURRENT]
            if provider not in there and said is not None:
                text = f"the {validators.shown(provider)} key was removed outside kojikey: {_last_about(said)} it"
                yield self._broken(end, text)

    def ensure_known(self, key: Key, stage: Stage, *, end: int) -> None:
        """Check that what a stage of a key holds is what the events say.

        Raises:
            AuditBroken: they say something else, or nothing.
        """
        said = self._keys.get(key.provider, {}).get(stage, _Said(end, None))
        if said is not None and not said.is_of(key.version(stage)):
            raise self._broken(end, _difference(key, stage, said))

    def _broken(self, end: int, otherwise: str) -> AuditBroken:
        return AuditBroken(self._account, end + 1, f"is missing, or {otherwise}")


def _begun(event: Document) -> _Stages:
    """Return the stages of a key that an event says is there from now on."""
    nothing = _Said(event.get("seq"), event.get("action"))
    stages: _Stages = {Stage.CURRENT: _said(event), Stage.PREVIOUS: nothing, Stage.STAGED: nothing}
    if event.get("action") == "copied":
        # A key is copied with all its versions. Releases before this one did not say which those are.
        others = event.get("others")
        for stage in (Stage.PREVIOUS, Stage.STAGED):
            told = others.get(stage.value, {}) if isinstance(others, dict) else None
            stages[stage] = (
                _said({**event, "version": None, "fingerprint": None, **told}) if isinstance(told, dict) else None
            )
    return stages


def _move(stages: _Stages, event: Document) -> None:
    """Change the stages of a key as an event says that they were."""
    action, nothing = event.get("action"), _Said(event.get("seq"), event.get("action"))
    if action == "staged" or (action == "minted" and event.get("version") is not None):
        stages[Stage.STAGED] = _said(event)  # what was minted is staged in the same step
    elif action == "promoted":
        stages |= {Stage.CURRENT: _said(event), Stage.PREVIOUS: stages[Stage.CURRENT], Stage.STAGED: nothing}
    elif action == "rolled_back":
        stages |= {Stage.CURRENT: _said(event), Stage.PREVIOUS: stages[Stage.CURRENT]}
    elif action == "aborted":
        stages[Stage.STAGED] = nothing
    elif action == "retired":
        stages[Stage.PREVIOUS] = nothing


def _said(event: Document) -> _Said:
    return _Said(event.get("seq"), event.get("action"), event.get("version"), event.get("fingerprint"))


def _difference(key: Key, stage: Stage, said: _Said) -> str:
    version = "" if stage is Stage.CURRENT else f"{stage.value} version of the "
    subject = f"the {version}{key.provider} key"
    if said.version is None:
        return f"{subject} was added outside kojikey: no event says where it is from"
    if key.version(stage) is None:
        return f"{subject} was removed outside kojikey: {_last_about(said)} it"
    return f"{subject} was changed outside kojikey: {_last_about(said)} the key, and names another version"


def _last_about(said: _Said) -> str:
    return f"event {validators.shown(said.seq)} ({validators.shown(said.action)}) is the last one about"
