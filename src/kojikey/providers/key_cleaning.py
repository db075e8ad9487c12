"""Turns pasted text into a key that may be sent: repairs the text if that is safe, else refuses it with the reason.

Must not: repeat any part of the key in a note, a warning or an error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from kojikey.model.errors import Effect, MalformedKey
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.other_companies import foreign_owner

LONGEST = 4096

# Unicode's white space except U+001C to U+001F, which only Python counts as white space
_EDGE = " \t\r\n\v\f\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LINE_END = re.compile(r"(?:\r\n|\n|\r)\Z")
_QUOTES = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_INVISIBLE = "\u00ad\u034f\u115f\u1160\u180e\u2800\u3164\ufeff\uffa0"
_ASSIGNMENT = re.compile(r"(?:(?:export|set|setx|declare -x)\s+|\$env:)?[A-Za-z_][A-Za-z0-9_]{0,63}\s*=\s*[^=\s]", re.I)
_HEADER = re.compile(r"(?:x-[a-z-]+|[a-z-]*(?:api[-_]?key|authorization)|token)\s*:", re.IGNORECASE)
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey)[ \t:]+\S", re.IGNORECASE)
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_FORCE_SHAPE = "if it is the right key, send it with --force-shape"
_TOKENS = (
    (re.compile(r"ya29\.[\w.-]+"), "it is an OAuth access token of Google, which expires within the hour"),
    (_JWT, "it is a JSON Web Token, which is not an API key and expires"),
    (re.compile(r"sutkn_\w+"), "it is a single-use token of ElevenLabs, which expires within minutes"),
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A key that may be sent. ``notes`` name the repairs; ``warning`` names an unusual form that is not refused.

    ``shape`` is the name of the key's known shape, None if it has none.
    """

    secret: Secret
    notes: tuple[str, ...]
    shape: str | None
    warning: str | None


def clean(
    text: str, definition: Definition, others: Catalog, *, force_shape: bool = False, command: str = "add"
) -> Cleaned:
    """Return the key in a text that was read, without white space and line ends around it.

    ``force_shape`` accepts a key whose shape belongs to another provider; an unknown shape is only a warning. A hint
    suggests ``command`` for the provider that the key belongs to.

    Raises:
        MalformedKey: the text is not a key of this provider; the message says what it is, without repeating it.
    """
    whole = text.removeprefix("\ufeff")  # a byte-order mark, which Windows programs write
    key = whole.strip(_EDGE)
    problem = next(_problems(key), None)
    if problem:
        raise _malformed(definition, *problem)
    shape = definition.shape_of(key)
    if shape and shape.refused and not force_shape:
        raise _malformed(
            definition, shape.refused, _other_place(definition, others.sibling_of(key, definition), command)
        )
    if shape is None and not force_shape:
        _refuse_foreign(key, definition, others, command)
    # one line end needs no note: every pipe and editor adds it
    is_repaired = key != _LINE_END.sub("", whole)
    notes = ("white space or line ends around the key were removed",) if is_repaired else ()
    return Cleaned(Secret(key), notes, shape.name if shape else None, _warning(definition, key))


def _problems(key: str) -> Iterator[tuple[str, str]]:
    """Yield the problems of a key, each with the hint for it, the most specific first."""
    if not key:
        yield "it is empty", "copy the key again"
    if len(key) > LONGEST:
        yield f"it is longer than {LONGEST} characters", "copy only the key"
    if key[:1] in _QUOTES or key[-1:] in _QUOTES:
        yield "it is wrapped in quotes", "remove the quotes"
    yield from _bad_characters(key)
    if _SCHEME.match(key):
        yield "it begins with Bearer or a similar word, as in a header", "remove that word"
    if _HEADER.match(key):
        yield "it is a whole header, with its name", "copy only what follows the colon"
    if _ASSIGNMENT.match(key):
        yield "it is NAME=value, as in a settings file", "copy only what follows the ="
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", key):
        yield "it is a URL", "copy only the key"
    if key[:1] in "{[<":
        yield "it is JSON or markup", "copy only the value of the key"
    if any(character.isspace() for character in key):
        yield "it contains white space", "copy the key again, in one piece"
    if "***" in key or "..." in key:
        yield "it is a masked or shortened form of a key", "a provider shows the whole key once, when it is created"
    for regex, what in _TOKENS:
        if regex.fullmatch(key):
            yield what, "create an API key instead"


def _bad_characters(key: str) -> Iterator[tuple[str, str]]:
    for character in key:
        if " " <= character <= "~" or character in "\t\n\r\v\f":
            continue  # white space within a key has a message of its own
        category = unicodedata.category(character)
        if category == "Cc":
            yield "it contains a control character", "copy the key again, as plain text"
        elif category == "Cf" or character in _INVISIBLE:
            yield "it contains an invisible (zero-width) character", "copy the key again, as plain text"
        elif character in "\u2022\u25cf\u2026\u00b7":
            yield "it is a masked or shortened form of a key", "a provider shows the whole key once, when it is created"
        elif category != "Zs":
            yield "it contains a character that is not ASCII", "copy the key again, as plain text"


def _refuse_foreign(key: str, definition: Definition, others: Catalog, command: str) -> None:
    owner = others.owner_of(key, other_than=definition)
    company = others.definitions[owner].name if owner else foreign_owner(key, at=definition)
    if company:
        hint = Hint(_at(owner, command), f" takes it there; {_FORCE_SHAPE}") if owner else _FORCE_SHAPE
        raise _malformed(definition, f"it looks like a key of {company}", hint)


def _at(provider: str, command: str) -> Hint:
    """Return the command that takes a key from a prompt or a pipe at another provider."""
    return next_step("test", provider, "--stdin") if command == "test" else next_step("add", provider)


def _other_place(definition: Definition, sibling: str | None, command: str) -> str:
    """Return the hint for a key of the same company's other kind (for models, or to manage keys)."""
    other = f"create one at {definition.pages.keys}, or send this one with --force-shape"
    return Hint(_at(sibling, command), f" takes it; for {definition.id}, {other}") if sibling else other


def _malformed(definition: Definition, what: str, hint: str) -> MalformedKey:
    article = "an" if definition.name[:1] in "AEIOU" else "a"
    return MalformedKey(
        f"that is not {article} {definition.name} key: {what}", hint=hint, effect=Effect.NOTHING_SENT_OR_SAVED
    )


def _warning(definition: Definition, key: str) -> str | None:
    shape = definition.shape_of(key)
    if shape is not None:
        return shape.retired or shape.refused or None
    if not definition.shapes:
        return None
    return f"the key does not look like any known {definition.name} key; it is used as it is"
