"""A passphrase always gives the same KEK, wherever it comes from; a wrong one is reported as such."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kojikey.model.errors import KekMissing, KekUnavailable, RecordChanged, RecordUnsupported, UsageError, WrongKek
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.sealing.kek import kernel_keyring
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.sealing.kek.kernel_keyring import Kept
from kojikey.sealing.kek.registry import describe, load, make
from support.each import each
from support.keks import NOBODY, WORDS, Spec, private, typed


def in_file(path: Path) -> KekInputs:
    return KekInputs({"KOJIKEY_PASSPHRASE_FILE": str(path)}, None)


@pytest.mark.usefixtures("real_argon2id")
def test_a_passphrase_opens_its_kek_with_the_recommended_parameters() -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    assert {name: spec[name] for name in ("memory_kib", "iterations", "lanes")} == {
        "memory_kib": 65536,
        "iterations": 3,
        "lanes": 4,
    }
    assert load(spec, typed(WORDS)).kid == kek.kid == spec["kid"]
    assert "64 MiB" in describe(spec)


def test_the_kek_of_a_passphrase_is_derived_by_argon2id() -> None:
    # Fixed: a change here would lock everyone out.
    spec = {"source": "passphrase", "salt": "c2FsdHNhbHRzYWx0c2FsdA", "memory_kib": 64, "iterations": 1, "lanes": 2}
    key = Argon2id(salt=b"saltsaltsaltsalt", length=32, iterations=1, lanes=2, memory_cost=64).derive(WORDS.encode())
    assert load({**spec, "kid": LocalKek(key).kid}, typed(WORDS)).kid == LocalKek(key).kid


def test_the_same_passphrase_makes_another_kek_each_time() -> None:
    assert make("passphrase", store_id="s", inputs=typed(WORDS))[1].kid != make(
        "passphrase", store_id="s", inputs=typed(WORDS)
    )[1].kid  # fmt: skip


@pytest.mark.parametrize("words", ["", "wrong", WORDS + " ", WORDS.upper(), "\udcff"])
def test_a_wrong_passphrase_is_reported_as_wrong(words: str) -> None:
    spec, _ = make("passphrase", store_id="s1", inputs=typed(WORDS))
    with pytest.raises(WrongKek, match="that is not this store's passphrase"):
        load(spec, typed(words))


def test_the_same_letters_typed_on_two_systems_are_the_same_passphrase() -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed("cafe\u0301 au lait"))
    assert load(spec, typed("caf\u00e9 au lait")).kid == kek.kid


def test_a_person_sees_what_the_passphrase_is_for() -> None:
    asked: list[str] = []

    def ask(purpose: str) -> Secret:
        asked.append(purpose)
        return Secret(WORDS)

    spec, _ = make("passphrase", store_id="s1", inputs=KekInputs({}, ask))
    load(spec, KekInputs({}, ask))
    for which in ("old", "announced"):
        load(spec, KekInputs({}, ask)._replace(which=which))
    assert asked == ["new", "open", "old", "announced"]


@pytest.mark.parametrize("words", ["", "x" * 1025])
def test_a_new_passphrase_is_neither_empty_nor_endless(words: str) -> None:
    with pytest.raises(
        UsageError, match=r"^a passphrase (cannot be empty; nothing was created|has at most 1024 bytes; )"
    ):
        make("passphrase", store_id="s1", inputs=typed(words))


@pytest.mark.parametrize(("words", "warned"), [("1234567", True), ("12345678", False)])
def test_a_short_new_passphrase_is_taken_with_a_warning(words: str, warned: bool) -> None:
    warnings: list[str] = []
    make("passphrase", store_id="s1", inputs=typed(words)._replace(warn=warnings.append))
    assert [("can be guessed" in text, words in text) for text in warnings] == ([(True, False)] if warned else [])


def test_a_passphrase_file_that_others_can_read_is_used_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = private(tmp_path / "open", WORDS, 0o644)
    make("passphrase", store_id="s1", inputs=in_file(path)._replace(warn=warnings.append))
    assert [f"chmod 600 {path}" in text for text in warnings] == [True]


def kept_as(monkeypatch: pytest.MonkeyPatch, key: bytes | None) -> None:
    """Let ``kojikey unlock`` keep these bytes, or nothing, as the KEK of every store."""
    kept = None if key is None else Kept(HiddenBytes(key), "2999-01-01T00:00:00Z", "user")
    monkeypatch.setattr(kernel_keyring, "kept", lambda _: kept)


def test_a_kek_that_unlock_keeps_is_used_without_a_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    assert isinstance(kek, LocalKek)
    kept_as(monkeypatch, kek.reveal())
    assert load(spec, NOBODY).kid == kek.kid


def test_the_passphrase_is_needed_where_unlock_keeps_nothing_or_another_kek(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    for kept in (None, bytes(32)):
        kept_as(monkeypatch, kept)
        assert load(spec, typed(WORDS)).kid == kek.kid
        with pytest.raises(KekMissing):
            load(spec, NOBODY)


def test_a_kept_kek_is_not_used_where_a_file_is_named_or_the_passphrase_itself_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    monkeypatch.setattr(kernel_keyring, "kept", lambda _: pytest.fail("the keyring was asked"))
    assert load(spec, in_file(private(tmp_path / "words", WORDS))).kid == kek.kid
    assert load(spec, typed(WORDS)._replace(may_use_unlocked=False)).kid == kek.kid


def test_a_person_types_a_wrong_passphrase_again_at_most_twice() -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    words, warnings = ["wrong", "wrong again", WORDS], list[str]()
    inputs = KekInputs({}, lambda _: Secret(words.pop(0)), warn=warnings.append)
    assert load(spec, inputs).kid == kek.kid
    assert warnings == ["that is not this store's passphrase; type it again"] * 2
    words += ["wrong"] * 4
    with pytest.raises(WrongKek):
        load(spec, inputs)
    assert words == ["wrong"]


@pytest.mark.parametrize("which", [None, "old", "announced"])
def test_each_question_for_a_mistyped_passphrase_has_the_same_purpose(
    which: Literal["old", "announced"] | None,
) -> None:
    spec, _ = make("passphrase", store_id="s1", inputs=typed(WORDS))
    asked: list[str] = []

    def ask(purpose: str) -> Secret:
        asked.append(purpose)
        return Secret("wrong")

    with pytest.raises(WrongKek):
        load(spec, KekInputs({}, ask, which=which))
    assert asked == [which or "open"] * 3


def test_when_nobody_can_be_asked_the_alternatives_are_named() -> None:
    with pytest.raises(
        KekMissing, match=r"^a passphrase is needed, and there is no terminal; nothing was created$"
    ) as caught:
        make("passphrase", store_id="s1", inputs=NOBODY)
    assert "KOJIKEY_PASSPHRASE_FILE" in str(caught.value.hint)


@each(("which", "needed"), [("old", "the old passphrase"), ("announced", "the new passphrase")])
def test_of_two_passphrases_the_one_that_is_needed_is_named(which: Literal["old", "announced"], needed: str) -> None:
    spec, _ = make("passphrase", store_id="s1", inputs=typed(WORDS))
    with pytest.raises(KekMissing, match=f"^{needed} of a re-keying under way is needed, and nobody is here; "):
        load(spec, NOBODY._replace(which=which, why_unasked="nobody is here"))


FIRST_LINES = [
    WORDS,
    f"{WORDS}\n",
    f"{WORDS}\r\n",
    f"{WORDS}\nsecond line\n",
    f"{WORDS}\nsecond line\nthird line\n",
    f"{WORDS}\r\nsecond line\r\nthird line\r\n".encode("utf-16"),
    "\ufeff".encode("utf-16-be") + f"{WORDS}\nsecond line\n".encode("utf-16-be"),
    WORDS.encode() + b"\nnot text: \xff\n",
]


@pytest.mark.parametrize("content", FIRST_LINES)
def test_the_first_line_of_the_file_is_the_passphrase_and_nobody_is_asked(tmp_path: Path, content: str | bytes) -> None:
    file = private(tmp_path / "words", content)
    spec, kek = make("passphrase", store_id="s1", inputs=in_file(file))
    assert load(spec, typed(WORDS)).kid == kek.kid
    nosy = KekInputs(in_file(file).environ, lambda purpose: pytest.fail("asked"))
    assert load(spec, nosy).kid == kek.kid


def test_a_passphrase_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, WORDS.encode() + b"\n")
    os.close(writer)
    try:
        assert make("passphrase", store_id="s1", inputs=in_file(Path(f"/dev/fd/{reader}")))[1].kid
    finally:
        os.close(reader)


def test_a_passphrase_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(KekMissing, match=r"the passphrase file .*none does not exist"):
        make("passphrase", store_id="s1", inputs=in_file(tmp_path / "none"))
    with pytest.raises(KekMissing, match="is empty") as empty:
        make("passphrase", store_id="s1", inputs=in_file(private(tmp_path / "empty", "\n")))
    with pytest.raises(KekUnavailable, match="is not text") as undecodable:
        make("passphrase", store_id="s1", inputs=in_file(private(tmp_path / "latin", b"caf\xe9 au lait")))
    assert undecodable.value.__context__ is None
    assert empty.value.hint == undecodable.value.hint == "write the passphrase into it, as its first line"


@each(
    "changes",
    [
        {"memory_kib": 31},
        {"memory_kib": 256 * 1024 + 1},
        {"memory_kib": -1},
        {"iterations": 0},
        {"iterations": 9},
        {"lanes": 0},
        {"lanes": 17},
        {"salt": "c2FsdA"},
        {"salt": "A" * 88},
    ],
)
def test_parameters_that_a_store_may_not_ask_for_are_not_run(changes: Spec) -> None:
    salt = "c2FsdHNhbHRzYWx0c2FsdA"
    spec = {"source": "passphrase", "salt": salt, "memory_kib": 64, "iterations": 1, "lanes": 4, "kid": "k"}
    nosy = KekInputs({}, lambda purpose: pytest.fail("asked"))
    with pytest.raises(RecordUnsupported) as caught:
        load({**spec, **changes}, nosy)
    assert (caught.value.where, str(caught.value)) == (
        "header", "the store's passphrase parameters are outside the allowed range; nothing was opened",
    )  # fmt: skip
    for name in changes:
        for value in (None, True, 1.0, "x+y"):
            with pytest.raises(RecordChanged, match=rf"\b{name} is damaged") as damaged:
                load({**spec, name: value}, nosy)
            assert damaged.value.where == "header"


@each(
    "changes",
    [
        {"memory_kib": 32}, {"memory_kib": 256 * 1024}, {"iterations": 1}, {"iterations": 8}, {"lanes": 1},
        {"lanes": 8}, {"memory_kib": 128, "lanes": 16}, {"salt": "A" * 86},
    ],
)  # fmt: skip
def test_parameters_at_the_end_of_their_range_are_allowed(changes: Spec) -> None:
    salt = "c2FsdHNhbHRzYWx0c2FsdA"
    spec: Spec = {"source": "passphrase", "salt": salt, "memory_kib": 64, "iterations": 1, "lanes": 4, "kid": "k"}
    spec |= changes
    assert f"{spec['memory_kib'] // 1024} MiB" in describe(spec)
