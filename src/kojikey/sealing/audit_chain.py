"""The links of an account's audit trail: each covers an event and the link before it.

Owns: the bytes that are authenticated. Must not: know the meaning of an event, or keep events; operations do.

A link is made with a key derived from the account's data key. An event without the KEK gets an unsigned link, a
plain hash: it continues the chain, but anybody could have made it. The head binds the number of the last event, so
a truncated trail is noticed.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


NO_LINK = ""
"""What comes before an account's first event."""

_LINK = b"kojikey/1 link\n"
_UNSIGNED = b"kojikey/1 unsigned link\n"
_HEAD = b"kojikey/1 head\n"


def link(key: bytes, previous: str, event: dict[str, Any]) -> str:
    """Return the link of an event, 64 hex characters. A member ``mac`` of the event is left out."""
    return _hmac(key, _LINK + _covered(previous, event))


def unsigned_link(previous: str, event: dict[str, Any]) -> str:
    """Return the link of an event that was made without the KEK: proof of nothing but its order."""
    import hashlib

    return hashlib.sha256(_UNSIGNED + _covered(previous, event)).hexdigest()


def head(key: bytes, seq: int, mac: str) -> str:
    """Return the HMAC of the number and the link of the last event, 64 hex characters."""
    return _hmac(key, _HEAD + f"{seq}\n{mac}".encode())


def same(found: object, expected: str) -> bool:
    """Compare a link from the store with the expected one, in constant time."""
    import hmac

    # What a store holds may be anything: a missing mac, a number, text that no encoding takes.
    return isinstance(found, str) and found.isascii() and hmac.compare_digest(found, expected)


def _covered(previous: str, event: dict[str, Any]) -> bytes:
    content = {name: value for name, value in event.items() if name != "mac"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    # JSON of one line: nothing in `previous` or in the event can pass for the border between them.
    return f"{json.dumps(previous)}\n{canonical}".encode("ascii")


def _hmac(key: bytes, message: bytes) -> str:
    import hmac

    return hmac.digest(key, message, "sha256").hex()
