"""What a person sets for a key, beside its value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kojikey.model.key import Key
from kojikey.model.ref import Document

ROTATE_AFTER_DAYS = 90


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Settings as given; None means "not given": the default for a new key, "as it is" for a rotation.

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
        """Return what a staged version keeps for its promotion, None where nothing was given."""
        given: Document = {
            "models": list(self.models) if self.models is not None else None,
            "capabilities": list(self.capabilities) if self.capabilities is not None else None,
            "label": self.label,
            "rotate_after_days": self.rotate_after_days,
        }
        return {name: value for name, value in given.items() if value is not None} or None


def settled(key: Key, pending: Document | None) -> Key:
    """Return the key with the settings that were waiting for a promotion."""
    if not pending:
        return key
    days = pending.get("rotate_after_days", key.rotate_after_days)
    return replace(
        key,
        models=tuple(pending.get("models", key.models)),
        capabilities=tuple(pending.get("capabilities", key.capabilities)),
        label=pending.get("label", key.label),
        rotate_after_days=days or None,
    )
