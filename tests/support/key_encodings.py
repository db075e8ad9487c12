"""The encodings of a key, for the tests of finding and masking.

Owns: encoding, with other functions than the code under test. Must not: assert anything.
"""

from __future__ import annotations

import base64
import json
import random
import urllib.parse
from collections.abc import Callable

Encode = Callable[[str, random.Random], bytes]


def mixed(key: str, chance: random.Random) -> bytes:
    """Return a key with at least one character percent-encoded or as a JSON escape."""
    ways = ["%c", "%%%02x", "%%%02X", "\\u%04x", "\\u%04X"]
    at = chance.randrange(len(key))
    parts = [ways[4 if number == at else chance.randrange(5)] for number in range(len(key))]
    return "".join(way % ord(character) for way, character in zip(parts, key, strict=True)).encode()


def in_base64(encode: Callable[[bytes], bytes]) -> Encode:
    def encoded(key: str, chance: random.Random) -> bytes:
        return encode(chance.randbytes(chance.randrange(200)) + key.encode() + chance.randbytes(chance.randrange(200)))

    return encoded


def as_pem(data: bytes) -> bytes:
    text = base64.b64encode(data)
    return b"\r\n".join(text[at : at + 64] for at in range(0, len(text), 64))


ENCODINGS: dict[str, tuple[Encode, set[str]]] = {
    "as it is": (lambda key, _: key.encode(), {"plain"}),
    "base64": (in_base64(base64.b64encode), {"base64"}),
    "base64url": (in_base64(base64.urlsafe_b64encode), {"base64", "base64url"}),
    "base64 of MIME": (in_base64(base64.encodebytes), {"base64"}),
    "base64 of PEM": (in_base64(as_pem), {"base64"}),
    "UTF-16, little-endian": (lambda key, _: key.encode("utf-16-le"), {"utf-16"}),
    "UTF-16, big-endian": (lambda key, _: key.encode("utf-16-be"), {"utf-16"}),
    "percent-encoded": (lambda key, _: urllib.parse.quote(key, safe="").encode(), {"plain", "percent"}),
    "all percent-encoded": (lambda key, _: "".join(f"%{ord(c):02x}" for c in key).encode(), {"percent"}),
    "JSON": (lambda key, _: json.dumps(key).encode(), {"plain", "json"}),
    "JSON of PHP": (lambda key, _: json.dumps(key).replace("/", "\\/").encode(), {"plain", "json"}),
    "all JSON escapes": (lambda key, _: "".join(f"\\u{ord(c):04x}" for c in key).encode(), {"json"}),
    "some characters escaped": (mixed, {"percent", "json"}),
    "base64, percent-encoded": (
        lambda key, _: urllib.parse.quote(base64.b64encode(key.encode()), safe="").encode(),
        {"base64"},
    ),
    "base64 in JSON of PHP": (
        lambda key, _: base64.b64encode(b"\xff\xfe\xff" + key.encode() + b"\xff\xff\xff").replace(b"/", b"\\/"),
        {"base64"},
    ),
}
