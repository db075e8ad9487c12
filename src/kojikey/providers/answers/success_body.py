"""Reads an accepted answer (2xx): usage, permissions, expiry, the account's state, and values for later requests.

Pure. A member of an unexpected type counts as missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from kojikey.model import timestamps
from kojikey.model.verdict import Reason, Usage
from kojikey.providers.answers.member import value_at, values_at
from kojikey.providers.definition import MODEL, Check, Pick, State, UsageMap

_WORD_LENGTH = 60
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "number": (int, float), "flag": (bool,), "list": (list,), "object": (dict,),
    "any": (str, int, float, bool, list, dict, type(None)),
}  # fmt: skip

MOST_CHOICES = 4
"""At most so many models or voices of kojikey's own choice are tried in one test."""

TYPES = tuple(_TYPES)
"""The types that a definition can give for a member."""


def has_member(body: Any, path: str, kind: str) -> bool:
    """Return whether a body has a member of that type at that path."""
    found = values_at(body, path)[:1]
    return bool(found) and isinstance(found[0], _TYPES[kind]) and not (kind == "number" and isinstance(found[0], bool))


_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_UNIT = re.compile(r"[A-Za-z]{1,12}")
_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9_.:*/@-]{1,99}")
_MOST_PERMISSIONS = 100


class AcceptedBody:
    """The JSON of an accepted answer: an object or, at some providers, a list."""

    def __init__(self, document: Any, scrub: Callable[[str], str]) -> None:
        self._document, self._scrub = document, scrub

    def picked(self, pick: Pick | None) -> dict[str, tuple[str, ...]]:
        """Return the values for a placeholder of later requests, the best first; ``{}`` if the answer has none.

        A picked value goes into a URL, so a value that contains the key is never picked.
        """
        if pick is None:
            return {}
        items = self._items(pick.list_member)
        usable = [item for item in items if _is_usable(item, pick)]
        usable.sort(key=lambda item: _rank(item[pick.value], pick))
        values = dict.fromkeys(item[pick.value].removeprefix(pick.strip) for item in usable)
        found = (value for value in values if MODEL.fullmatch(value) and self._scrub(value) == value)
        choices = tuple(islice(found, MOST_CHOICES))
        return {pick.name: choices} if choices else {}

    def has_model(self, check: Check, model: str) -> bool:
        """Return whether the answer lists the model; True if the check says nothing of a list."""
        return not check.model_in or model in values_at(self._document, check.model_in)

    def usage(self, usage: UsageMap | None) -> Usage | None:
        """Return the usage that the answer reports."""
        if usage is None:
            return None
        used, limit, remaining = (self._number(path) for path in (usage.used, usage.limit, usage.remaining))
        if limit is not None and remaining is not None:
            # "used" may count from the key's creation and the limit by the month
            used = _plain_number(round(limit - remaining, 6))
        if limit is not None and used is not None and remaining is None:
            remaining = max(0, _plain_number(round(limit - used, 6)))
        unit = value_at(self._document, usage.unit_from)
        return Usage(
            unit=unit if isinstance(unit, str) and _UNIT.fullmatch(unit) else usage.unit,
            used=used,
            limit=limit,
            remaining=remaining,
            resets_at=_stamped(self._number(usage.resets_at_unix)),
            plan=self._word(usage.plan),
            status=self._word(usage.status),
        )

    def permissions(self, check: Check) -> tuple[str, ...] | None:
        """Return the key's permissions, None if the answer does not report them."""
        found = (value for path in check.permissions for value in values_at(self._document, path))
        lists = [value for value in found if isinstance(value, list)]
        if not lists:
            return None
        names = [name for names in lists for name in names if isinstance(name, str) and _PERMISSION.fullmatch(name)]
        return tuple(dict.fromkeys(name for name in names if self._scrub(name) == name))[:_MOST_PERMISSIONS]

    def expires_at(self, check: Check) -> str | None:
        """Return when the key expires (RFC 3339 UTC), None if the answer does not report it."""
        found = (value_at(self._document, path) for path in check.expires_at)
        return next((stamp for stamp in map(_stamped, found) if stamp), None)

    def state(self, check: Check, *, capabilities: tuple[str, ...] | None, now: str) -> State | None:
        """Return the first state that counts against the key: expiry first, a used-up limit last.

        ``capabilities`` are the requested ones, None for all.
        """
        expires = self.expires_at(check)
        if expires and expires <= now:
            return _EXPIRED
        for state in check.states:
            is_asked_for = not state.capability or capabilities is None or state.capability in capabilities
            if is_asked_for and self._holds(state, check):
                return state
        return _USED_UP if check.usage and self._is_used_up(check.usage) else None

    def _holds(self, state: State, check: Check) -> bool:
        value = value_at(self._document, state.member)
        if state.values and _as_text(value) not in state.values:
            return False
        if state.at_most is not None:
            number = _as_number(value)
            if number is None or number > state.at_most:
                return False
        if state.lacks is None:
            return True
        permissions = self.permissions(check)
        return permissions is not None and not any(map(state.lacks.fullmatch, permissions))

    def _is_used_up(self, usage: UsageMap) -> bool:
        if usage.remaining:
            return False
        used, limit = self._number(usage.used), self._number(usage.limit)
        can_extend = any(value_at(self._document, member) is True for member in usage.extendable)
        return used is not None and limit is not None and used >= limit and not can_extend

    def _items(self, path: str) -> list[Any]:
        found = values_at(self._document, path)
        return found[0] if path and len(found) == 1 and isinstance(found[0], list) else found

    def _number(self, path: str) -> int | float | None:
        return _as_number(value_at(self._document, path))

    def _word(self, path: str) -> str | None:
        value = value_at(self._document, path)
        return self._scrub(value)[:_WORD_LENGTH] if isinstance(value, str) else None


_USED_UP = State(Reason.QUOTA_EXHAUSTED, detail="the account's quota is used up")
_EXPIRED = State(Reason.EXPIRED)


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def _as_number(value: Any) -> int | float | None:
    """Return a number, also one that is written as text; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return _plain_number(float(value)) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return _plain_number(value) if abs(value) < 1e15 else None


def _plain_number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _stamped(value: Any) -> str | None:
    """Return a provider's time (RFC 3339, or seconds since 1970) as RFC 3339 UTC, None if the value is no time."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return timestamps.stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return timestamps.stamp(datetime.fromtimestamp(value, UTC)) if is_number and value > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def _is_usable(item: Any, pick: Pick) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get(pick.value), str):
        return False
    held = item.get(pick.where_member) if pick.where_member else None
    return not pick.where or (isinstance(held, list) and all(wanted in held for wanted in pick.where))


def _rank(value: str, pick: Pick) -> tuple[list[int], int]:
    matching = (number for number, regex in enumerate(pick.prefer) if regex.fullmatch(value))
    return _generation(value, pick), next(matching, len(pick.prefer))


def _generation(value: str, pick: Pick) -> list[int]:
    """Return a sort key that puts the newest generation first: 3.10, then 3.9, then 3."""
    match = pick.generation.match(value) if pick.generation else None
    numbers = re.findall("[0-9]{1,9}", (match[1] or "") if match else "")[:4]
    return [-int(number) for number in numbers] + [0] * (4 - len(numbers))
