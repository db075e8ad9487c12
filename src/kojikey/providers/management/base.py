"""The interface of the providers' key-management APIs; ``tests/providers/management`` has a test for each sentence.

Owns: recognising a saved key in a provider's list, and the types that adapters return. An adapter is one file that
knows one provider's paths and members. Must not: decide which key is created or deleted (operations do), read a store,
or keep a key longer than one call.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, NoSuchParent, Refusal
from kojikey.model.secret import Secret
from kojikey.providers.management import fields
from kojikey.providers.management.client import ManagementClient
from kojikey.providers.management.recent_lists import RecentLists
from kojikey.providers.management.remote_key import RemoteKey as RemoteKey

_GAP = re.compile(r"(?:\.{2,}|…|\*+|•+|_{3,}|x{4,})")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """The key to create. ``expires_at`` is None for a key that does not expire."""

    name: str
    token: str
    parent: str = ""
    owner: str = ""
    expires_at: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A created key with its value, which the provider shows only once."""

    secret: Secret
    key: RemoteKey


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """The settings that a new key takes over from a template.

    ``not_copied`` names the settings that a new key cannot be given. ``wider`` is the reason why the new key would be
    allowed more than the template, or why that cannot be known; ``""`` if it would not.
    """

    settings: Mapping[str, Any]
    copied: tuple[str, ...]
    not_copied: tuple[str, ...] = ()
    wider: str = ""


@dataclass(frozen=True, slots=True)
class Ability:
    """The abilities of a provider's key-management API, known without a request.

    ``admin`` is the id of the provider whose keys manage these: the provider itself if keys manage themselves, ``""``
    if the environment's identity does. ``parent`` is the provider's word for the group that a key belongs to.
    ``hints``: the list shows enough of a key to recognise it. ``by_value``: a key is deleted by its value.
    ``sentence`` describes the abilities for people; its subject is "kojikey".
    """

    admin: str
    sentence: str
    parent: str = ""
    creates: bool = True
    lists: bool = True
    disables: bool = False
    deletes: bool = True
    hints: bool = True
    by_value: bool = False
    longest_name: int = _LONGEST_NAME


class KeyManagement(ABC):
    """The keys of one provider that one admin credential can manage.

    Every method may raise ``ManagementRefused`` (the provider refused, nothing was done) and ``ManagementUnavailable``
    (there is no usable answer; ``is_uncertain`` if the provider may have done it nevertheless). ``recent`` has the
    lists that a run over many keys shares.
    """

    ability: ClassVar[Ability]

    def __init__(self, client: ManagementClient, recent: RecentLists | None = None) -> None:
        self._client = client
        self._recent = recent or RecentLists()

    async def parents(self) -> tuple[str, ...]:
        """Return the ids of all parents, ``("",)`` for a provider that has no such groups."""
        return ("",)

    async def checked_parent(self, parent: str) -> str:
        """Return the parent that a person named, in the form in which keys name theirs.

        Raises:
            NoSuchParent: the provider has none of that id, or does not show it to this credential.
        """
        if not fields.is_identity(parent):
            raise self._no_such_parent()
        try:
            return await self._checked_parent(parent)
        except ManagementRefused as refused:
            if refused.refusal not in (Refusal.NOT_THERE, Refusal.REQUEST):
                raise
            raise self._no_such_parent() from None

    async def list_keys(self, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the keys of a parent, or of all parents if none is given, without deleted ones."""
        parents = (parent,) if parent else await self.parents()
        return tuple([key for each in parents for key in await self._list_keys(each)])

    async def find(self, key_id: str, parent: str = "") -> RemoteKey | None:
        """Return the key of that id, None if the provider has none.

        Raises:
            CannotMint: the provider needs the parent too.
        """
        return await self._find(key_id, parent) if fields.is_identity(key_id) else None

    async def find_by_value(self, secret: Secret, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the keys that may have this value, by the redacted forms that the provider shows."""
        if not self.ability.hints:
            return ()
        return await self._matching(parent, lambda key: fits(key.hint, secret))

    async def find_named(self, wanted: Wanted) -> tuple[RemoteKey, ...]:
        """Return the keys with the name of a wanted key: several if the provider received the request twice."""
        return tuple(key for key in await self.list_keys(wanted.parent) if key.name == wanted.name)

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:  # noqa: ARG003
        """Return the settings that a new key takes over from a template, and those that it cannot."""
        return CopyPlan({}, ())

    async def create(self, wanted: Wanted) -> Created:
        """Create a key. The request is never repeated, so that at most one key is created.

        An answer without the key's id counts as lost, because the key could not be deleted later.
        """
        created = await self._create(wanted)
        key, value = created.key, created.secret.reveal()
        if any(value in text for text in (key.key_id, key.parent, key.owner, key.name)):
            raise ManagementUnavailable("the provider's answer has the key in place of its id", is_uncertain=True)
        if not (key.key_id or self.ability.by_value):
            raise ManagementUnavailable("the provider's answer has no id of the new key", is_uncertain=True)
        return created

    async def disable(self, key: RemoteKey) -> None:
        """Disable a key in such a way that it can be enabled again."""
        raise NotImplementedError(self.ability.sentence)

    async def delete(self, key: RemoteKey, secret: Secret | None = None) -> None:
        """Delete a key, or do nothing if it does not exist. ``secret`` is for providers that have no ids of keys."""
        if not self.ability.by_value:
            await self._delete(key)
        elif secret is not None:
            await self._delete_value(secret)

    async def _checked_parent(self, parent: str) -> str:
        if parent not in await self.parents():
            raise self._no_such_parent()
        return parent

    def _no_such_parent(self) -> NoSuchParent:
        return NoSuchParent(self.ability.parent or "parent", self._client.company)

    @abstractmethod
    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]: ...

    async def _find(self, key_id: str, parent: str) -> RemoteKey | None:
        return next(iter(await self._matching(parent, lambda key: key.key_id == key_id)), None)

    async def _matching(self, parent: str, matches: Callable[[RemoteKey], bool]) -> tuple[RemoteKey, ...]:
        parents = (parent,) if parent else await self.parents()
        return tuple([key for each in parents for key in await self._recent.matching(each, matches, self._list_keys)])

    async def _create(self, wanted: Wanted) -> Created:
        raise NotImplementedError(self.ability.sentence)

    async def _delete(self, key: RemoteKey) -> None:
        raise NotImplementedError(self.ability.sentence)

    async def _delete_value(self, secret: Secret) -> None:
        raise NotImplementedError(self.ability.sentence)

    async def _delete_at(self, path: str) -> None:
        """Delete the resource at a path, or do nothing if it does not exist."""
        await self._client.ask_if_there("DELETE", path)


def fits(hint: str, secret: Secret) -> bool:
    """Return whether a redacted form may be that of a key: it has the same beginning and end.

    A form without a gap is either the beginning or the end of the key.
    """
    hint = hint.strip()
    if not hint:
        return False
    value = secret.reveal()
    head, *rest = _GAP.split(hint)
    if not rest:
        return len(hint) < len(value) and (value.startswith(hint) or value.endswith(hint))
    tail = rest[-1]
    return bool(head or tail) and value.startswith(head) and value.endswith(tail) and len(head + tail) < len(value)
