"""Which documents are keys: pages of them are read as one by one, and a writer of the store gets nothing past it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.model.key import Key, Stage, Version
from kojikey.model.key import TestRecord as Record
from kojikey.model.key_reading import read_keys
from kojikey.model.minting import MintIntent, RemoteId
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed
from support.each import each

MOMENT, LATER = "2026-11-23T04:47:00Z", "2028-02-29T23:59:59Z"
INTENT = MintIntent("kojikey acme v3 t", "t", MOMENT, "", "", None, "team", "admins", False, "proof")
FIRST = Version(
    1, Stage.PREVIOUS, "a.b.c.d.e", "wxyz", "0123456789ab", "https://api.example.com", MOMENT, MOMENT, LATER,
    Record("limited", "missing_permission", LATER, MOMENT, reported=True), None,
    RemoteId("id", "team", "", "kojikey acme v1", True, "proof"),
)  # fmt: skip
SECOND = Version(
    2, Stage.CURRENT, "a.b.c.d.f", "", "0123456789ac", "https://api.example.com", MOMENT, None, None,
    Record("valid", "ok", LATER, LATER), None,
)  # fmt: skip
THIRD = Version(
    3, Stage.STAGED, "a.b.c.d.g", "z", "0123456789ad", "https://api.example.com", MOMENT, None, None, None,
    {"label": "x", "models": ["m/1"], "capabilities": [], "rotate_after_days": 0},
)  # fmt: skip
KEYS = (
    Key("acme", "elevenlabs", (SECOND,), 3, MOMENT, None, (), (), 90, None),
    Key(
        "a@b.example", "own_1", (FIRST, SECOND, THIRD), 4, MOMENT, "Nachtschicht ü 夜", ("m",), ("c",), None, LATER,
        INTENT, (INTENT,), True,
    ),
)  # fmt: skip


def text_of(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [path for name, inner in items for path in paths(inner, (*here, name))]


def changed(document: Document, path: tuple[Any, ...], value: object) -> str:
    copy = json.loads(text_of(document))
    place = copy
    for name in path[:-1]:
        place = place[name]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return text_of(copy)


FULL = KEYS[1].as_document()
PATHS = [path for path in paths(FULL) if path != ("tested_at",)]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_reads_back_as_it_was_written(key: Key) -> None:
    assert read_keys([text_of(key.as_document())]) == [key]
    assert read_keys([json.dumps(key.as_document(), indent=1)]) == [key]


def test_a_page_reads_as_its_documents_one_by_one() -> None:
    texts = [text_of(key.as_document()) for key in KEYS * 3]
    assert read_keys(texts) == list(KEYS * 3)
    assert read_keys([]) == []
    texts[3:3] = ["{", "", "null", "[]", '{"account":"acme"}']
    assert read_keys(texts) == [*KEYS, KEYS[0], *[None] * 5, KEYS[1], *KEYS]


@each("path", PATHS)
def test_a_document_without_a_member_or_with_one_of_another_type_is_no_key(path: tuple[Any, ...]) -> None:
    is_optional = path[-1] in ("reported", "at_provider", "is_copy", "minting", "unfound")
    is_item = isinstance(path[-1], int) or "pending" in path[:-1]
    good = text_of(KEYS[0].as_document())
    for value in (True, -1, 1.5, {"a": 1}, "\x1b[31m", "\u202e", "a\nb", "\x7f", "\ud800"):
        if not (value is True and path[-1] in ("is_minted", "is_wider_allowed", "reported", "is_copy")):
            assert read_keys((good, changed(FULL, path, value), good)) == [KEYS[0], None, KEYS[0]], value
    if not is_optional and not is_item:
        assert read_keys([changed(FULL, path, ...)]) == [None]


@each(
    ("path", "value"),
    [
        (("account",), "Acme"), (("account",), "a" * 129), (("account",), ""), (("account",), "-a"),
        (("provider",), "a" * 65), (("provider",), "a@b"), (("provider",), "a\nb"), (("account",), "a\nb"),
        (("created_at",), "2026-02-29T00:00:00Z"), (("created_at",), "2026-11-23T24:00:00Z"),
        (("created_at",), "2026-11-23T04:47:60Z"), (("created_at",), "2026-11-23T04:47:00+00:00"),
        (("created_at",), "2026-11-23T04:47:00+05:00"), (("created_at",), "2026-11-23T04:47:00"),
        (("created_at",), "2026-11-23T04:47:00.000001Z"), (("versions", 0, "expires_at"), "2026-11-23T04:47:00-01:00"),
        (("created_at",), "2026-11-23t04:47:00z"), (("created_at",), "2026-11-23 04:47:00Z"),
        (("created_at",), "2026-11-23T04:47:00.000Z"), (("created_at",), "2026-11-23T04:47Z"),
        (("created_at",), "0000-01-01T00:00:00Z"), (("created_at",), "2026-W47-1T04:47:00Z"),
        (("rotated_at",), "today"), (("next_version",), 3), (("rotate_after_days",), -1),
        (("rotate_after_days",), 36_501), (("rotate_after_days",), 2**70),
        (("versions", 2, "pending", "rotate_after_days"), 2**70),
        (("minting", "begun_at"), "today"), (("unfound", 0, "admin_account"), "Not A Name"),
        (("versions", 0, "number"), 2), (("versions", 0, "number"), 0), (("versions", 0, "stage"), "current"),
        (("versions", 1, "stage"), "previous"), (("versions", 1, "stage"), "next"), (("versions",), []),
        (("versions", 0, "tail"), "vwxyz"), (("versions", 0, "fingerprint"), "0123456789AB"),
        (("versions", 0, "fingerprint"), "0123456789a"), (("versions", 0, "fingerprint"), "0123456789abc"),
        (("versions", 0, "last_test", "outcome"), "fine"), (("versions", 0, "last_test", "reason"), "fine"),
        (("versions", 0, "last_test", "tested_at"), "today"), (("versions", 0, "expires_at"), "9999-99-99T00:00:00Z"),
        (("versions", 2, "pending", "more"), 1), (("versions", 2, "pending", "models"), "m"),
    ],
)  # fmt: skip
def test_a_document_that_kojikey_cannot_have_written_is_no_key(path: tuple[Any, ...], value: object) -> None:
    good = text_of(KEYS[0].as_document())
    assert read_keys((good, changed(FULL, path, value), good)) == [KEYS[0], None, KEYS[0]]


@each(
    "text",
    [
        None, 7, b"{}", b"", "\ud800", "\x00", "NaN", '{"a":' * 100_000, "[" * 1_000_000, '{"account":"acme",' * 1000,
        text_of(KEYS[0].as_document()).encode(), text_of(KEYS[0].as_document()) + "x",
        text_of(KEYS[0].as_document()).replace("acme", "ac\x01me"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_document_is_no_key(text: object) -> None:
    good = text_of(KEYS[0].as_document())
    assert read_keys((good, text, good)) == [KEYS[0], None, KEYS[0]]


def test_of_two_members_with_one_name_the_last_counts_as_in_other_json_readers() -> None:
    text = text_of(KEYS[0].as_document()).replace('"label":null', '"label":"first","label":"last"')
    (key,) = read_keys([text])
    assert key is not None
    assert key.label == json.loads(text)["label"] == "last"


def test_two_rows_that_are_a_document_only_together_are_no_keys() -> None:
    text = text_of(KEYS[0].as_document())
    for cut in range(1, len(text), 7):
        assert read_keys((text[:cut], text[cut:], f"{text},{text}")) == [None] * 3


@given(st.sampled_from(PATHS), ANY)
@settings(deadline=None)
def test_every_key_that_is_read_can_be_shown_and_used(path: tuple[Any, ...], value: object) -> None:
    (key,) = read_keys([changed(FULL, path, value)])
    if key is not None:
        assert text_of(key.as_document()).isascii()
        assert all(text.isprintable() for text in (key.account, key.label or "", *key.models, key.current.base_url))
        assert read_keys([text_of(key.as_document())]) == [key]
        assert key.rotation_due(parsed(MOMENT)) in (False, True)
