"""A provider's key management in memory, for unit tests of minting and retiring.

Owns: the keys that exist there, failures before and after a request, and ids in a store. Must not: assert
what an operation does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from kojikey.model.key import Version
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, Refusal
from kojikey.model.minting import RemoteId
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of
from kojikey.operations.minting.provider_ids import proved_id
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.recent_lists import RecentLists
from kojikey.stores.base import Change
from support.sample_store import ACCOUNT, PROVIDER, SampleStore

PARENT = "team-1"
REFUSED = ManagementRefused("the admin key may not do that", Refusal.PERMISSION)
UNSENT = ManagementUnavailable("the provider cannot be reached", is_uncertain=False)
LOST = ManagementUnavailable("the answer was lost", is_uncertain=True)


def again(error: ManagementRefused | ManagementUnavailable) -> ManagementRefused | ManagementUnavailable:
    """Return a new error like another one, as operations add words to an error."""
    if isinstance(error, ManagementRefused):
        return ManagementRefused(error.message, error.refusal)
    return ManagementUnavailable(error.message, is_uncertain=error.is_uncertain)


def change(sample_store: SampleStore, **members: object) -> None:
    """Write members of the key as no operation does; ``versions`` are replaced by number."""
    store = sample_store.opener()
    stored = store.read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    document = structs.replace(key_of(stored), **members).as_document()
    store.commit((Change(stored.ref, document, stored.revision),), ())


def give_ids(sample_store: SampleStore, ids: dict[int, str]) -> None:
    """Save ids at the provider with the versions of these numbers."""
    sealer, key = sample_store.open_store().sealer(ACCOUNT), sample_store.key()
    assert key is not None

    def with_id(version: Version) -> Version:
        if version.number not in ids:
            return version
        plain = RemoteId(ids[version.number], PARENT, "", "a name", is_minted=True, proof="")
        return structs.replace(version, at_provider=proved_id(sealer, PROVIDER, version.number, plain))

    change(sample_store, versions=tuple(map(with_id, key.versions)))


class KeysAtProvider(KeyManagement):
    """The keys of one provider. ``values`` has the value of each key that exists, by id.

    ``before`` and ``after`` have the error that a request raises before, or after it was carried out, by its name:
    create, delete, disable or list. ``meanwhile`` is called while a key is being created.
    """

    ability = Ability("elevenlabs_admin", "kojikey can do everything in this test", parent="team", disables=True)
    copy_plan = CopyPlan({"scopes": ["read"]}, ("permissions",), ("the IP allowlist",))

    def __init__(self) -> None:
        super().__init__(client=None)  # type: ignore[arg-type]  # no request is made
        self.keys: dict[str, RemoteKey] = {}
        self.values: dict[str, str] = {}
        self.before: dict[str, ManagementRefused | ManagementUnavailable] = {}
        self.after: dict[str, ManagementRefused | ManagementUnavailable] = {}
        self.requests: list[str] = []
        self.meanwhile: Callable[[Wanted], object] = lambda _: None

    def put(self, key_id: str, value: str, **members: Any) -> RemoteKey:
        """Add a key that a person created."""
        key = RemoteKey(
            key_id, **{"name": f"name of {key_id}", "parent": PARENT, "hint": f"...{value[-6:]}", **members}
        )
        self.keys[key_id], self.values[key_id] = key, value
        return key

    def forget_lists(self) -> None:
        """Forget the lists of the last minute, as another run has none."""
        self._recent = RecentLists()

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """See :meth:`KeyManagement.plan`."""
        return cls.copy_plan

    async def parents(self) -> tuple[str, ...]:
        """See :meth:`KeyManagement.parents`."""
        return (PARENT,)

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        self._answer("list", parent)
        return tuple(key for key in self.keys.values() if key.parent == parent)

    async def _create(self, wanted: Wanted) -> Created:
        self._answer("create", wanted.name)
        self.meanwhile(wanted)
        key_id = f"created-{len(self.requests)}"
        value = f"sk_{key_id}_0123456789"
        key = self.put(key_id, value, name=wanted.name, parent=wanted.parent, expires_at=wanted.expires_at)
        self._lose("create")
        return Created(Secret(value), key)

    async def _delete(self, key: RemoteKey) -> None:
        self._answer("delete", key.key_id)
        self.keys.pop(key.key_id, None)
        self.values.pop(key.key_id, None)
        self._lose("delete")

    async def _delete_value(self, secret: Secret) -> None:
        self._answer("delete", "value")
        for key_id in [key_id for key_id, value in self.values.items() if value == secret.reveal()]:
            del self.keys[key_id], self.values[key_id]

    async def disable(self, key: RemoteKey) -> None:
        """See :meth:`KeyManagement.disable`."""
        self._answer("disable", key.key_id)
        self.keys[key.key_id] = replace(self.keys[key.key_id], is_disabled=True)

    def _answer(self, verb: str, what: str) -> None:
        self.requests.append(f"{verb} {what}")
        if verb in self.before:
            raise again(self.before[verb])

    def _lose(self, verb: str) -> None:
        if verb in self.after:
            raise again(self.after[verb])


class OnlyDisabling(KeysAtProvider):
    """A provider that deletes no keys."""

    ability = replace(KeysAtProvider.ability, deletes=False)


class ByValue(KeysAtProvider):
    """A provider without ids and lists of keys, which manage themselves."""

    ability = replace(KeysAtProvider.ability, admin="elevenlabs", parent="", lists=False, hints=False, by_value=True)


class Unlisted(KeysAtProvider):
    """A provider that has ids of keys and lists none of them."""

    ability = replace(KeysAtProvider.ability, lists=False)


class Wider(KeysAtProvider):
    """A provider at which a new key is allowed more than the old one."""

    copy_plan = CopyPlan({}, (), wider="the permissions of the old key cannot be read")
