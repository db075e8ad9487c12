"""The types for the result of one request of a test: a finding if it got an answer, else a fault. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Usage
from kojikey.providers.definition import Check, Definition

Scrub = Callable[[str], str]
"""Removes the tested key from a text."""


class Fault(NamedTuple):
    """The reason why a request got no answer. ``detail`` has no foreign text; ``retry``: another try may help.

    ``is_unsent``: no part of the request was sent, so the provider cannot have acted on it.
    """

    reason: Reason
    detail: str = ""
    retry: bool = False
    is_unsent: bool = False


class Finding(Struct, frozen=True):
    """The finding of one request. All text in it is scrubbed.

    ``yields_to`` names the check that decides in place of this one. ``picked`` has the values for the placeholders of
    later requests, the best choice first. ``about`` and ``is_undelivered`` are those of the matching :class:`.Rule`.
    """

    name: str
    required: bool
    reason: Reason
    authentic: bool | None
    detail: str = ""
    hint: str = ""
    manage_url: str = ""
    missing_permissions: tuple[str, ...] = ()
    http_status: int | None = None
    retry: bool = False
    retry_after: float | None = None
    yields_to: str = ""
    about: str = ""
    is_undelivered: bool = False
    picked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    usage: Usage | None = None
    permissions: tuple[str, ...] | None = None
    expires_at: str | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome that the reason belongs to."""
        return OUTCOME_OF[self.reason]


class Subject(Struct, frozen=True):
    """The context in which an answer is judged. ``name`` is the check's name with placeholders filled in.

    ``capabilities`` are the requested ones, None for all; ``now`` is the time of the test.
    """

    definition: Definition
    check: Check
    name: str
    model: str
    scrub: Scrub
    capabilities: tuple[str, ...] | None = None
    now: str = ""
