"""A key is replaced however it is cut into pieces, and every other byte passes as it is, in order."""

from __future__ import annotations

import base64
import copy
import random
import urllib.parse
from collections.abc import Iterable
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.model.secret import Secret
from kojikey.scanning.masker import FEW, Masker
from support.key_encodings import ENCODINGS

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"
MASK = b"<masked>"


@cache
def built(*keys: str) -> Masker:
    return Masker([Secret(key) for key in keys], [MASK] * len(keys))


def masker(*keys: str) -> Masker:
    """Return a masker for a new stream. The maskers share an engine, which takes milliseconds to build."""
    return copy.copy(built(*keys or (KEY,)))


def pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut data into pieces."""
    cut, at = [], 0
    for size in sizes:
        cut.append(data[at : at + size])
        at += size
    return [*cut, data[at:]]


def through(masking: Masker, parts: Iterable[bytes]) -> bytes:
    return b"".join(map(masking.feed, parts)) + masking.finish()


@given(sizes=st.lists(st.integers(0, 90), max_size=30), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_key_is_masked_however_it_is_cut_and_encoded(sizes: list[int], seed: int) -> None:
    for encoding, (encode, _) in ENCODINGS.items():
        shown = through(masker(), pieces(b"before " + encode(KEY, random.Random(seed)) + b" after", sizes))
        assert shown.count(MASK) == 1, encoding
        assert shown.startswith(b"before "), encoding
        assert shown.endswith(b" after"), encoding
        rest = b"".join(shown.split())
        for text in (rest, urllib.parse.unquote_to_bytes(rest)):
            assert all(KEY[at : at + 8].encode() not in text for at in range(len(KEY) - 7)), encoding


@given(data=st.lists(st.binary(max_size=200), max_size=20))
@settings(deadline=None)
def test_other_bytes_pass_unchanged(data: list[bytes]) -> None:
    assert through(masker(), data) == b"".join(data)


@given(
    parts=st.lists(st.sampled_from([b"sk", b"_9f27c", b"%73", b"\\u00", b"%", b"c2tf", b"\n", b"\r\n", b"OWYy", b"x"]))
)
@settings(max_examples=300, deadline=None)
def test_text_that_only_begins_like_a_key_passes_unchanged(parts: list[bytes]) -> None:
    assert through(masker(), parts) == b"".join(parts)


@given(gaps=st.lists(st.binary(max_size=20).map(lambda data: data.hex().encode()), max_size=5), size=st.integers(1, 40))
@settings(deadline=None)
def test_several_keys_are_masked_and_the_text_between_them_stays(gaps: list[bytes], size: int) -> None:
    data = b" ".join(gap + b" " + KEY.encode() for gap in gaps)
    shown = through(masker(), pieces(data, [size] * (len(data) // size)))
    assert shown == b" ".join(gap + b" " + MASK for gap in gaps)


def test_text_that_cannot_become_a_key_is_never_held() -> None:
    masking = masker()
    for text in (b"$ ", b"hello\n", b"100% sure\n", b"\x1b[31m", KEY[1:].encode() + b"!"):
        assert masking.feed(text) == text


def test_after_a_release_of_few_bytes_the_rest_of_the_key_is_masked() -> None:
    masking = masker()
    assert masking.feed(b"a sk_9") == b"a "
    assert masking.holds_few
    assert masking.release() == b"sk_9"
    assert masking.feed(KEY[4:].encode() + b"!") == MASK + b"!"


def test_eight_bytes_are_held_until_they_match_or_not() -> None:
    for encoded in (KEY.encode(), base64.b64encode(KEY.encode()), "".join(f"%{ord(c):02x}" for c in KEY).encode()):
        masking = masker()
        assert masking.feed(encoded[:FEW]) == b""
        assert not masking.holds_few
        assert masking.feed(b"!") == encoded[:FEW] + b"!"
        assert masking.feed(encoded[:FEW]) + masking.finish() == encoded[:FEW]


def test_released_bytes_count_towards_the_eight_that_are_held() -> None:
    masking = masker()
    masking.feed(b"sk_9f2")
    assert masking.release() == b"sk_9f2"
    assert masking.feed(b"7c") == b""
    assert not masking.holds_few
    assert masking.finish() == b"7c"


def test_a_key_that_begins_like_another_waits_for_the_longer_one() -> None:
    longer = KEY + "0123"
    assert through(masker(KEY, longer), [KEY.encode(), b"0123 ", KEY.encode()]) == MASK + b" " + MASK


def test_a_key_whose_end_begins_the_next_is_masked_with_it() -> None:
    other = "d36_abcdefghijklmnop"
    shown = through(masker(KEY, other), [KEY.encode(), b"_abcdefghijklmnop", b" end"])
    assert b"abcdefgh" not in shown
    assert shown.startswith(MASK)
