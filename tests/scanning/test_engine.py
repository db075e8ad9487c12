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
from kojikey.scanning.windows import Found, Scanner, reader_of
from support.key_encodings import ENCODINGS

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"
OTHER = "AQ.Qz7Xw3Kp9Vn5Ht1Rb8Yd4Lf6Gs2Jm0CeTuWaIo3NxBvPq=/+"
SHAPE = KeyShape("acme", b"acme-", re.compile(rb"acme-[a-z0-9]{20,}"))

# a backslash before an escape would make another text of it
KEYS = st.text(string.ascii_letters + string.digits + "._-=/+~!@#$^&*()[]{};:,<>?|'", min_size=16, max_size=200)
AROUND = st.binary(max_size=3000).map(lambda data: data.replace(b"\\", b"/").replace(b"%", b"&"))


def found(engine: Engine, data: bytes, *, window: int = 64) -> list[Found]:
    return list(Scanner(engine, window=window).scan(reader_of(data)))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(keys=st.lists(KEYS, min_size=1, max_size=4, unique=True), before=AROUND, after=AROUND, seed=st.integers())
@settings(max_examples=25, deadline=None)
def test_a_key_is_found_at_any_place_in_every_encoding(
    encoding: str, keys: list[str], before: bytes, after: bytes, seed: int
) -> None:
    encode, names = ENCODINGS[encoding]
    data = before + b" " + encode(keys[0], random.Random(seed)) + b" " + after
    places = [place for place in found(Engine([Secret(key) for key in keys]), data) if place.key == 0]
    assert any(place.encoding in names for place in places), encoding


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
    chance = random.Random(0)
    data = b"".join(b"x" * gap + b"\n" + ENCODINGS[encoding][0](KEY, chance) + b" " for gap in gaps)
    for window in (64, 1024, 1 << 20):
        places = found(Engine([Secret(KEY)]), data, window=window)
        assert [place.line for place in places] == list(range(2, len(gaps) + 2))


def test_lines_and_columns_begin_at_one_and_columns_count_characters() -> None:
    data = f"{KEY}\n\u00e9\U0001f511 {KEY}\r\n\tk={KEY}".encode()
    assert [(place.line, place.column) for place in found(Engine([Secret(KEY)]), data)] == [(1, 1), (2, 4), (3, 4)]


def test_a_column_far_along_one_line_is_counted_across_windows() -> None:
    data = "\u00e9".encode() * 5000 + KEY.encode()
    (place,) = found(Engine([Secret(KEY)]), data)
    assert (place.line, place.column) == (1, 5001)


def test_a_base64_text_that_differs_in_one_character_is_not_the_key() -> None:
    text = bytearray(base64.b64encode(KEY.encode()))
    text[30] ^= 1
    assert found(Engine([Secret(KEY)]), bytes(text)) == []


def test_two_keys_of_one_value_are_both_told() -> None:
    places = found(Engine([Secret(KEY), Secret(OTHER), Secret(KEY)]), KEY.encode())
    assert sorted(place.key or 0 for place in places) == [0, 2]


def test_a_thousand_keys_are_distinguished() -> None:
    chance = random.Random(1)
    keys = [f"sk_{chance.randbytes(24).hex()}" for _ in range(1000)]
    engine = Engine([Secret(key) for key in keys])
    data = b"\n".join(base64.b64encode(key.encode()) if number % 2 else key.encode() for number, key in enumerate(keys))
    assert [place.key for place in found(engine, data, window=4096)] == list(range(1000))


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


def test_a_key_of_ours_is_not_reported_as_another() -> None:
    key = "acme-abcdefghij0123456789"
    assert [place.key for place in found(Engine([Secret(key)], [SHAPE]), key.encode())] == [0]


def test_an_engine_without_anything_to_find_finds_nothing() -> None:
    assert Engine([]).find(b"x" * 100, 0, 100) == []


def test_a_match_shows_no_value() -> None:
    match: Match = Engine([Secret(KEY)]).find(KEY.encode(), 0, len(KEY))[0]
    assert KEY not in repr(match)
    assert KEY not in repr(found(Engine([Secret(KEY)]), KEY.encode()))
