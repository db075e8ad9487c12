"""Parses and renders the text of sealed records: compact JWE (RFC 7516, section 7.1), strictly, without cryptography.

Owns: the one form that is written and read: ``alg: dir``, ``enc: A256GCM``, and a header of exactly ``alg``, ``enc``,
``kid`` and ``kjk`` (the place that the record is bound to). Must not: decrypt, or repeat a record's content.

There are two failures. *Changed*: the text is damaged, or its header contradicts itself. *Unsupported*: a well-formed
JWE with another algorithm or an unknown header member, which a newer kojikey may have written.
"""

from __future__ import annotations

import json

from kojikey.model.errors import Effect, RecordChanged, RecordUnsupported, UsageError
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.ref import record_in_words
from kojikey.sealing import base64url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RECORD_LIMIT = 16 * 1024  # characters of a record
HEADER_LIMIT = 4 * 1024  # bytes of a decoded header
IV_BYTES = 12  # RFC 7518, section 5.3
TAG_BYTES = 16  # RFC 7518, section 5.3
_KID_LIMIT = 256

Members = dict[str, type]
VERSION_PLACE: Members = {"store": str, "account": str, "provider": str, "version": int, "base_url": str}
"""The members of ``kjk`` in the record of a key's version, in the order in which they are written."""
DATA_KEY_PLACE: Members = {"store": str, "account": str}
"""The members of ``kjk`` in the record of an account's wrapped data key."""

_PLACE_MEMBERS = VERSION_PLACE.keys() | DATA_KEY_PLACE.keys()
_HEADER_MEMBERS = frozenset(("alg", "enc", "kid", "kjk"))


class Record(NamedTuple):
    """The parts of a record. ``protected`` is the encoded header, which is also the AEAD's additional data."""

    protected: str
    kid: str
    place: dict[str, Any]
    iv: bytes
    ciphertext: bytes
    tag: bytes


def protect(kid: str, place: dict[str, Any]) -> str:
    """Return the encoded protected header.

    Raises:
        UsageError: it would be larger than :func:`parse` allows; nothing was sealed.
    """
    header = {"alg": "dir", "enc": "A256GCM", "kid": kid, "kjk": place}
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    if len(encoded) > HEADER_LIMIT:
        raise UsageError("the base URL is too long to be kept", effect=Effect.NOTHING_SEALED)
    return base64url.encode(encoded)


def render(protected: str, iv: bytes, ciphertext: bytes, tag: bytes) -> str:
    """Return the text of a record.

    Raises:
        UsageError: it would be larger than :func:`parse` allows; nothing was sealed.
    """
    text = ".".join((protected, "", *(base64url.encode(part) for part in (iv, ciphertext, tag))))
    if len(text) > RECORD_LIMIT:
        raise UsageError("the key is too long to be kept", effect=Effect.NOTHING_SEALED)
    return text


def parse(text: str, members: Members, *, where: str) -> Record:
    """Return the parts of a record whose ``kjk`` has exactly those members. Only the form is checked.

    Raises:
        RecordChanged: it is damaged, or kojikey does not write it so.
        RecordUnsupported: it is a JWE in a form that this version does not read.
    """
    # not only text: someone may have edited the store's document by hand
    if not isinstance(text, str) or len(text) > RECORD_LIMIT or text.count(".") != 4:
        raise RecordChanged(where, "is damaged")
    protected, encrypted_key, iv, ciphertext, tag = text.split(".")
    header = _header(_bytes(protected, where), where)
    _check_form(header, where)
    if encrypted_key:
        raise RecordChanged(where, "is damaged: it has an encrypted key, which the algorithm dir does not allow")
    kid, place = header["kid"], header["kjk"]
    _check_place(place, members, where)
    record = Record(protected, kid, place, _bytes(iv, where), _bytes(ciphertext, where), _bytes(tag, where))
    if len(record.iv) != IV_BYTES or len(record.tag) != TAG_BYTES:
        raise RecordChanged(where, "is damaged")
    return record


def _bytes(part: str, where: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise RecordChanged(where, "is damaged") from None


def _header(encoded: bytes, where: str) -> dict[str, Any]:
    header: Any = None
    if len(encoded) <= HEADER_LIMIT:
        try:
            header = _DECODER.decode(encoded.decode("utf-8"))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise RecordChanged(where, "is damaged: its header cannot be read")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7516, section 4: names of header members must be unique, because readers differ in which duplicate they use
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _check_form(header: dict[str, Any], where: str) -> None:
    alg, enc = header.get("alg"), header.get("enc")
    if not isinstance(alg, str) or not isinstance(enc, str):
        raise RecordChanged(where, "is damaged: its header names no algorithm")
    if (alg, enc) != ("dir", "A256GCM"):
        raise _unsupported(where, "uses another algorithm than dir with A256GCM")
    if not header.keys() <= _HEADER_MEMBERS:
        raise _unsupported(where, "has header members that this version does not know")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _KID_LIMIT or not isinstance(header.get("kjk"), dict):
        raise RecordChanged(where, "is damaged: its header does not say what it belongs to")


def _check_place(place: dict[str, Any], members: Members, where: str) -> None:
    if not place.keys() <= _PLACE_MEMBERS:
        raise _unsupported(where, "is bound to something that this version does not know")
    if place.keys() != members.keys():
        raise RecordChanged(where, "is of another kind")
    # `type() is`, because isinstance(True, int)
    if any(type(place[name]) is not kind for name, kind in members.items()):
        raise RecordChanged(where, "is damaged: its header does not say what it belongs to")


def _unsupported(where: str, what: str) -> RecordUnsupported:
    return RecordUnsupported(
        f"{record_in_words(where)} {what}; it was not opened",
        where=where,
        hint="a newer kojikey may have written it: upgrade, or restore the record",
    )
