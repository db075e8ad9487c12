"""The keys that a played provider manages, and the faults of its management API.

Must not: know the form of a provider's answers (``dialect.py`` does), or the scenarios of its keys (each change is
passed to ``known_keys.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from kojikey.model.errors import UsageError

Verb = Literal["parents", "list", "get", "create", "disable", "delete"]
Trouble = Literal[
    "lost", "dropped", "rate_limited", "failing", "limit", "permission", "admin_key", "garbage", "ignored"
]
"""``lost``: done, but not answered. ``dropped``: neither done nor answered. ``ignored``: answered, but not done."""

CREATED_AT = "2026-11-01T00:00:00Z"


@dataclass(slots=True)
class ManagedKey:
    """A key that exists at a played provider."""

    key_id: str
    parent: str
    name: str
    value: str = field(repr=False)
    owner: str = ""
    created_at: str = CREATED_AT
    expires_at: str | None = None
    is_disabled: bool = False
    is_hidden: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def hint(self) -> str:
        """The redacted form of the value."""
        return f"{self.value[:8]}...{self.value[-4:]}"


@dataclass(slots=True)
class _Fault:
    verb: Verb
    trouble: Trouble
    left: int | None
    detail: str = ""


class Managed:
    """The keys of one provider, which tests read and change. Safe between threads.

    ``parents`` are the projects, teams or accounts that keys belong to. ``unknown_for``: so many requests with a new
    key are refused because it is not known yet. ``latest_expiry``: no new key expires later, by the provider's policy.
    """

    def __init__(
        self,
        provider: str,
        parents: tuple[str, ...],
        *,
        make_value: Callable[[str], str],
        known: Callable[[str, str], object],
    ) -> None:
        self.provider, self.parents = provider, list(parents)
        self.unknown_for = 0
        self.latest_expiry: str | None = None
        self.page = 100
        self._make_value, self._known = make_value, known
        self._lock = threading.RLock()
        self._keys: list[ManagedKey] = []
        self._faults: list[_Fault] = []
        self._unknown: dict[str, int] = {}
        self._made = 0

    # --- for tests ---

    @property
    def keys(self) -> tuple[ManagedKey, ...]:
        """The keys that exist, hidden and disabled ones too."""
        with self._lock:
            return tuple(self._keys)

    def add(
        self,
        value: str,
        *,
        name: str = "by hand",
        parent: str | None = None,
        expires_at: str | None = None,
        **settings: Any,
    ) -> ManagedKey:
        """Add a key that was created by hand."""
        with self._lock:
            return self._put(name, value, self.parents[0] if parent is None else parent, expires_at, settings)

    def fail(self, verb: Verb, trouble: Trouble, *, times: int | None = 1, detail: str = "") -> None:
        """Set a fault for the next ``times`` requests of a kind (None: for all); ``detail`` names a permission."""
        with self._lock:
            self._faults.append(_Fault(verb, trouble, times, detail))

    def mend(self) -> None:
        """End all faults, and show hidden keys again."""
        with self._lock:
            self._faults.clear()
            self._unknown.clear()
            for key in self._keys:
                key.is_hidden = False

    # --- for the dialects, in the server's thread ---

    def trouble(self, verb: Verb) -> tuple[Trouble, str] | None:
        """Return the fault for this request and its detail, None if there is none."""
        with self._lock:
            for fault in self._faults:
                if fault.verb == verb and fault.left != 0:
                    fault.left = None if fault.left is None else fault.left - 1
                    return fault.trouble, fault.detail
        return None

    def shown(self, parent: str | None = None) -> list[ManagedKey]:
        """Return the keys that a list shows."""
        with self._lock:
            return [key for key in self._keys if not key.is_hidden and parent in (None, key.parent)]

    def get(self, key_id: str) -> ManagedKey | None:
        """Return the key of an id, None if there is none."""
        with self._lock:
            return next((key for key in self._keys if key.key_id == key_id), None)

    def create(
        self, name: str, parent: str, *, expires_at: str | None, settings: dict[str, Any], owner: str = ""
    ) -> ManagedKey:
        """Create a key."""
        with self._lock:
            if self.latest_expiry is not None:
                expires_at = min(filter(None, (expires_at, self.latest_expiry)))
            value = self._make_value(f"minted {self._made + 1}")
            key = self._put(name, value, parent, expires_at, settings)
            key.owner = owner
            if self.unknown_for:
                self._unknown[value] = self.unknown_for
            return key

    def disable(self, key: ManagedKey) -> None:
        """Disable a key: its requests are refused."""
        key.is_disabled = True
        self._known(key.value, "deleted_key")

    def delete(self, key: ManagedKey) -> None:
        """Delete a key."""
        with self._lock:
            if key in self._keys:
                self._keys.remove(key)
        self._known(key.value, "deleted_key")

    def is_unknown_yet(self, value: str | None) -> bool:
        """Return whether a new key is not known everywhere yet; each call counts as a request."""
        with self._lock:
            left = self._unknown.get(value or "", 0)
            if left:
                self._unknown[str(value)] = left - 1
            return left > 0

    def _put(self, name: str, value: str, parent: str, expires_at: str | None, settings: dict[str, Any]) -> ManagedKey:
        if parent not in self.parents:
            raise UsageError("the sandbox has no such parent")
        self._made += 1
        number = f"{self._made:04d}"
        key_id = f"key-{number}"
        if self.provider == "google_gemini":
            key_id = f"projects/{parent}/locations/global/keys/key-{number}"
        key = ManagedKey(key_id, parent, name, value, expires_at=expires_at, settings=dict(settings))
        self._keys.append(key)
        self._known(value, "ok")
        return key
