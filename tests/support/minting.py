"""A key that ``rotate --mint`` can replace, with its admin key, in the program and in the sandbox.

Owns: setting both up, and reading the keys that exist at the provider. Must not: assert what a command does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kojikey.providers.management import MANAGED, ability_of
from kojikey.providers.management.base import Ability
from kojikey.testing.sandbox.management import GOOGLE_TOKEN, Managed
from support.program import Ended, Program

CREATING = tuple(name for name in MANAGED if (ability := ability_of(name)) and ability.creates)
LISTING = tuple(name for name in CREATING if (ability := ability_of(name)) and ability.lists)
SETTINGS: dict[str, dict[str, Any]] = {
    "google_gemini": {"restrictions": {"apiTargets": [{"service": "generativelanguage.googleapis.com"}]}},
    "elevenlabs": {"permissions": ["text_to_speech"], "character_limit": 5000, "allowed_ips": ["203.0.113.7"]},
    "openrouter": {"limit": 50, "limit_reset": "monthly"},
    "xai": {"acls": ["api-key:model:*", "api-key:endpoint:*"], "qps": 5},
    "deepgram": {"scopes": ["usage:read", "keys:write"], "tags": ["prod"]},
}


@dataclass
class Mint:
    """One key of one provider."""

    kojikey: Program
    provider: str

    @property
    def managed(self) -> Managed:
        """The provider's keys."""
        return self.kojikey.sandbox.managed(self.provider)

    @property
    def names(self) -> list[str]:
        """The names of the keys that exist at the provider."""
        return [key.name for key in self.managed.keys]

    @property
    def ability(self) -> Ability:
        """The abilities of the provider's management API."""
        ability = ability_of(self.provider)
        assert ability is not None
        return ability

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a key that a person created."""
        return SETTINGS.get(self.provider, {})

    def rotate(self, *arguments: str) -> Ended:
        """Rotate the key."""
        return self.kojikey("rotate", self.provider, "--no-input", *arguments)

    def mint(self, *more: str) -> Ended:
        """Mint a new key, even if it is allowed more."""
        return self.rotate("--mint", "--allow-wider", "--propagation", "0s", *self.like(), *more)

    def like(self) -> tuple[str, ...]:
        """Return the options that name the key in use if the provider's list does not show enough of it."""
        if self.provider != "google_gemini":
            return ()
        return ("--like", self.managed.keys[0].key_id)

    def row(self) -> dict[str, Any]:
        """Return the key as it is listed."""
        return self.kojikey.listed(self.provider)


def set_up(kojikey: Program, provider: str, *, with_admin: bool = True) -> Mint:
    """Add a key that a person created at the provider."""
    mint = Mint(kojikey, provider)
    key = kojikey.added(provider, "ok")
    mint.managed.add(key.key, **mint.settings)
    prepare(kojikey, provider, with_admin=with_admin)
    return mint


def prepare(kojikey: Program, provider: str, *, with_admin: bool = True) -> None:
    """Add the admin key of a provider, or set the identity in the environment."""
    kojikey.environ["KOJIKEY_GOOGLE_APIKEYS_URL"] = kojikey.sandbox.google_apikeys_url
    ability = ability_of(provider)
    if with_admin and ability is not None:
        if not ability.admin:
            kojikey.environ["GOOGLE_OAUTH_ACCESS_TOKEN"] = GOOGLE_TOKEN
        elif ability.admin != provider:
            kojikey.added(ability.admin, "ok")
