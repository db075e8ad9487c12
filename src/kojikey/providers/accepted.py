"""Reads what an accepted answer (2xx) tells: usage, the state of the account, what later requests need. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from kojikey.model.moment import stamp
from kojikey.model.verdict import Reason, Usage
from kojikey.providers.definition import Check, Pick, State, UsageMap

_PICKED = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_WORD_LENGTH = 60
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "number": (int, float), "flag": (bool,), "list": (list,), "object": (dict,),
    "any": (str, int, float, bool, list, dict, type(None)),
}  # fmt: skip

MOST_CHOICES = 4
"""So many values of one kind are tried in one test, where kojikey chose them."""

TYPES = tuple(_TYPES)
"""The types that a definition can give for a member."""


def has_member(body: Mapping[str, Any], name: str, kind: str) -> bool:
    """Tell whether a body has a member of that name and type."""
    if name not in body or (kind == "number" and isinstance(body[name], bool)):
        return False
    return isinstance(body[name], _TYPES[kind])


class AcceptedBody:
    """A JSON object of a provider. Members of an unexpected type count as missing."""

    def __init__(self, body: dict[str, Any], scrub: Callable[[str], str]) -> None:
        self._body, self._scrub = body, scrub

    def picked(self, pick: Pick | None) -> dict[str, tuple[str, ...]]:
        """Return what the definition wants picked, by name, the best choice first; empty where the answer has none.

        What is picked goes into a URL, so that an endpoint that sends the key back as a name finds nothing picked.
        """
        if pick is None:
            return {}
        items = self._body.get(pick.list_member) if pick.list_member else [self._body]
        usable = [item for item in items if _is_usable(item, pick)] if isinstance(items, list) else []
        usable.sort(key=lambda item: _rank(item[pick.value], pick))
        values = dict.fromkeys(item[pick.value].removeprefix(pick.strip) for item in usable)
        found = (value for value in values if _PICKED.fullmatch(value) and self._scrub(value) == value)
        choices = tuple(islice(found, MOST_CHOICES))
        return {pick.name: choices} if choices else {}

    def usage(self, usage: UsageMap | None) -> Usage | None:
        """Return the usage that the answer tells."""
        if usage is None:
            return None
        return Usage(
            unit=usage.unit,
            used=self._number(usage.used),
            limit=self._number(usage.limit),
            resets_at=self._moment(usage.resets_at_unix),
            plan=self._word(usage.plan),
            status=self._word(usage.status),
        )

    def state(self, check: Check) -> State | None:
        """Return the first state of the account that refuses something, a used-up limit last."""
        for state in check.states:
            value = self._body.get(state.member)
            if isinstance(value, str) and value in state.values:
                return state
        return _USED_UP if check.usage and self._is_used_up(check.usage) else None

    def _is_used_up(self, usage: UsageMap) -> bool:
        used, limit = self._number(usage.used), self._number(usage.limit)
        can_extend = any(self._body.get(member) is True for member in usage.extendable)
        return used is not None and limit is not None and used >= limit and not can_extend

    def _number(self, member: str) -> int | None:
        value = self._body.get(member)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _word(self, member: str) -> str | None:
        value = self._body.get(member)
        return self._scrub(value)[:_WORD_LENGTH] if isinstance(value, str) else None

    def _moment(self, member: str) -> str | None:
        seconds = self._number(member)
        try:
            return stamp(datetime.fromtimestamp(seconds, UTC)) if seconds else None
        except (ValueError, OverflowError, OSError):
            return None


_USED_UP = State("", frozenset(), Reason.QUOTA_EXHAUSTED, "the account's quota is used up")


def _is_usable(item: Any, pick: Pick) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get(pick.value), str):
        return False
    held = item.get(pick.where_member) if pick.where_member else None
    return not pick.where or (isinstance(held, list) and all(wanted in held for wanted in pick.where))


def _rank(value: str, pick: Pick) -> tuple[list[int], int]:
    matching = (number for number, regex in enumerate(pick.prefer) if regex.fullmatch(value))
    return _generation(value, pick), next(matching, len(pick.prefer))


def _generation(value: str, pick: Pick) -> list[int]:
    """Return what sorts the newest generation first: 3.10 comes before 3.9, and that before 3."""
    match = pick.generation.match(value) if pick.generation else None
    numbers = re.findall("[0-9]{1,9}", (match[1] or "") if match else "")[:4]
    return [-int(number) for number in numbers] + [0] * (4 - len(numbers))
