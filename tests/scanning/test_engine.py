"""Every form of a key is found at every place, and nothing where there is no key."""

from __future__ import annotations

import base64
import random
import re
import string
import urllib.parse

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kojikey.model.secret import Secret
from kojikey.scanning.engine import Engine, KeyShape, Match
from kojikey.scanning.forms import forms_of
from kojikey.scanning.fragments import fragments_of
from kojikey.scanning.scanner import Found, Scanner, reader_of
from support.each import each
from support.key_encodings import ENCODINGS

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"
OTHER = "AQ.Qz7Xw3Kp9Vn5Ht1Rb8Yd4Lf6Gs2Jm0CeTuWaIo3NxBvPq=/+"
SHAPE = KeyShape("acme", b"acme-", re.compile(rb"acme-[a-z0-9]{20,}"))

# a backslash before an escape would make another text of it
KEYS = st.text(string.ascii_letters + string.digits + "._-=/+~!@#$^&*()[]{};:,<>?|'", min_size=16, max_size=200)
AROUND = st.binary(max_size=3000).map(lambda data: data.replace(b"\\", b"/").replace(b"%", b"&"))


def found(engine: Engine, data: bytes, *, window: int = 64) -> list[Found]:
    return list(Scanner(engine, window=window).scan(reader_of(data)))


@given(keys=st.lists(KEYS, min_size=1, max_size=4, unique=True), before=AROUND, after=AROUND, seed=st.integers())
@settings(max_examples=25, deadline=None)
def test_a_key_is_found_at_any_place_in_every_encoding(keys: list[str], before: bytes, after: bytes, seed: int) -> None:
    engine = Engine([Secret(key) for key in keys])
    for encoding, (encode, names) in ENCODINGS.items():
        data = before + b" " + encode(keys[0], random.Random(seed)) + b" " + after
        places = [place for place in found(engine, data) if place.key == 0]
        assert any(place.encoding in names for place in places), encoding


@given(before=st.text(max_size=900), keys=st.lists(KEYS, min_size=1, max_size=3, unique=True), seed=st.integers())
@settings(max_examples=10, deadline=None)
def test_text_in_utf_16_with_its_mark_is_searched_for_every_encoding(before: str, keys: list[str], seed: int) -> None:
    engine = Engine([Secret(key) for key in keys])
    before = before.translate({ord(character): None for character in "\\%"})
    for encoding, (encode, names) in ENCODINGS.items():
        text = f"{before}\n {encode(keys[0], random.Random(seed)).decode('latin-1')} "
        for order, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
            places = [place for place in found(engine, mark + text.encode(order, "replace")) if place.key == 0]
            assert any(place.encoding in names | {"utf-16"} for place in places), encoding


def test_lines_and_columns_of_utf_16_count_its_characters() -> None:
    text = f"{KEY}\n\u0a41\u4e0a {KEY}\r\n" + "\u00e9" * 3000 + KEY
    for order, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        places = found(Engine([Secret(KEY)]), mark + text.encode(order))
        assert [(place.line, place.column) for place in places] == [(1, 1), (2, 4), (3, 3001)]
        places = found(Engine([Secret(KEY)]), f"a\nbc{KEY}".encode(order))
        assert [(place.line, place.column) for place in places] == [(2, 3)]


def test_bytes_after_a_utf_16_mark_that_are_not_utf_16_are_searched_as_they_are() -> None:
    (place,) = found(Engine([Secret(KEY)]), b"\xff\xfe" + "first\n".encode("utf-16-le") + KEY.encode())
    assert (place.line, place.encoding) == (2, "plain")


@given(keys=st.lists(KEYS, min_size=1, max_size=4), data=st.binary(max_size=8000))
@settings(max_examples=60, deadline=None)
def test_nothing_is_found_where_no_key_is(keys: list[str], data: bytes) -> None:
    assume(not any(key.encode() in urllib.parse.unquote_to_bytes(data) for key in keys))
    assert found(Engine([Secret(key) for key in keys]), data) == []


