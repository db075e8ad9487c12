"""The settings of a key, apart from its value."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from kojikey.model.key import Key
from kojikey.model.ref import Document

ROTATE_AFTER_DAYS = 90


class KeySettings(Struct, frozen=True):
    """Settings from the command line. None means "not given": a new key gets the default, a rotated one keeps its own.

    ``rotate_after_days`` is 0 for "never". ``base_url`` and ``expires_at`` belong to the new version, the others to
    the key.
    """

    base_url: str | None = None
    models: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    label: str | None = None
    expires_at: str | None = None
    rotate_after_days: int | None = None

    def pending(self) -> Document | None:
        """Return the settings that a staged version keeps for its promotion, None if none were given."""
        given: Document = {
            "models": list(self.models) if self.models is not None else None,
            "capabilities": list(self.capabilities) if self.capabilities is not None else None,
            "label": self.label,
            "rotate_after_days": self.rotate_after_days,
        }
        return {name: value for name, value in given.items() if value is not None} or None


def settled(key: Key, pending: Document | None) -> Key:
    """Return the key with the ``pending`` settings of a version that is promoted."""
    if not pending:
        return key
    days = pending.get("rotate_after_days", key.rotate_after_days)
    return structs.replace(
        key,
        models=tuple(pending.get("models", key.models)),
        capabilities=tuple(pending.get("capabilities", key.capabilities)),
        label=pending.get("label", key.label),
        rotate_after_days=days or None,
    )


SETTINGS = ("label", "expires", "rotate-after", "model", "capability", "base-url")
"""The settings that ``kojikey set`` changes, by the names of its options."""


class SettingsChange(Struct, frozen=True):
    """A change of a key's settings: the new values (``given``), and the names of settings to ``unset``.

    A setting that is unset gets its default. ``default_capabilities`` and ``default_base_url`` are the provider's.
    """

    given: KeySettings
    unset: frozenset[str] = frozenset()
    default_capabilities: tuple[str, ...] = ()
    default_base_url: str = ""

    @property
    def base_url(self) -> str | None:
        """The new base URL, None if it does not change."""
        return self.default_base_url if "base-url" in self.unset else self.given.base_url

    def applied_to(self, key: Key) -> Key:
        """Return the key with its new settings except the base URL: for that, the value has to be sealed again."""
        given, unset = self.given, self.unset
        days = key.rotate_after_days if given.rotate_after_days is None else given.rotate_after_days
        version = key.current
        expires_at = None if "expires" in unset else given.expires_at or version.expires_at
        return structs.replace(
            key.with_version(structs.replace(version, expires_at=expires_at)),
            label=None if "label" in unset else key.label if given.label is None else given.label,
            models=() if "model" in unset else given.models or key.models,
            capabilities=self.default_capabilities if "capability" in unset else given.capabilities or key.capabilities,
            rotate_after_days=ROTATE_AFTER_DAYS if "rotate-after" in unset else days or None,
        )


def changed_settings(before: Key, after: Key) -> tuple[str, ...]:
    """Return the names of the settings in which two states of a key differ."""
    pairs = zip(SETTINGS, _values(before), _values(after), strict=True)
    return tuple(name for name, old, new in pairs if old != new)


def _values(key: Key) -> Iterator[object]:
    current = key.current
    yield from (key.label, current.expires_at, key.rotate_after_days, key.models, key.capabilities, current.base_url)
