"""Plans a new key at the provider: the key that it replaces, the settings that it copies, and its name.

Owns: finding the key in use in the provider's list, and which settings cannot be copied. Must not: create or delete a
key.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from kojikey.model.errors import Effect, NotFound
from kojikey.model.management_errors import CannotMint
from kojikey.model.minting import RemoteId
from kojikey.model.secret import Secret
from kojikey.model.timestamps import later, parsed, stamp
from kojikey.providers.management.base import CopyPlan, KeyManagement, RemoteKey, Wanted

_PLAIN = re.compile(r"[^a-z0-9._+-]+")
_SHORTEST_ACCOUNT = 1

ChooseParent = Callable[[str, tuple[str, ...]], str | None]
"""Asks a person which of several parents is meant; its arguments are the provider's word for a parent and their ids.

Returns None if nobody can be asked.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """The values of ``--like`` and ``--parent``, None if not given."""

    like: str | None = None
    parent: str | None = None


class Template(NamedTuple):
    """The key whose settings are copied (``like``), and the key in use, None if it was not found."""

    like: RemoteKey
    current: RemoteKey | None
    parent: str | None = None  # the provider's id of the parent that was chosen


class KeyPlan(NamedTuple):
    """The plan of a new key; ``wanted`` has no name yet.

    ``copied`` and ``not_copied`` name settings. ``wider`` says why the key would be allowed more than the old one, and
    is ``""`` if it would not.
    """

    wanted: Wanted
    copied: tuple[str, ...]
    not_copied: tuple[str, ...]
    wider: str


async def find_template(
    keys: KeyManagement, secret: Secret, known: RemoteId | None, choice: Choice, choose: ChooseParent
) -> Template:
    """Return the key whose settings a new key copies: the chosen one, else the one in use.

    ``known`` is the saved id of the key in use, None if there is none.

    Raises:
        CannotMint: it is not clear which key is in use, or the provider does not support ``--like`` or ``--parent``.
        NotFound, NoSuchParent: there is no key or parent with the chosen id.
        ManagementRefused, ManagementUnavailable: the provider did not answer the question.
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
    """Return the key with an id, of this parent or else of any other one; None if there is none."""
    found = await keys.find(key_id, parent)
    if found is None and parent and await keys.parents():
        found = await keys.find(key_id)
    return found


def _ensure_meaningful(keys: KeyManagement, choice: Choice) -> None:
    """Check that the provider supports the given options.

    Raises:
        CannotMint: it does not.
    """
    for option, value, is_supported in (
        ("--parent", choice.parent, bool(keys.ability.parent)),
        ("--like", choice.like, keys.ability.lists),
    ):
        if value is not None and not is_supported:
            raise CannotMint(
                f"{option} does not apply to this provider",
                effect=Effect.NOTHING_CREATED,
                hint=f"leave out {option}: a new key is like the others",
            )


async def _current(
    keys: KeyManagement, secret: Secret, known: RemoteId | None, choice: Choice, choose: ChooseParent
) -> RemoteKey | None:
    if known is not None:
        found = await keys.find(known.key_id, known.parent)
        if found is not None:
            return found
    fitting = await keys.find_by_value(secret, choice.parent or "")
    if not fitting and choice.parent:
        fitting = await keys.find_by_value(secret)  # the key in use may belong to another parent
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


def plan_for(keys: type[KeyManagement], template: RemoteKey, *, parent: str | None, now: str) -> KeyPlan:
    """Return the plan of a new key like the template. Its lifetime is as long as the template's, counted from now."""
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
    return KeyPlan(wanted, tuple(copied), tuple(not_copied), wider)


def _expiry(template: RemoteKey, now: str) -> str | None:
    if template.expires_at is None or template.created_at is None:
        return None
    # Both times are by the provider's clock, so its difference from this machine's clock does not matter.
    life = parsed(template.expires_at) - parsed(template.created_at)
    if life.total_seconds() <= 0:
        return None
    return stamp(later(parsed(now), life))


def new_token() -> str:
    """Return the unique part of a name: 8 random hex digits."""
    return secrets.token_hex(4)


def name_for(account: str, number: int, token: str, *, longest: int) -> str:
    """Return the name of a key at the provider: ``kojikey ACCOUNT vN TOKEN``, at most ``longest`` characters.

    Only the part of an e-mail address before the ``@`` is sent to the provider. If the name is too long, the account is
    cut, and never the number or the token.
    """
    ending = f" v{number} {token}"
    shown = _PLAIN.sub("-", account.partition("@")[0]) or "account"
    room = max(_SHORTEST_ACCOUNT, longest - len("kojikey ") - len(ending))
    return f"kojikey {shown[:room]}{ending}"
