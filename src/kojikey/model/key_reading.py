"""Reads keys from their documents, many at once, and refuses each document that kojikey cannot have written.

Owns: the form that a document must have; a writer of the store can put anything there. Must not: know a store, or say
why a document is refused.

A store of a million keys is read at the speed of its engine only if Python does no work for single keys. So msgspec
parses a text, checks the types and creates the objects in one call, and each form (names, stamps, fingerprints,
printable text) is checked for all keys of a page together. If a page fails, its documents are checked one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from kojikey.model import plain_text, validators
from kojikey.model.key import Key, Stage, TestRecord, Version
from kojikey.model.minting import MintIntent
from kojikey.model.verdict import Outcome, Reason

_decode: Callable[[Any], Key] = msgspec.json.Decoder(Key).decode
# Each matches any number of texts, with a line end after each. Possessive, also the repeat at the end of each pattern:
# a damaged page is refused quickly, and a good one takes less time.
_ACCOUNTS, _PROVIDERS, _FINGERPRINTS = (
    re.compile(rf"(?:{pattern}+\n)*+") for pattern in (plain_text.NAME, validators.NAME, validators.FINGERPRINT)
)
_STAMP_LENGTH = len("2026-11-23T04:47:00Z")
_OUTCOMES, _REASONS = frozenset(map(str, Outcome)), frozenset(map(str, Reason))
_PENDING: dict[str, Callable[[object], Any]] = {
    "models": validators.texts,
    "capabilities": validators.texts,
    "label": validators.text,
    "rotate_after_days": validators.days,
}


def read_keys(texts: Sequence[Any]) -> Sequence[Key | None]:
    """Return the key in each text, None for a text that kojikey cannot have written."""
    try:
        keys = list(map(_decode, texts))
        if _are_well_formed(keys) and (_are_plain(texts) or _are_printable(keys)):
            return keys
    except (msgspec.DecodeError, TypeError, ValueError, KeyError, RecursionError):
        pass
    return [None] if len(texts) == 1 else [key for text in texts for key in read_keys((text,))]


def _are_plain(texts: Sequence[str]) -> bool:
    """Return whether the documents are ASCII without escapes: then every string in them is printable.

    JSON allows no control characters in a string but DEL; all others need an escape, which begins with a backslash.
    """
    joined = "".join(texts)
    return joined.isascii() and "\\" not in joined and "\x7f" not in joined


def _are_printable(keys: Sequence[Key]) -> bool:
    return all(text.isprintable() for text in _texts_in(msgspec.to_builtins(keys)))


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_in(item)


def _are_well_formed(keys: Sequence[Key]) -> bool:
    versions = list(chain.from_iterable([key.versions for key in keys]))  # faster than two loops in one expression
    tests = [version.last_test for version in versions if version.last_test is not None]
    return (
        _all_match(_ACCOUNTS, [key.account for key in keys])
        and _all_match(_PROVIDERS, {key.provider for key in keys})
        and _all_match(_FINGERPRINTS, [version.fingerprint for version in versions])
        and _are_stamps(_stamps(keys, versions, tests))
        and {test.outcome for test in tests} <= _OUTCOMES
        and {test.reason for test in tests} <= _REASONS
        and _agree(keys)
    )


def _all_match(pattern: re.Pattern[str], texts: Collection[str]) -> bool:
    """Return whether each text, as a line, matches a pattern of lines; a text with a line end in it does not."""
    joined = "\n".join([*texts, ""])
    return joined.count("\n") == len(texts) and pattern.fullmatch(joined) is not None


def _stamps(keys: Iterable[Key], versions: Iterable[Version], tests: Iterable[TestRecord]) -> set[str]:
    # Loops with conditions are faster here than comprehensions: most keys have few stamps.
    found: set[str] = set()
    for key in keys:
        found.add(key.created_at)
        if key.rotated_at is not None:
            found.add(key.rotated_at)
    for version in versions:
        found.add(version.created_at)
        if version.promoted_at is not None:
            found.add(version.promoted_at)
        if version.expires_at is not None:
            found.add(version.expires_at)
    for test in tests:
        found.add(test.tested_at)
        if test.last_valid_at is not None:
            found.add(test.last_valid_at)
    return found


def _are_stamps(found: Collection[str]) -> bool:
    """Return whether each text is a moment as :func:`~kojikey.model.timestamps.stamp` writes it."""
    stamps = list(found)
    if set(map(len, stamps)) != {_STAMP_LENGTH}:  # a fraction, no time zone, or another one than UTC
        return False
    moments: list[datetime] = msgspec.convert(stamps, list[datetime])
    return bytes(msgspec.json.encode(moments)) == msgspec.json.encode(stamps)  # reading and writing changes no stamp


def _agree(keys: Sequence[Key]) -> bool:
    """Return whether the members of each key are consistent: no two versions in one stage, and one version in use."""
    current = Stage.CURRENT
    unusual = [  # most keys have one version and no intent; this check of them is faster
        key
        for key in keys
        if len(key.versions) != 1
        or (only := key.versions[0]).stage is not current
        or only.number >= key.next_version
        or only.pending is not None
        or key.minting is not None
        or key.unfound
    ]
    return all(map(_agrees, unusual))


def _agrees(key: Key) -> bool:
    versions = key.versions
    stages, numbers = {version.stage for version in versions}, {version.number for version in versions}
    return (
        len(versions) == len(stages) == len(numbers)
        and Stage.CURRENT in stages
        and max(numbers) < key.next_version
        and (len(versions) > 1 or versions[0].pending is None)
        and all(version.pending is None or _is_pending(version.pending) for version in versions)
        and all(map(_is_intent, key.unfound if key.minting is None else (*key.unfound, key.minting)))
    )


def _is_pending(settings: dict[str, Any]) -> bool:
    for name, setting in settings.items():
        _PENDING[name](setting)
    return True


def _is_intent(intent: MintIntent) -> bool:
    validators.stamp(intent.begun_at)
    validators.optional(validators.account, intent.admin_account)
    return True
