"""The text form of a record: only what kojikey writes is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.model.errors import CannotOpen, RecordChanged, RecordUnsupported, UsageError
from kojikey.sealing import base64url
from kojikey.sealing.record import (
    DATA_KEY_PLACE,
    HEADER_LIMIT,
    RECORD_LIMIT,
    VERSION_PLACE,
    Record,
    parse,
    protect,
    render,
)
from support.each import each

PLACE = {"store": "s", "account": "acme", "provider": "elevenlabs", "version": 1, "base_url": "https://x.example"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.just("dir") | JSON,
        "enc": st.just("A256GCM") | JSON,
        "kid": st.just("k") | JSON,
        "kjk": st.just(PLACE) | JSON,
        "crit": JSON,
    },
)


def text_of(header: object) -> str:
    return render(base64url.encode(json.dumps(header).encode()), bytes(12), b"x", bytes(16))


GOOD = {"alg": "dir", "enc": "A256GCM", "kid": "k", "kjk": PLACE}


@each(
    ("header", "words"),
    [
        ([], "is damaged: its header cannot be read"),
        ({}, "is damaged: its header names no algorithm"),
        (GOOD | {"alg": "A256KW"}, "uses another algorithm than dir with A256GCM"),
        (GOOD | {"crit": []}, "has header members that this version does not know"),
        (GOOD | {"kid": ""}, "is damaged: its header does not say what it belongs to"),
        (GOOD | {"kjk": "acme"}, "is damaged: its header does not say what it belongs to"),
        (GOOD | {"kjk": PLACE | {"region": "eu"}}, "is bound to something that this version does not know"),
        (GOOD | {"kjk": {"store": "s", "account": "acme"}}, "is of another kind"),
        (GOOD | {"kjk": PLACE | {"version": True}}, "is damaged: its header does not say what it belongs to"),
    ],
)
def test_a_mistake_in_a_header_is_reported_with_its_place(header: object, words: str) -> None:
    with pytest.raises(CannotOpen, match=f"^the sealed record here {words}"):
        parse(text_of(header), VERSION_PLACE, where="here")


def parts(**changed: str) -> str:
    """Return the text of a well-formed record, with some of its parts replaced."""
    names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    return ".".join((dict(zip(names, text_of(GOOD).split("."), strict=True)) | changed).values())


NO_BASE64 = "A"  # one character encodes no byte


@each(
    ("text", "words"),
    [
        ("", "is damaged"),
        ("a.b.c.d", "is damaged"),
        (parts() + ".", "is damaged"),
        ("." * 4 + "x" * RECORD_LIMIT, "is damaged"),
        *((parts(**{name: NO_BASE64}), "is damaged") for name in ("protected", "iv", "ciphertext", "tag")),
        *((parts(iv=base64url.encode(bytes(size))), "is damaged") for size in (0, 11, 13)),
        *((parts(tag=base64url.encode(bytes(size))), "is damaged") for size in (0, 15, 17)),
        (parts(encrypted_key="AA"), "is damaged: it has an encrypted key, which the algorithm dir does not allow"),
        (parts(protected=base64url.encode(b"{}" + b" " * HEADER_LIMIT)), "is damaged: its header cannot be read"),
        (parts(protected=base64url.encode(b"\xff")), "is damaged: its header cannot be read"),
        (parts(protected=base64url.encode(b'{"alg":"dir","alg":"dir"}')), "is damaged: its header cannot be read"),
        (text_of(GOOD | {"alg": 7}), "is damaged: its header names no algorithm"),
        (text_of(GOOD | {"enc": 7}), "is damaged: its header names no algorithm"),
        (text_of(GOOD | {"kid": 7}), "is damaged: its header does not say what it belongs to"),
        (text_of(GOOD | {"kid": "k" * 257}), "is damaged: its header does not say what it belongs to"),
        (text_of(GOOD | {"kjk": PLACE | {"store": 7}}), "is damaged: its header does not say what it belongs to"),
        (text_of(GOOD | {"kjk": {}}), "is of another kind"),
    ],
)
def test_damage_is_reported_with_its_place(text: str, words: str) -> None:
    with pytest.raises(RecordChanged) as caught:
        parse(text, VERSION_PLACE, where="here")
    assert caught.value.where == "here"
    assert caught.value.message.endswith(f" {words}")


@pytest.mark.parametrize("size", [1, 256])
def test_the_id_of_a_key_has_at_most_256_characters(size: int) -> None:
    assert parse(text_of(GOOD | {"kid": "k" * size}), VERSION_PLACE, where="here").kid == "k" * size


@each(
    ("header", "words"),
    [
        (GOOD | {"alg": "A256KW"}, "uses another algorithm than dir with A256GCM"),
        (GOOD | {"enc": "A128GCM"}, "uses another algorithm than dir with A256GCM"),
        (GOOD | {"crit": []}, "has header members that this version does not know"),
        (GOOD | {"kjk": PLACE | {"region": "eu"}}, "is bound to something that this version does not know"),
    ],
)
def test_an_unknown_form_is_reported_with_its_place(header: object, words: str) -> None:
    with pytest.raises(RecordUnsupported) as caught:
        parse(text_of(header), VERSION_PLACE, where="here")
    assert caught.value.where == "here"
    assert caught.value.message == f"the sealed record here {words}; it was not opened"


def test_the_protected_header_is_json_without_spaces_in_ascii() -> None:
    written = base64url.decode(protect("k", {"account": "é", "version": 1}))
    assert written == b'{"alg":"dir","enc":"A256GCM","kid":"k","kjk":{"account":"\\u00e9","version":1}}'


@given(st.binary())
@settings(deadline=None)
def test_bytes_survive_base64url(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text(alphabet="AQgw-_+/= \n\0é", max_size=9))
@settings(deadline=None)
def test_bytes_have_only_one_base64url_form(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError as refused:
        refusal = str(refused)
    else:
        assert base64url.encode(data) == text
        return
    assert refusal == "not canonical base64url"


@given(st.text(), st.binary(max_size=100), st.binary(min_size=12, max_size=12), st.binary(min_size=16, max_size=16))
@settings(deadline=None)
def test_a_rendered_record_can_be_parsed(account: str, ciphertext: bytes, iv: bytes, tag: bytes) -> None:
    place = {**PLACE, "account": account}
    text = render(protect("kid", place), iv, ciphertext, tag)
    assert parse(text, VERSION_PLACE, where="x") == Record(text.split(".")[0], "kid", place, iv, ciphertext, tag)


@given(st.text() | st.text(alphabet="eyJ.A", max_size=40))
@settings(deadline=None)
def test_any_text_raises_only_kojikey_errors(text: str) -> None:
    with pytest.raises(CannotOpen):
        parse(text, VERSION_PLACE, where="x")


@given(HEADERS)
@settings(deadline=None)
def test_any_header_raises_only_kojikey_errors(header: dict[str, object]) -> None:
    right = header == {"alg": "dir", "enc": "A256GCM", "kid": header.get("kid"), "kjk": PLACE}
    try:
        parse(text_of(header), VERSION_PLACE, where="x")
    except (RecordChanged, RecordUnsupported):
        assert not right or header["kid"] != "k"
    else:
        assert right


@pytest.mark.parametrize("thing", [None, 7, ["a.b.c.d.e"], {}, b"a.b.c.d.e"])
def test_a_document_edited_by_hand_is_reported_as_changed(thing: object) -> None:
    with pytest.raises(RecordChanged):
        parse(thing, DATA_KEY_PLACE, where="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [True, 1.0, "1", None])
def test_a_version_is_an_integer_and_nothing_that_python_treats_as_one(version: object) -> None:
    header = {"alg": "dir", "enc": "A256GCM", "kid": "k", "kjk": {**PLACE, "version": version}}
    with pytest.raises(RecordChanged):
        parse(text_of(header), VERSION_PLACE, where="x")


def test_a_record_too_large_to_be_read_is_not_written() -> None:
    with pytest.raises(UsageError, match=r"^the base URL is too long to be kept; nothing was sealed$"):
        protect("kid", {**PLACE, "base_url": "x" * HEADER_LIMIT})
    with pytest.raises(UsageError, match=r"^the key is too long to be kept; nothing was sealed$"):
        render(protect("kid", PLACE), bytes(12), bytes(RECORD_LIMIT), bytes(16))


def test_the_largest_record_that_is_written_can_be_read() -> None:
    spare = HEADER_LIMIT - len(base64url.decode(protect("kid", {**PLACE, "base_url": ""})))
    protected = protect("kid", {**PLACE, "base_url": "x" * spare})
    assert len(base64url.decode(protected)) == HEADER_LIMIT
    room = RECORD_LIMIT - len(render(protected, bytes(12), b"", bytes(16)))
    text = render(protected, bytes(12), bytes(room * 3 // 4), bytes(16))
    assert RECORD_LIMIT - 2 <= len(text) <= RECORD_LIMIT
    parse(text, VERSION_PLACE, where="x")


def test_an_error_names_the_place_and_repeats_nothing_of_the_record() -> None:
    with pytest.raises(RecordUnsupported) as caught:
        parse(text_of({"alg": "dir", "enc": "A256GCM", "\x1b[31mred": 1}), VERSION_PLACE, where="acme/x version 1")
    assert caught.value.where == "acme/x version 1"
    assert "acme/x version 1" in str(caught.value)
    assert "red" not in str(caught.value)
    assert caught.value.hint == "a newer kojikey may have written it: upgrade, or restore the record"
