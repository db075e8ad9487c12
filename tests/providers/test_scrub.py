"""Scrubbing removes every run of eight characters of the key, and every control character, from a provider's text."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.providers.answers.scrub import LONGEST, MARK, Scrubber, plain
from support.each import each

KEY = "sk_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071"
ODD = "k+e/y=with&odd<characters>'in\"it%20"
keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=80)
texts = st.text(max_size=200)


def has_run(text: str, key: str, length: int = 8) -> bool:
    return any(key[i : i + length].lower() in text.lower() for i in range(len(key) - length + 1))


@given(keys, texts, texts, st.data())
@settings(deadline=None)
def test_no_run_of_the_key_gets_through(key: str, before: str, after: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(key) - 8))
    end = data.draw(st.integers(start + 8, len(key)))
    scrubbed = Scrubber(key)(before + key[start:end] + after, longest=10_000)
    assert not has_run(scrubbed.replace(MARK, "\n"), key)


@given(keys, texts)
@settings(deadline=None)
def test_scrubbing_leaves_text_without_the_key_unchanged(key: str, text: str) -> None:
    expected = plain(text)
    decodes = any(mark in text for mark in ("%", "&", "\\"))
    if not decodes and not has_run(expected, key):
        assert Scrubber(key)(text, longest=10_000) == expected


@given(texts)
@settings(deadline=None)
def test_control_and_invisible_characters_are_removed(text: str) -> None:
    scrubbed = Scrubber(KEY)(text)
    assert len(scrubbed) <= LONGEST
    assert scrubbed.isprintable() or not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in scrubbed)
    assert "\n" not in scrubbed
    scrubbed.encode()  # no half of a surrogate pair is left


@each("key", [KEY, ODD])
@each(
    "form",
    [
        lambda key: key,
        str.upper,
        lambda key: quote(key, safe=""),
        lambda key: quote(key, safe="").lower(),
        lambda key: "".join(f"%{ord(c):02x}" for c in key),
        lambda key: json.dumps(key),
        lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
        lambda key: "".join(f"\\u{{{ord(c):x}}}" for c in key),
        lambda key: "".join(f"\\x{ord(c):02X}" for c in key),
        lambda key: html.escape(key),
        lambda key: "".join(f"&#{ord(c)};" for c in key),
        lambda key: key.encode().hex(),
        lambda key: base64.b64encode(key.encode()).decode(),
        lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
        lambda key: base64.b64encode(f"u:{key}".encode()).decode(),
        lambda key: base64.b64encode(f"user{key}x".encode()).decode(),
        lambda key: "\u200b".join(key),
        lambda key: "\x1b[1m".join([key[:10], key[10:]]),
        lambda key: key[5:20],
    ],
)
def test_every_form_of_the_key_is_found(key: str, form: object) -> None:
    assert callable(form)
    echoed = form(key)
    scrubbed = Scrubber(key)(f"the key '{echoed}' was refused")
    assert MARK in scrubbed
    assert not has_run(scrubbed, key)
    assert not has_run(scrubbed, str(echoed), 16)
    assert scrubbed.startswith("the key")


@each("encode", [base64.b64encode, base64.urlsafe_b64encode])
@each("before", range(6))
@each("after", range(4))
@each("key", [KEY, ODD])
def test_of_base64_at_most_the_characters_that_encode_other_bytes_too_are_left(
    encode: Callable[[bytes], bytes], before: int, after: int, key: str
) -> None:
    encoded = encode(b"?" * before + key.encode() + b"?" * after).decode()
    start, stop = -(-before * 8 // 6), (before + len(key)) * 8 // 6
    left, right = Scrubber(key)(f"<{encoded}>").split(MARK)
    assert f"<{encoded[:start]}".startswith(left)
    assert f"{encoded[stop:]}>".endswith(right)


def test_the_key_is_found_in_other_letters_beside_text_in_any_language() -> None:
    assert Scrubber(KEY)(f"schlüssel {KEY.upper()} – abgelehnt") == f"schlüssel {MARK} – abgelehnt"
    assert Scrubber("schlüssel")("SCHLüSSEL é") == f"{MARK} é"
    assert Scrubber(KEY)(f"İİİ {KEY} İ") == f"İİİ {MARK} İ"  # str.lower makes this letter longer


def test_a_key_that_is_not_text_is_scrubbed_too() -> None:
    key = "sk_0a1b2c3d\udcff4e5f6071"
    assert Scrubber(key)(f"the key {key[:11]} and {key[12:]}") == f"the key {MARK} and {MARK}"


INVISIBLE = "\ufe00\ufe0f\U000e0100\U000e01ef\u034f\u115f\u1160\u3164\uffa0\u200b\u2060\u00ad\ue000\u0378"


@each("character", INVISIBLE)
def test_an_invisible_character_is_removed_and_hides_no_key(character: str) -> None:
    assert plain(f"a{character}b") == "ab"
    assert Scrubber(KEY)(f"the key {character.join(KEY)} was refused") == f"the key {MARK} was refused"


@each("character", ["\ufdff", "\ufe10", "~", "!", "é", "語"])
def test_a_visible_character_is_kept(character: str) -> None:
    assert plain(f"a{character}b") == f"a{character}b"


@each("code", ["110000", "110001", "ffffff", "10ffff", "d800"])
def test_an_escape_that_is_no_character_hides_nothing_and_breaks_nothing(code: str) -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    assert Scrubber(KEY)(f"a \\u{{{code}}} and {escaped}") in (f"a and {MARK}", f"a {chr(0x10FFFF)} and {MARK}")
    assert Scrubber(KEY)(f"a \\u{{{code}}} and no key") == f"a \\u{{{code}}} and no key"


def test_a_cut_never_leaves_a_piece_of_the_key_at_the_end() -> None:
    for padding in range(LONGEST - len(KEY) - 10, LONGEST + 2):
        scrubbed = Scrubber(KEY)("x" * padding + KEY)
        assert len(scrubbed) <= LONGEST
        assert KEY[:4] not in scrubbed


def test_only_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    scrub = Scrubber(KEY)
    assert scrub("x" * LONGEST) == "x" * LONGEST
    assert scrub("x" * (LONGEST + 1)) == "x" * (LONGEST - 3) + "..."
    assert scrub("x" * 11, longest=10) == "xxxxxxx..."


@pytest.mark.parametrize("key", ["ab", "x", "short12"])
def test_a_short_key_is_removed_whole(key: str) -> None:
    assert key not in Scrubber(key)(f"say {key} again").replace(MARK, "")


@each(
    ("text", "expected"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("one\r\ntwo\tthree", "one two three"),
        ("a\u202eb\u2066c\u200dd\ufeffe", "abcde"),
        ("a\u2028b", "a b"),
        ("naïve – 日本語", "naïve – 日本語"),
        ("\x9b31mx", "x"),
    ],
)
def test_plain_text_is_one_line_of_visible_characters(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_scrubber_does_not_show_its_key() -> None:
    assert KEY[:8] not in repr(Scrubber(KEY))


@pytest.mark.parametrize("length", [8, 9, 15, 16, 40])
def test_the_shortest_piece_is_found_wherever_it_stands(length: int) -> None:
    """Most texts are skipped after a search for a few pieces; no text with a piece may be skipped."""
    key = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"[:length]
    scrub = Scrubber(key)
    for start in range(len(key) - 7):
        for before in range(10):
            for after in range(5):
                text = "." * before + key[start : start + 8] + "." * after
                assert scrub(text) == "." * before + "[key]" + "." * after


@pytest.mark.parametrize("key", ["k", "k7", "k7x", "k7x9q", "k7x9q2z"])
def test_a_key_that_is_shorter_than_a_piece_is_found_wherever_it_stands(key: str) -> None:
    for before in range(10):
        assert Scrubber(key)("." * before + key + "..") == "." * before + "[key].."
