"""The links of an account's audit trail: each covers an event and the link before it.

Owns: the bytes that are authenticated. Must not: know the meaning of an event, or keep events; operations do.

A link is an HMAC with a key derived from the account's data key. An event without the KEK gets an unsigned link, a
plain hash: it continues the chain, but anybody could have computed it. The head authenticates the number of the last
event, so that a truncated trail is noticed.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


NO_LINK = ""
"""The link before an account's first event."""

_LINK = b"kojikey/1 link\n"
_UNSIGNED = b"kojikey/1 unsigned link\n"
_HEAD = b"kojikey/1 head\n"


def link(key: bytes, previous: str, event: dict[str, Any]) -> str:
    """Return the link of an event, 64 hex characters; its member ``mac`` is not covered."""
    return _hmac(key, _LINK + _covered(previous, event))


def unsigned_link(previous: str, event: dict[str, Any]) -> str:
    """Return the link of an event without the KEK, 64 hex characters; it proves only the order of events."""
    import hashlib

    return hashlib.sha256(_UNSIGNED + _covered(previous, event)).hexdigest()


def head(key: bytes, seq: int, mac: str) -> str:
    """Return the HMAC of the number and the link of the last event, 64 hex characters."""
    return _hmac(key, _HEAD + f"{seq}\n{mac}".encode())


def same(found: object, expected: str) -> bool:
    """Compare a link from the store with the expected one, in constant time."""
    import hmac

    # a store may hold anything: no mac, a number, or a text that cannot be encoded
    return isinstance(found, str) and found.isascii() and hmac.compare_digest(found, expected)


def _covered(previous: str, event: dict[str, Any]) -> bytes:
    content = {name: value for name, value in event.items() if name != "mac"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    # JSON has no line end in it, so nothing in `previous` or the event can look like the line end between them
    return f"{json.dumps(previous)}\n{canonical}".encode("ascii")


def _hmac(key: bytes, message: bytes) -> str:
    import hmac

    return hmac.digest(key, message, "sha256").hex()
