"""Writes the vectors: ``python tests/sealing/make_vectors.py [FOLDER]``, by default beside this file.

Owns: one file for each vector, each with only one fault, with fixed keys and IVs. Must not: use kojikey; the vectors
are an independent implementation of a record, from RFC 7516 and the contract alone.
"""

from __future__ import annotations

import hmac
import json
import os
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Vector = dict[str, Any]
Json = dict[str, Any]

KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))
IV = bytes(range(100, 112))
PLAINTEXT = "sk_0123456789abcdef0123456789abcdef"
DATA_KEY = bytes(range(64, 96))
PLACE = {
    "store": "1f0e8c52b7d94a3e",
    "account": "acme",
    "provider": "elevenlabs",
    "version": 3,
    "base_url": "https://api.elevenlabs.io",
}
DATA_KEY_PLACE = {"store": "1f0e8c52b7d94a3e", "account": "acme"}


def hkdf_id(info: bytes) -> str:
    """Return 8 bytes of HKDF-SHA256 of KEY without salt (RFC 5869, sections 2.2 and 2.3), in hex."""
    pseudorandom_key = hmac.digest(bytes(32), KEY, "sha256")
    return hmac.digest(pseudorandom_key, info + b"\x01", "sha256")[:8].hex()


KID = hkdf_id(b"kojikey/1 data key id")
KEK_ID = hkdf_id(b"kojikey/1 kek id")


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def header(place: Json, kid: str, /, **changes: Any) -> Json:
    members: Json = {"alg": "dir", "enc": "A256GCM", "kid": kid, "kjk": place, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def jwe(protected: bytes, *, plaintext: bytes, key: bytes = KEY, iv: bytes = IV, encrypted_key: str = "") -> str:
    """Return a record that is encrypted correctly for the given header."""
    encoded = b64(protected)
    output = AESGCM(key).encrypt(iv, plaintext, encoded.encode())
    return ".".join((encoded, encrypted_key, b64(iv), b64(output[:-16]), b64(output[-16:])))


def version(place: Json = PLACE, **changes: Any) -> str:
    return jwe(compact(header(place, KID, **changes)), plaintext=PLAINTEXT.encode())


def wrapped(place: Json = DATA_KEY_PLACE, **changes: Any) -> str:
    return jwe(compact(header(place, KEK_ID, **changes)), plaintext=DATA_KEY)


def raw_version(protected: bytes | str) -> str:
    return jwe(protected if isinstance(protected, bytes) else protected.encode(), plaintext=PLAINTEXT.encode())


def of_version(expect: str, description: str, record: str, plaintext: str | None = None) -> Vector:
    vector: Vector = {"description": description, "expect": expect, "kind": "version", "key": b64(KEY), "place": PLACE}
    return vector | {"record": record, "plaintext": plaintext}


def of_data_key(expect: str, description: str, record: str, plaintext: str | None = None) -> Vector:
    vector: Vector = {"description": description, "expect": expect, "kind": "data_key", "key": b64(KEY)}
    return vector | {"place": DATA_KEY_PLACE, "record": record, "plaintext": plaintext}


def part(record: str, index: int, change: Callable[[str], str]) -> str:
    parts = record.split(".")
    parts[index] = change(parts[index])
    return ".".join(parts)


def flipped(text: str) -> str:
    """Return canonical base64url text of the same bytes with the lowest bit of the first byte changed."""
    data = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    data[0] ^= 1
    return b64(bytes(data))


def stray_bits(text: str) -> str:
    """Return other base64url text of the same bytes, with unused bits set (RFC 4648, section 3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4, "all bits of this text are used"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


def good() -> Iterator[tuple[str, Vector]]:
    yield "version", of_version("ok", "a sealed version", version(), PLAINTEXT)
    spaced = json.dumps(header(PLACE, KID), indent=1)
    yield "version_header_with_spaces", of_version("ok", "white space in the header", raw_version(spaced), PLAINTEXT)
    reordered = compact(dict(reversed(header(PLACE, KID).items())))
    yield "version_header_in_another_order", of_version("ok", "members reversed", raw_version(reordered), PLAINTEXT)
    empty = jwe(compact(header(PLACE, KID)), plaintext=b"")
    yield "version_empty", of_version("ok", "an empty plaintext, so an empty part", empty, "")
    accents = "clé-鍵-🔑"
    text = jwe(compact(header(PLACE, KID)), plaintext=accents.encode())
    yield "version_not_ascii", of_version("ok", "plaintext is UTF-8", text, accents)
    other_kid = version(kid="0123456789abcdef")
    yield "version_other_kid", of_version("ok", "the kid is for other readers, sealed by the key", other_kid, PLAINTEXT)
    yield "data_key", of_data_key("ok", "a wrapped data key", wrapped(), b64(DATA_KEY))


def moved() -> Iterator[tuple[str, Vector]]:
    others = {"store": "0000000000000000", "account": "evil", "provider": "google_gemini", "version": 4}
    for name, value in {**others, "base_url": "https://api.elevenlabs.example"}.items():
        record = version({**PLACE, name: value})
        yield f"version_moved_{name}", of_version("changed", f"sealed for another {name}", record)
    for name in ("store", "account"):
        record = wrapped({**DATA_KEY_PLACE, name: others[name]})
        yield f"data_key_moved_{name}", of_data_key("changed", f"wrapped for another {name}", record)
    edited = part(version(), 0, lambda _: b64(compact(header({**PLACE, "base_url": "https://evil.example"}, KID))))
    yield "version_header_rewritten", of_version("changed", "the header of another place over our ciphertext", edited)
    at_place = part(version({**PLACE, "account": "evil"}), 0, lambda _: b64(compact(header(PLACE, KID))))
    yield "version_moved_and_rewritten", of_version("changed", "moved here, and its header made to fit", at_place)
    wrong_kind = jwe(compact(header(DATA_KEY_PLACE, KID)), plaintext=DATA_KEY)
    yield "version_is_a_data_key", of_version("changed", "a wrapped data key in place of a version", wrong_kind)
    version_record = jwe(compact(header(PLACE, KEK_ID)), plaintext=DATA_KEY)
    yield "data_key_is_a_version", of_data_key("changed", "a version in place of a wrapped data key", version_record)


def headers() -> Iterator[tuple[str, Vector]]:
    changed: dict[str, Json] = {
        "no_alg": {"alg": ...},
        "no_enc": {"enc": ...},
        "no_kid": {"kid": ...},
        "no_kjk": {"kjk": ...},
        "alg_number": {"alg": 1},
        "enc_null": {"enc": None},
        "kid_empty": {"kid": ""},
        "kid_number": {"kid": 7},
        "kid_long": {"kid": "k" * 257},
        "kjk_list": {"kjk": list(PLACE.values())},
        "kjk_text": {"kjk": json.dumps(PLACE)},
    }
    for name, changes in changed.items():
        yield f"version_{name}", of_version("changed", f"header: {name}", version(**changes))
    for name, place in {
        "no_base_url": {key: value for key, value in PLACE.items() if key != "base_url"},
        "version_text": {**PLACE, "version": "3"},
        "version_float": {**PLACE, "version": 3.0},
        "version_true": {**PLACE, "version": True},
        "account_null": {**PLACE, "account": None},
        "empty": {},
    }.items():
        yield f"version_kjk_{name}", of_version("changed", f"kjk: {name}", version(place))
    text = compact(header(PLACE, KID)).decode()
    for name, protected in {
        "duplicate_alg": text.replace('"alg":"dir"', '"alg":"none","alg":"dir"'),
        "duplicate_kid": text.replace('"kid":', f'"kid":"{KID}","kid":'),
        "duplicate_in_kjk": text.replace('"account":', '"account":"evil","account":'),
        "duplicate_escaped": text.replace('"account":', '"\\u0061ccount":"acme","account":'),
        "json_list": "[]",
        "json_cut": text[:-1],
        "json_more": text + "{}",
        "json_nan": text.replace(":3,", ":NaN,"),
        "json_bom": "\ufeff" + text,
        "json_deep": "[" * 2000 + "]" * 2000,
        "empty": "",
        "large": text.replace('"kjk"', " " * 4096 + '"kjk"'),
    }.items():
        yield f"version_header_{name}", of_version("changed", f"header: {name}", raw_version(protected))
    latin = raw_version(text.replace("acme", "acm\u00e9").encode("latin-1"))
    yield "version_header_not_utf8", of_version("changed", "the header is Latin-1", latin)


def unsupported() -> Iterator[tuple[str, Vector]]:
    foreign: dict[str, Json] = {
        "alg_a256kw": {"alg": "A256KW"},
        "alg_rsa_oaep": {"alg": "RSA-OAEP-256"},
        "alg_none": {"alg": "none"},
        "alg_upper_case": {"alg": "DIR"},
        "enc_a128gcm": {"enc": "A128GCM"},
        "enc_a256cbc": {"enc": "A256CBC-HS512"},
        "crit": {"crit": ["exp"], "exp": 0},
        "zip": {"zip": "DEF"},
        "typ": {"typ": "JWE"},
        "cty": {"cty": "text/plain"},
        "jwk": {"jwk": {"kty": "oct", "k": b64(KEY)}},
        "kjk_more": {"kjk": {**PLACE, "tenant": "x"}},
    }
    for name, changes in foreign.items():
        yield f"version_{name}", of_version("unsupported", f"header: {name}", version(**changes))
    kw = jwe(compact(header(PLACE, KID, alg="A256KW")), plaintext=b"x", encrypted_key=b64(bytes(40)))
    yield "version_a256kw_whole", of_version("unsupported", "a whole JWE of A256KW", kw)
    yield "data_key_zip", of_data_key("unsupported", "header: zip", wrapped(zip="DEF"))
    yield "data_key_alg", of_data_key("unsupported", "header: alg A256KW", wrapped(alg="A256KW"))
    more = wrapped({**DATA_KEY_PLACE, "region": "x"})
    yield "data_key_kjk_more", of_data_key("unsupported", "a member of kjk that is not known", more)


PARTS = {"header": 0, "iv": 2, "ciphertext": 3, "tag": 4}


def damaged() -> Iterator[tuple[str, Vector]]:
    both = (("version", of_version, version()), ("data_key", of_data_key, wrapped()))
    for kind, vector, record in both:
        for name, index in PARTS.items():
            yield f"{kind}_flipped_{name}", vector("changed", f"one bit of the {name}", part(record, index, flipped))
            missing = part(record, index, lambda _: "")
            yield f"{kind}_no_{name}", vector("changed", f"the {name} is empty", missing)
        cut = part(record, 3, lambda text: text[:-4])
        yield f"{kind}_ciphertext_cut", vector("changed", "three bytes of the ciphertext are missing", cut)
        yield f"{kind}_cut", vector("changed", "the last part is missing", record.rpartition(".")[0])
        yield f"{kind}_six_parts", vector("changed", "a sixth part", record + ".AAAA")
        with_key = part(record, 1, lambda _: "AAAA")
        yield f"{kind}_encrypted_key", vector("changed", "an encrypted key, which dir has none of", with_key)
        yield f"{kind}_empty_record", vector("changed", "nothing", "")
    record = version()
    for name, text in {
        "iv_of_11": part(record, 2, lambda _: b64(IV[:11])),
        "iv_of_16": jwe(compact(header(PLACE, KID)), plaintext=b"x", iv=bytes(16)),
        "tag_of_12": part(record, 4, lambda tag: tag[:16]),
        "tag_of_17": part(record, 4, lambda tag: tag + "A"),
        "other_key": jwe(compact(header(PLACE, KID)), plaintext=b"x", key=OTHER_KEY),
        "not_text": jwe(compact(header(PLACE, KID)), plaintext=b"\xff\xfe\xfd"),
        "large": jwe(compact(header(PLACE, KID)), plaintext=b"x" * 16384),
        "json_serialisation": json.dumps({"protected": record.split(".")[0], "iv": record.split(".")[2]}),
        "jws": ".".join(record.split(".")[:3]),
    }.items():
        yield f"version_{name}", of_version("changed", name.replace("_", " "), text)
    short = jwe(compact(header(DATA_KEY_PLACE, KEK_ID)), plaintext=DATA_KEY[:16])
    yield "data_key_of_16", of_data_key("changed", "a data key of 16 bytes", short)
    forged = jwe(compact(header(DATA_KEY_PLACE, KEK_ID)), plaintext=DATA_KEY, key=OTHER_KEY)
    yield "data_key_forged", of_data_key("changed", "our KEK's id over another KEK's record", forged)
    another = wrapped(kid="fedcba9876543210")
    yield "data_key_wrong_kek", of_data_key("wrong_kek", "wrapped by another KEK", another)
    elsewhere = jwe(compact(header(DATA_KEY_PLACE, "fedcba9876543210")), plaintext=DATA_KEY, key=OTHER_KEY)
    yield "data_key_wrong_kek_whole", of_data_key("wrong_kek", "another KEK's record, whole", elsewhere)


def spellings() -> Iterator[tuple[str, Vector]]:
    record = version()
    for name, index in PARTS.items():
        padded = part(record, index, lambda text: text + "=" * (-len(text) % 4 or 1))
        yield f"version_padded_{name}", of_version("changed", f"padding after the {name}", padded)
    for name, index in {"ciphertext": 3, "tag": 4}.items():
        stray = part(record, index, stray_bits)
        yield f"version_stray_bits_{name}", of_version("changed", f"unused bits of the {name} are set", stray)
    plain = jwe(compact(header(PLACE, KID)), plaintext=PLAINTEXT.encode(), iv=b"\xfb\xff\xfe" * 4)
    standard = part(plain, 2, lambda text: text.replace("-", "+").replace("_", "/"))
    yield "version_standard_alphabet", of_version("changed", "+ and / in place of - and _", standard)
    for name, text in {
        "line_end": record + "\n",
        "space_before": " " + record,
        "line_end_within": part(record, 3, lambda text: text[:8] + "\n" + text[8:]),
        "wide_character": part(record, 3, lambda text: "\uff21" + text[1:]),
        "nul": part(record, 3, lambda text: text + "\0"),
        "lone_character": part(record, 3, lambda text: text[: len(text) // 4 * 4] + "A"),
    }.items():
        yield f"version_{name}", of_version("changed", name.replace("_", " "), text)


def vectors() -> dict[str, Vector]:
    """Return all vectors by the name of their file."""
    groups = (good, moved, headers, unsupported, damaged, spellings)
    pairs = [pair for group in groups for pair in group()]
    found = dict(pairs)
    assert len(found) == len(pairs), "two vectors have one name"
    return found


def main(folder: str) -> None:
    """Write each vector to its file."""
    for name, vector in vectors().items():
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="ascii") as file:
            json.dump(vector, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "vectors"))
