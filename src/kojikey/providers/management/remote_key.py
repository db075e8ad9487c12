"""A key as its provider lists it. Must not: hold the key's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A key as its provider lists it.

    ``hint`` is the redacted form that the provider shows, ``""`` if it shows none. ``parent`` is the project, team or
    workspace of the key, ``owner`` the person or service account within it, for providers that need one for a new
    key. ``settings`` are the provider's own members that a new key can have.
    """

    key_id: str
    name: str = ""
    parent: str = ""
    owner: str = ""
    hint: str = ""
    created_at: str | None = None
    expires_at: str | None = None
    is_disabled: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
