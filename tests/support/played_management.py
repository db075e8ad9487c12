"""One provider's management API in the sandbox, and calls to it through its adapter.

Owns: the credential and the connection of each call. Must not: assert what an adapter returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from kojikey.model.secret import Secret
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Definition
from kojikey.providers.management import MANAGED, ability_of, management_of
from kojikey.providers.management.base import KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import ManagementClient, Pace
from kojikey.testing import Sandbox
from kojikey.testing.sandbox.management import GOOGLE_TOKEN, Managed
from kojikey.testing.sandbox.sample_keys import made_up_key

Result = TypeVar("Result")
Ask = Callable[[KeyManagement], Awaitable[Result]]
CREATING = tuple(name for name in MANAGED if (ability := ability_of(name)) and ability.creates)
LISTING = tuple(name for name in MANAGED if (ability := ability_of(name)) and ability.lists)
DELETING = tuple(name for name in MANAGED if (ability := ability_of(name)) and ability.deletes)
DISABLING = tuple(name for name in MANAGED if (ability := ability_of(name)) and ability.disables)
SETTINGS: dict[str, dict[str, Any]] = {
    "google_gemini": {"restrictions": {"apiTargets": [{"service": "generativelanguage.googleapis.com"}]}},
    "elevenlabs": {"permissions": ["text_to_speech"], "character_limit": 5000, "allowed_ips": ["203.0.113.7"]},
    "openrouter": {"limit": 50, "limit_reset": "monthly", "include_byok_in_limit": True},
    "xai": {"acls": ["api-key:model:*", "api-key:endpoint:chat"], "qps": 5, "qpm": 100, "tpm": "1000"},
    "deepgram": {"scopes": ["usage:read"], "tags": ["prod"]},
}
OLD = {name: made_up_key(name, "ok") for name in MANAGED}


class Played:
    """One provider's management API in the sandbox, and calls to it."""

    def __init__(self, sandbox: Sandbox, provider: str) -> None:
        self.provider, self.sandbox = provider, sandbox
        self.managed: Managed = sandbox.managed(provider)
        self.waited: list[float] = []
        ability = ability_of(provider)
        adapter = management_of(provider)
        assert ability is not None
        assert adapter is not None
        self.ability, self.adapter = ability, adapter
        definition = load_catalog().get(ability.admin or provider)
        self.base_url, self.secret = sandbox.google_apikeys_url, Secret(GOOGLE_TOKEN)
        self.definition: Definition = replace(
            definition, auth_header="Authorization", auth_prefix="Bearer ", headers={}
        )
        if ability.admin:
            self.definition, self.base_url = definition, sandbox.base_url(ability.admin)
            self.secret = Secret(made_up_key(ability.admin, "ok"))

    def ask(self, question: Ask[Result]) -> Result:
        """Make one call over its own connection. Waits take no time and are recorded in ``waited``."""

        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        async def asked() -> Result:
            pace = Pace(timeout=5, sleep=sleep, chance=lambda: 0.5)
            async with ManagementClient(self.definition, self.base_url, self.secret, pace=pace) as client:
                return await question(self.adapter(client))

        return asyncio.run(asked())

    def old(self, **settings: Any) -> RemoteKey:
        """Create the key that is to be replaced, and return it as the provider lists it."""
        given = settings or SETTINGS.get(self.provider, {})
        made = self.managed.add(OLD[self.provider], **given)
        if not self.ability.lists:
            return RemoteKey("", made.name)
        found = self.ask(lambda keys: keys.find(made.key_id, made.parent))
        assert found is not None
        return found

    def wanted(self, like: RemoteKey, name: str = "kojikey default v2 0a1b2c3d") -> Wanted:
        """Return the request for a key like another one."""
        settings = self.adapter.plan(like).settings
        return Wanted(name, "0a1b2c3d", like.parent, like.owner, settings=settings)

    def created(self, like: RemoteKey) -> RemoteKey:
        """Create a key like another one."""
        wanted = self.wanted(like)
        return self.ask(lambda keys: keys.create(wanted)).key