@given(
    gaps=st.lists(st.integers(0, 5000), min_size=1, max_size=12),
    encoding=st.sampled_from(["as it is", "base64", "all percent-encoded"]),
)
@settings(max_examples=40, deadline=None)
def test_each_place_is_reported_once_whatever_the_window(gaps: list[int], encoding: str) -> None:
    engine, chance = Engine([Secret(KEY)]), random.Random(0)
    data = b"".join(b"x" * gap + b"\n" + ENCODINGS[encoding][0](KEY, chance) + b" " for gap in gaps)
    for window in (64, 1024, 1 << 20):
        places = found(engine, data, window=window)
        assert [place.line for place in places] == list(range(2, len(gaps) + 2))


def test_lines_and_columns_begin_at_one_and_columns_count_characters() -> None:
    data = f"{KEY}\n\u00e9\U0001f511 {KEY}\r\n\tk={KEY}".encode()
    assert [(place.line, place.column) for place in found(Engine([Secret(KEY)]), data)] == [(1, 1), (2, 4), (3, 4)]


@given(gaps=st.lists(st.text("x\u00e9\u4e0a\0\r\n", max_size=90), min_size=1, max_size=30), window=st.integers(32, 600))
@settings(max_examples=60, deadline=None)
def test_the_place_is_right_for_each_of_many_in_any_window(gaps: list[str], window: int) -> None:
    before = ["".join(f"{gap}|{KEY}" for gap in gaps[:count]) + gap + "|" for count, gap in enumerate(gaps)]
    text, engine = before[-1] + KEY, Engine([Secret(KEY)])
    expected = [(part.count("\n") + 1, len(part.rpartition("\n")[2].replace("\0", "")) + 1) for part in before]
    places = found(engine, text.encode(), window=window * 2)
    assert [(place.line, place.column) for place in places] == expected
    expected = [(part.count("\n") + 1, len(part.rpartition("\n")[2]) + 1) for part in before]
    places = found(engine, b"\xff\xfe" + text.encode("utf-16-le"), window=window * 2)
    assert [(place.line, place.column) for place in places] == expected


def test_a_column_far_along_one_line_is_counted_across_windows() -> None:
    data = "\u00e9".encode() * 5000 + KEY.encode()
    (place,) = found(Engine([Secret(KEY)]), data)
    assert (place.line, place.column) == (1, 5001)


def test_a_base64_text_that_differs_in_one_character_is_not_the_key() -> None:
    text = bytearray(base64.b64encode(KEY.encode()))
    text[30] ^= 1
    assert found(Engine([Secret(KEY)]), bytes(text)) == []


def test_two_keys_of_the_same_value_are_both_reported() -> None:
    places = found(Engine([Secret(KEY), Secret(OTHER), Secret(KEY)]), KEY.encode())
    assert sorted(place.key or 0 for place in places) == [0, 2]


def test_a_thousand_keys_are_distinguished() -> None:
    chance = random.Random(1)
    keys = [f"sk_{chance.randbytes(24).hex()}" for _ in range(1000)]
    engine = Engine([Secret(key) for key in keys])
    data = b"\n".join(base64.b64encode(key.encode()) if number % 2 else key.encode() for number, key in enumerate(keys))
    assert [place.key for place in found(engine, data, window=4096)] == list(range(1000))


@pytest.mark.parametrize("key", [KEY, "a1!" + KEY, "0" * 30 + KEY, "-" * 60, KEY[:16], KEY[:9]])
def test_a_line_end_anywhere_in_base64_hides_no_key(key: str) -> None:
    engine = Engine([Secret(key)])
    for before in range(3):
        text = base64.b64encode(b"x" * before + key.encode() + b"x" * 3)
        for at in range(1, len(text)):
            data = text[:at] + b"\r\n" + text[at : at + 32] + b"\n" + text[at + 32 :]
            assert [match.key for match in engine.find(data, 0, len(data))] == [0], at


