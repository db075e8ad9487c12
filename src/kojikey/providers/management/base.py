"""What a provider's key-management API can do, in words that the conformance suite repeats as tests.

Owns: the interface, recognising a saved key in a provider's list, and the types that adapters return. An adapter
is one file that knows one provider's paths and members. Must not: decide what is created or deleted (operations do),
read a store, or hold a key longer than one call.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, NoSuchParent, Refusal
from kojikey.model.secret import Secret
from kojikey.providers.management import fields
from kojikey.providers.management.client import ManagementClient

_GAP = re.compile(r"(?:\.{2,}|…|\*+|•+|_{3,}|x{4,})")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A key as its provider lists it.

    ``hint`` is the redacted form that the provider shows, ``""`` where it shows none. ``parent`` is what the key
    belongs to there (a project, a team), ``owner`` who within that, where a new key needs one. ``settings`` has
    the settings that a new key can have, in the provider's own members.
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The key to create. ``expires_at`` is None for one that does not expire."""

    name: str
    token: str
    parent: str = ""
    owner: str = ""
    expires_at: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A key that was created, with its value, which the provider shows once."""

    secret: Secret
    key: RemoteKey


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What a new key takes over from a template.

    ``not_copied`` has what the template may have and a new key cannot be given. ``wider`` says why the new key would
    be allowed more than the template, or that nobody can know; it is ``""`` where it is not.
    """

    settings: Mapping[str, Any]
    copied: tuple[str, ...]
    not_copied: tuple[str, ...] = ()
    wider: str = ""


@dataclass(frozen=True, slots=True)
class Ability:
    """What can be done with a provider's keys, known without a request.

    ``admin`` is the id of the provider whose key manages these: the provider itself where keys manage themselves,
    ``""`` where the environment's identity does. ``parent`` is the provider's word for what keys belong to.
    ``hints``: the list shows enough of a key to recognise it. ``by_value``: a key is deleted by its value.
    ``sentence`` says it for people, after "kojikey".
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
    """The keys of one provider, seen with one admin credential.

    Every method may raise what :class:`.client.ManagementClient` raises: ``ManagementRefused`` (the provider said no,
    nothing was done) and ``ManagementUnavailable`` (it could not be asked; ``is_uncertain`` where it may have been
    done anyway).
    """

    ability: ClassVar[Ability]

    def __init__(self, client: ManagementClient) -> None:
        self._client = client

    async def parents(self) -> tuple[str, ...]:
        """Return the ids of everything that keys can belong to here; one empty id where there is only one place."""
        return await self._parents()

    async def checked_parent(self, parent: str) -> str:
        """Return a parent that a person named, as keys name theirs.

        Raises:
            NoSuchParent: the provider has none of that id, or does not show it to this credential.
        """
        if not fields.is_identity(parent):
            raise NoSuchParent(self.ability.parent or "parent", self._client.company)
        try:
            return await self._checked_parent(parent)
        except ManagementRefused as refused:
            if refused.refusal not in (Refusal.NOT_THERE, Refusal.REQUEST):
                raise
            raise NoSuchParent(self.ability.parent or "parent", self._client.company) from None

    async def list_keys(self, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the keys of a parent, of all parents where none is given; those that were deleted are left out."""
        parents = (parent,) if parent else await self.parents()
        return tuple([key for each in parents for key in await self._list_keys(each)])

    async def find(self, key_id: str, parent: str = "") -> RemoteKey | None:
        """Return the key of that id, None where the provider has none.

        Raises:
            CannotMint: the id alone does not say which key is meant.
        """
        return await self._find(key_id, parent) if fields.is_identity(key_id) else None

    async def find_by_value(self, secret: Secret, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the keys that may be the one with this value, by the redacted forms that the provider shows."""
        return await self._find_by_value(secret, parent)

    async def find_named(self, wanted: Wanted) -> tuple[RemoteKey, ...]:
        """Return the keys of a name that kojikey chose. More than one is there only where a request was doubled."""
        return await self._find_named(wanted)

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Return the settings that a new key takes over from a template, and those that it cannot."""
        return cls._plan(template)

    async def create(self, wanted: Wanted) -> Created:
        """Create a key. It is made at most once: this is never tried again by itself.

        An answer without the key's id counts as lost: the key could not be deleted by it.
        """
        made = await self._create(wanted)
        value = made.secret.reveal()
        if any(value in text for text in (made.key.key_id, made.key.parent, made.key.owner, made.key.name)):
            raise ManagementUnavailable("the provider's answer has the key in place of its id", is_uncertain=True)
        if not (made.key.key_id or self.ability.by_value):
            raise ManagementUnavailable("the provider's answer has no id of the new key", is_uncertain=True)
        return made

    async def disable(self, key: RemoteKey) -> None:
        """Disable a key, so that it can be enabled again."""
        await self._disable(key)

    async def delete(self, key: RemoteKey, secret: Secret | None = None) -> None:
        """Delete a key; nothing happens where it is gone already. ``secret`` is for providers that know no id."""
        if not self.ability.by_value:
            await self._delete(key)
        elif secret is not None:
            await self._delete_value(secret)

    async def _parents(self) -> tuple[str, ...]:
        return ("",)

    async def _checked_parent(self, parent: str) -> str:
        if parent not in await self.parents():
            raise NoSuchParent(self.ability.parent or "parent", self._client.company)
        return parent

    @abstractmethod
    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]: ...

    async def _find(self, key_id: str, parent: str) -> RemoteKey | None:
        return next((key for key in await self.list_keys(parent) if key.key_id == key_id), None)

    async def _find_by_value(self, secret: Secret, parent: str) -> tuple[RemoteKey, ...]:
        if not self.ability.hints:
            return ()
        return tuple(key for key in await self.list_keys(parent) if fits(key.hint, secret))

    async def _find_named(self, wanted: Wanted) -> tuple[RemoteKey, ...]:
        return tuple(key for key in await self.list_keys(wanted.parent) if key.name == wanted.name)

    @classmethod
    def _plan(cls, template: RemoteKey) -> CopyPlan:  # noqa: ARG003
        return CopyPlan({}, ())

    async def _create(self, wanted: Wanted) -> Created:
        raise NotImplementedError(self.ability.sentence)

    async def _disable(self, key: RemoteKey) -> None:
        raise NotImplementedError(self.ability.sentence)

    async def _delete(self, key: RemoteKey) -> None:
        raise NotImplementedError(self.ability.sentence)

    async def _delete_value(self, secret: Secret) -> None:
        raise NotImplementedError(self.ability.sentence)

    async def _gone(self, path: str) -> None:
        """Delete the resource at a path; a missing one was deleted before."""
        try:
            await self._client.ask("DELETE", path)
        except ManagementRefused as refused:
            if refused.refusal is not Refusal.NOT_THERE:
                raise


def fits(hint: str, secret: Secret) -> bool:
    """Return whether a redacted form may be that of a key: it begins and ends as the key does.

    A form without a gap is the beginning of the key, or its end.
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
