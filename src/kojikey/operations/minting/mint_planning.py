"""Plans a new key at the provider: which key it replaces, which settings it copies, its name.

Owns: finding the key in use in the provider's list, and saying what cannot be copied. Must not: create or delete a key.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from kojikey.model.errors import Effect, NotFound
from kojikey.model.management_errors import CannotMint
from kojikey.model.minting import AtProvider
from kojikey.model.secret import Secret
from kojikey.model.timestamps import parsed, stamp
from kojikey.providers.management.base import CopyPlan, KeyManagement, RemoteKey, Wanted

_PLAIN = re.compile(r"[^a-z0-9._+-]+")
_SHORTEST_ACCOUNT = 1

ChooseParent = Callable[[str, tuple[str, ...]], str | None]
"""Asks a person which of several parents is meant (given the provider's word for them); None where nobody can be."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was named for a new key; None where it was not."""

    like: str | None = None
    parent: str | None = None


class Template(NamedTuple):
    """The key that a new one is to be like, and the one in use as the provider has it, where it is known."""

    like: RemoteKey
    current: RemoteKey | None
    parent: str | None = None  # as the provider names the one that was chosen


class Plan(NamedTuple):
    """A new key before it is asked for; ``wanted`` has no name yet."""

    wanted: Wanted
    copied: tuple[str, ...]
    not_copied: tuple[str, ...]
    wider: str


async def find_template(
    keys: KeyManagement, secret: Secret, known: AtProvider | None, choice: Choice, choose: ChooseParent
) -> Template:
    """Return the key that the new one is to be like: the one that was named, else the one in use.

    Raises:
        CannotMint: it is not known which one is in use, or what was named cannot be named there. NotFound: none has the
            id that was named.
        NoSuchParent: there is no such parent. ManagementRefused, ManagementUnavailable: the provider did not say.
    """
    _ensure_meaningful(keys, choice)
    if choice.parent is not None:
        choice = replace(choice, parent=await keys.checked_parent(choice.parent))
    if keys.ability.by_value:
        itself = RemoteKey("")
        return Template(itself, itself, choice.parent)
    current = await _current(keys, secret, known, choice, choose)
    if choice.like is not None:
        like = await _like(keys, choice.like, choice.parent or (known.parent if known else ""))
        if like is None:
            raise NotFound(
                "the provider has no key with the id that --like names",
                effect=Effect.NOTHING_CREATED,
                hint="--like takes an id as the provider's page of keys shows it; without it, the key in use is copied",
            )
        return Template(like, current, choice.parent)
    if current is None:
        raise CannotMint(
            "kojikey cannot tell which of the provider's keys is the one in use",
            effect=Effect.NOTHING_CREATED,
            hint="name it, or another key to copy the settings from: --like KEY-ID",
        )
    return Template(current, current, choice.parent)


async def _like(keys: KeyManagement, key_id: str, parent: str) -> RemoteKey | None:
    """Return the key of an id: of a parent, else of any other that the provider shows."""
    found = await keys.find(key_id, parent)
    if found is None and parent and await keys.parents():
        found = await keys.find(key_id)
    return found


def _ensure_meaningful(keys: KeyManagement, choice: Choice) -> None:
    """Check that what was named can be named at the provider.

    Raises:
        CannotMint: it cannot.
    """
    for option, named, is_there in (
        ("--parent", choice.parent, bool(keys.ability.parent)),
        ("--like", choice.like, keys.ability.lists),
    ):
        if named is not None and not is_there:
            raise CannotMint(
                f"{option} does not apply to this provider",
                effect=Effect.NOTHING_CREATED,
                hint=f"leave out {option}: a new key is like the others",
            )


async def _current(
    keys: KeyManagement, secret: Secret, known: AtProvider | None, choice: Choice, choose: ChooseParent
) -> RemoteKey | None:
    if known is not None:
        found = await keys.find(known.key_id, known.parent)
        if found is not None:
            return found
    fitting = await keys.find_by_value(secret, choice.parent or "")
    if not fitting and choice.parent:
        fitting = await keys.find_by_value(secret)  # the new key is to belong to something else
    parents = tuple(dict.fromkeys(key.parent for key in fitting))
    if len(parents) > 1 and choice.like is None:
        chosen = choose(keys.ability.parent, parents)
        fitting = tuple(key for key in fitting if key.parent == chosen) if chosen else fitting
    if len(fitting) > 1 and choice.like is None:
        where = f" (of the {keys.ability.parent}s {', '.join(parents)}: --parent ID)" if len(parents) > 1 else ""
        raise CannotMint(
            "more than one of the provider's keys may be the one in use",
            effect=Effect.NOTHING_CREATED,
            hint=f"name it: --like KEY-ID{where}",
        )
    return fitting[0] if len(fitting) == 1 else None


def plan_for(keys: type[KeyManagement], template: RemoteKey, *, parent: str | None, now: str) -> Plan:
    """Return what a new key is to be like; its life is as long as the template's, from now on."""
    copy: CopyPlan = keys.plan(template)
    copied, not_copied = list(copy.copied), list(copy.not_copied)
    expires_at = _expiry(template, now)
    if template.expires_at is not None:
        (copied if expires_at else not_copied).append("expiry")
    wider = copy.wider
    if template.expires_at is not None and expires_at is None:
        wider = wider or "the lifetime of the old key is not known, and a new one would not expire"
    where = template.parent if parent is None else parent
    wanted = Wanted("", "", where, template.owner, expires_at, copy.settings)
    return Plan(wanted, tuple(copied), tuple(not_copied), wider)


def _expiry(template: RemoteKey, now: str) -> str | None:
    if template.expires_at is None or template.created_at is None:
        return None
    # Both by the provider's clock, whose difference from ours falls out.
    life = parsed(template.expires_at) - parsed(template.created_at)
    if life.total_seconds() <= 0:
        return None
    return stamp(datetime.fromtimestamp(parsed(now).timestamp(), UTC) + life)


def new_token() -> str:
    """Return the unique part of a name."""
    return secrets.token_hex(4)


def name_for(account: str, number: int, token: str, *, longest: int) -> str:
    """Return what a key is called at the provider: ``kojikey ACCOUNT vN TOKEN``.

    Of an e-mail address the part before the ``@`` alone leaves this machine. The account is cut where the provider
    takes no longer names, the number and the token never are.
    """
    ending = f" v{number} {token}"
    shown = _PLAIN.sub("-", account.partition("@")[0]) or "account"
    room = max(_SHORTEST_ACCOUNT, longest - len("kojikey ") - len(ending))
    return f"kojikey {shown[:room]}{ending}"