def test_keys_that_begin_alike_are_distinguished() -> None:
    chance = random.Random(2)
    heads = ["sk-proj-", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", "0" * 40, "a" * 8]
    keys = [head + chance.randbytes(chance.randrange(1, 20)).hex() for head in heads for _ in range(20)]
    keys += [key + "0" for key in keys[::7]]
    engine = Engine([Secret(key) for key in keys])
    for encode in (bytes, base64.b64encode):
        data = b"\n".join(encode(f"x {key}\n".encode()) for key in keys)
        assert {place.key for place in found(engine, data, window=1 << 16)} == set(range(len(keys)))


def test_at_each_place_few_forms_are_compared() -> None:
    """Text that begins like many keys is not compared with each of them."""
    chance = random.Random(3)
    for head in ("sk-proj-", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", "0" * 40):
        keys = {head + chance.randbytes(20).hex() for _ in range(500)}
        parts = fragments_of(form for number, key in enumerate(keys) for form in forms_of(number, key.encode()))
        assert max(map(len, parts.values())) <= 8
        assert not any(part in head.encode() for part in parts)


def test_escapes_far_from_a_key_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the bytes near a fragment are unescaped, however many escapes the text has elsewhere."""
    monkeypatch.delattr("kojikey.scanning.engine.unescape")
    for key in (KEY, OTHER, "a/b" * 9 + "Qz7Xw3Kp9Vn5Ht1Rb8" + "?>" * 9):
        engine = Engine([Secret(key)])
        noise = (b"https:\\/\\/x\\/y%2Fz%3Da%20%22%3A\\u0026\\u003d" + key[:7].encode()) * 500
        for text, encoding in (
            (urllib.parse.quote(key, safe="").encode(), "percent"),
            (key.replace("/", "\\/").encode(), "json"),
            ("".join(c if c.isalnum() or c in "-._" else f"\\u{ord(c):04x}" for c in key).encode(), "json"),
        ):
            expected = "plain" if text == key.encode() else encoding
            assert [(place.key, place.encoding) for place in found(engine, noise + text + noise)] == [(0, expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme-abcdefghij0123456789", "plain"),
        ('k="acme-abcdefghij0123456789"', "plain"),
        ("%61cme-abcdefghij0123456789", "percent"),
        ("xacme-abcdefghij0123456789", None),
        ("acme-abcdefghij0123456789X", None),
        ("acme-abcdefghij012345678", None),
    ],
)
def test_a_shape_is_found_as_a_word_of_its_own(text: str, expected: str | None) -> None:
    places = found(Engine([], [SHAPE]), text.encode())
    assert [place.encoding for place in places] == ([expected] if expected else [])
    assert all(place.key is None and place.provider == "acme" and place.tail == "6789" for place in places)


@each("character", "+/:=@&_~")
def test_a_shape_with_other_characters_is_found_escaped(character: str) -> None:
    shape = KeyShape("acme", b"acme", re.compile(rb"acme" + re.escape(character).encode() + rb"[a-z0-9+/]{20,}"))
    text = f"acme%{ord(character):02X}abcdefghij0123456789"
    assert [place.encoding for place in found(Engine([], [shape]), text.encode())] == ["percent"]


def test_a_key_of_the_store_is_not_reported_as_a_strange_one() -> None:
    key = "acme-abcdefghij0123456789"
    assert [place.key for place in found(Engine([Secret(key)], [SHAPE]), key.encode())] == [0]


def test_an_engine_without_anything_to_find_finds_nothing() -> None:
    assert Engine([]).find(b"x" * 100, 0, 100) == []


def test_a_match_shows_no_value() -> None:
    match: Match = Engine([Secret(KEY)]).find(KEY.encode(), 0, len(KEY))[0]
    assert KEY not in repr(match)
    assert KEY not in repr(found(Engine([Secret(KEY)]), KEY.encode()))
