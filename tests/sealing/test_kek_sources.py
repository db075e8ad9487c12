"""A KEK is found where its spec says, or the error says what to do; and no other KEK is taken for it."""

from __future__ import annotations

import os
import stat
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kojikey.model.errors import (
    CannotOpen,
    KekMissing,
    KekUnavailable,
    RecordChanged,
    RecordUnsupported,
    UsageError,
    WrongKek,
)
from kojikey.model.secret import Secret
from kojikey.sealing import passphrase
from kojikey.sealing.kek import (
    KekInputs,
    LocalKek,
    available_default,
    describe,
    discard,
    load,
    make,
    wrapped_kid,
)

KEY = bytes(range(200, 232))
TEXT = urlsafe_b64encode(KEY).decode()
WORDS = "correct horse battery"
NOBODY = KekInputs({}, None)
Spec = dict[str, Any]


def typed(words: str) -> KekInputs:
    return KekInputs({}, lambda purpose: Secret(words))


def in_file(path: Path) -> KekInputs:
    return KekInputs({"KOJIKEY_PASSPHRASE_FILE": str(path)}, None)


def env(value: str, name: str = "KOJIKEY_KEK") -> KekInputs:
    return KekInputs({name: value}, None)


def private(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch new passphrases with the least that Argon2id takes: what is tested here is not its strength."""
    monkeypatch.setattr(passphrase, "MEMORY_KIB", 32)
    monkeypatch.setattr(passphrase, "ITERATIONS", 1)


# the KEK itself


def test_a_data_key_comes_back_and_its_record_names_the_kek() -> None:
    kek = LocalKek(KEY)
    record = kek.wrap(b"d" * 32, store="s1", account="acme")
    assert LocalKek(KEY).unwrap(record, store="s1", account="acme") == b"d" * 32
    assert wrapped_kid(record) == kek.kid
    assert len(kek.kid) == 16


def test_another_kek_is_told_from_a_changed_record() -> None:
    record = LocalKek(KEY).wrap(b"d" * 32, store="s1", account="acme")
    with pytest.raises(WrongKek, match="data key of account acme was wrapped by another KEK"):
        LocalKek(b"o" * 32).unwrap(record, store="s1", account="acme")
    with pytest.raises(RecordChanged, match="is of another store and another account"):
        LocalKek(KEY).unwrap(record, store="s2", account="evil")
    with pytest.raises(RecordChanged, match="changed from outside"):
        LocalKek(KEY).unwrap(record[:-22] + "A" * 22, store="s1", account="acme")


def test_what_is_not_a_record_has_no_kid() -> None:
    with pytest.raises(RecordChanged):
        wrapped_kid("nothing")


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_kek_has_32_bytes(size: int) -> None:
    with pytest.raises(KekUnavailable):
        LocalKek(bytes(size))


# the table


@pytest.mark.parametrize(
    "source", ["", "vault", "keychain:x", "passphrase:x", "file", "file:", "file:a\x1bb", "env:A B"]
)
def test_a_source_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="nothing was made") as caught:
        make(source, store_id="s1", inputs=NOBODY)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({}, RecordChanged),
        ({"source": 7}, RecordChanged),
        ({"source": "vault", "kid": "k"}, RecordUnsupported),
        ({"source": "env", "kid": "k"}, RecordChanged),
        ({"source": "env", "name": "A"}, RecordChanged),
        ({"source": "env", "name": "A\x1b[31m", "kid": "k"}, RecordChanged),
        ({"source": "file", "path": "kek", "kid": "k"}, RecordChanged),
        ({"source": "file", "path": "/a\0b", "kid": "k"}, RecordChanged),
        ({"source": "keychain", "service": "kojikey", "kid": "k"}, RecordChanged),
        ({"source": "passphrase", "salt": "a+b", "kid": "k"}, RecordChanged),
    ],
)
def test_a_damaged_spec_is_told_from_one_of_a_newer_version(spec: Spec, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        load(spec, typed(WORDS))
    assert "\x1b" not in str(caught.value)
    discard(spec, NOBODY)


SPECS = st.dictionaries(
    st.sampled_from(["source", "kid", "name", "path", "salt", "memory_kib", "iterations", "lanes"]),
    st.sampled_from(["env", "file", "passphrase", TEXT]) | st.none() | st.integers() | st.text(max_size=5),
)


@given(SPECS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_spec_raises_anything_but_our_errors(spec: Spec) -> None:
    with pytest.raises(CannotOpen):
        load(spec, KekInputs({"KOJIKEY_KEK": TEXT}, None))


def test_the_environment_is_not_shown() -> None:
    assert TEXT not in repr(env(TEXT))
    assert TEXT not in f"{env(TEXT)}"


# env


@pytest.mark.parametrize("value", [TEXT, TEXT.rstrip("="), f" {TEXT}\n"])
def test_a_kek_in_the_environment_is_read_with_or_without_padding(value: str) -> None:
    spec, kek = make("env", store_id="s1", inputs=env(value))
    assert spec == {"source": "env", "name": "KOJIKEY_KEK", "kid": LocalKek(KEY).kid}
    assert load(spec, env(TEXT)).kid == kek.kid
    assert "KOJIKEY_KEK" in describe(spec)
    discard(spec, env(value))


def test_the_variable_may_have_another_name() -> None:
    spec, _ = make("env:MY_KEK", store_id="s1", inputs=env(TEXT, "MY_KEK"))
    assert spec["name"] == "MY_KEK"
    with pytest.raises(KekMissing, match="MY_KEK is not set") as caught:
        load(spec, env(TEXT))
    assert caught.value.hint


def test_without_a_kek_in_the_environment_the_hint_makes_one() -> None:
    with pytest.raises(KekMissing) as caught:
        make("env", store_id="s1", inputs=NOBODY)
    hint = caught.value.hint or ""
    command = hint[hint.index("export ") :] + '; printf %s "$KOJIKEY_KEK"'
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert make("env", store_id="s1", inputs=env(made))[1].kid


@pytest.mark.parametrize("value", ["x", TEXT[:-2], TEXT + "A", "+" + TEXT[1:], TEXT[:-2] + "9", TEXT + "=", "é" * 43])
def test_what_is_not_a_kek_is_refused_and_not_repeated(value: str) -> None:
    for attempt in (
        lambda: make("env", store_id="s1", inputs=env(value)),
        lambda: load({"source": "env", "name": "KOJIKEY_KEK", "kid": "k"}, env(value)),
    ):
        with pytest.raises(KekUnavailable, match="43 characters") as caught:
            attempt()
        assert len(value) < 2 or value not in str(caught.value) + str(caught.value.hint)


def test_another_kek_in_the_environment_is_the_wrong_one() -> None:
    spec, _ = make("env", store_id="s1", inputs=env(TEXT))
    with pytest.raises(WrongKek, match="the KEK in KOJIKEY_KEK is not this store's"):
        load(spec, env("A" * 43))


# file


def test_a_kek_file_is_made_once_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0)
    try:
        spec, kek = make("file:kek", store_id="s1", inputs=NOBODY)
    finally:
        os.umask(old)
    path = tmp_path / "kek"
    assert spec == {"source": "file", "path": str(path), "kid": kek.kid}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) == 44
    assert load(spec, NOBODY).kid == kek.kid
    assert "readable by its owner only" in describe(spec)


def test_a_kek_file_that_is_there_is_used_and_never_removed(tmp_path: Path) -> None:
    path = private(tmp_path / "kek", TEXT)
    spec, kek = make(f"file:{path}", store_id="s1", inputs=NOBODY)
    assert kek.kid == LocalKek(KEY).kid
    discard(spec, NOBODY)
    assert path.read_text() == TEXT


def test_the_file_has_the_text_form_of_the_environment(tmp_path: Path) -> None:
    _, kek = make(f"file:{tmp_path / 'kek'}", store_id="s1", inputs=NOBODY)
    assert make("env", store_id="s1", inputs=env((tmp_path / "kek").read_text()))[1].kid == kek.kid


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_kek_file_that_others_can_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "a kek", TEXT, mode)
    for attempt in (
        lambda: make(f"file:{path}", store_id="s1", inputs=NOBODY),
        lambda: load({"source": "file", "path": str(path), "kid": LocalKek(KEY).kid}, NOBODY),
    ):
        with pytest.raises(KekUnavailable, match="others can read or write") as caught:
            attempt()
        assert caught.value.hint == f"chmod 600 '{path}'"
    assert "others can" in describe({"source": "file", "path": str(path), "kid": "k"})


def test_a_kek_file_that_is_gone_damaged_or_another_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    spec, _ = make(f"file:{path}", store_id="s1", inputs=NOBODY)
    private(path, TEXT)
    with pytest.raises(WrongKek, match="is not this store's"):
        load(spec, NOBODY)
    for content in ("", "short", TEXT * 200, b"\xff" * 43):
        private(path, content)
        with pytest.raises(KekUnavailable, match="is not a KEK"):
            load(spec, NOBODY)
    path.unlink()
    with pytest.raises(KekMissing, match="is not there"):
        load(spec, NOBODY)
    assert "not there" in describe(spec)


def test_a_pipe_or_a_folder_in_place_of_the_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(KekUnavailable):
            load({"source": "file", "path": str(path), "kid": "k"}, NOBODY)


def test_a_kek_file_is_not_made_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder of .* is not there"):
        make(f"file:{tmp_path}/none/kek", store_id="s1", inputs=NOBODY)


def test_a_full_disk_leaves_no_kek_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kojikey.sealing.keyfile.os.fsync", full)
    with pytest.raises(KekUnavailable, match="No space left"):
        make(f"file:{tmp_path}/kek", store_id="s1", inputs=NOBODY)
    assert not (tmp_path / "kek").exists()


# passphrase


def test_a_passphrase_opens_what_it_made_with_the_recommended_parameters() -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed(WORDS))
    assert {name: spec[name] for name in ("memory_kib", "iterations", "lanes")} == {
        "memory_kib": 65536,
        "iterations": 3,
        "lanes": 4,
    }
    assert load(spec, typed(WORDS)).kid == kek.kid == spec["kid"]
    assert "64 MiB" in describe(spec)


def test_the_kek_of_a_passphrase_is_argon2id_of_it() -> None:
    # Fixed: a change here would lock everyone out.
    spec = {"source": "passphrase", "salt": "c2FsdHNhbHRzYWx0c2FsdA", "memory_kib": 64, "iterations": 1, "lanes": 2}
    key = Argon2id(salt=b"saltsaltsaltsalt", length=32, iterations=1, lanes=2, memory_cost=64).derive(WORDS.encode())
    assert load({**spec, "kid": LocalKek(key).kid}, typed(WORDS)).kid == LocalKek(key).kid


@pytest.mark.usefixtures("fast")
def test_the_same_passphrase_makes_another_kek_each_time() -> None:
    assert make("passphrase", store_id="s", inputs=typed(WORDS))[1].kid != make(
        "passphrase", store_id="s", inputs=typed(WORDS)
    )[1].kid  # fmt: skip


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("words", ["", "wrong", WORDS + " ", WORDS.upper(), "\udcff"])
def test_a_wrong_passphrase_is_called_that(words: str) -> None:
    spec, _ = make("passphrase", store_id="s1", inputs=typed(WORDS))
    with pytest.raises(WrongKek, match="that is not this store's passphrase"):
        load(spec, typed(words))


@pytest.mark.usefixtures("fast")
def test_the_same_letters_typed_on_two_systems_are_one_passphrase() -> None:
    spec, kek = make("passphrase", store_id="s1", inputs=typed("cafe\u0301 au lait"))
    assert load(spec, typed("caf\u00e9 au lait")).kid == kek.kid


@pytest.mark.usefixtures("fast")
def test_a_person_is_told_what_the_passphrase_is_for() -> None:
    asked: list[str] = []

    def ask(purpose: Literal["open", "new"]) -> Secret:
        asked.append(purpose)
        return Secret(WORDS)

    spec, _ = make("passphrase", store_id="s1", inputs=KekInputs({}, ask))
    load(spec, KekInputs({}, ask))
    assert asked == ["new", "open"]


@pytest.mark.parametrize("words", ["", "x" * 1025])
def test_a_new_passphrase_is_neither_empty_nor_endless(words: str) -> None:
    with pytest.raises(UsageError, match=r"a passphrase (can not be empty|has at most)"):
        make("passphrase", store_id="s1", inputs=typed(words))


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(("words", "warned"), [("1234567", True), ("12345678", False)])
def test_a_short_new_passphrase_is_taken_with_a_warning(words: str, warned: bool) -> None:
    warnings: list[str] = []
    make("passphrase", store_id="s1", inputs=typed(words)._replace(warn=warnings.append))
    assert [("can be guessed" in text, words in text) for text in warnings] == ([(True, False)] if warned else [])


@pytest.mark.usefixtures("fast")
def test_a_passphrase_file_that_others_can_read_is_used_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = private(tmp_path / "open", WORDS, 0o644)
    make("passphrase", store_id="s1", inputs=in_file(path)._replace(warn=warnings.append))
    assert [f"chmod 600 {path}" in text for text in warnings] == [True]


def test_where_nobody_can_be_asked_the_ways_out_are_named() -> None:
    with pytest.raises(KekMissing, match="nobody can be asked") as caught:
        make("passphrase", store_id="s1", inputs=NOBODY)
    assert "KOJIKEY_PASSPHRASE_FILE" in str(caught.value.hint)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("content", [WORDS, f"{WORDS}\n", f"{WORDS}\r\n", f"{WORDS}\nsecond line\n"])
def test_the_first_line_of_the_file_is_the_passphrase_and_nobody_is_asked(tmp_path: Path, content: str) -> None:
    file = private(tmp_path / "words", content)
    spec, kek = make("passphrase", store_id="s1", inputs=in_file(file))
    assert load(spec, typed(WORDS)).kid == kek.kid
    nosy = KekInputs(in_file(file).environ, lambda purpose: pytest.fail("asked"))
    assert load(spec, nosy).kid == kek.kid


@pytest.mark.usefixtures("fast")
def test_a_passphrase_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, WORDS.encode() + b"\n")
    os.close(writer)
    try:
        assert make("passphrase", store_id="s1", inputs=in_file(Path(f"/dev/fd/{reader}")))[1].kid
    finally:
        os.close(reader)


def test_a_passphrase_file_that_can_not_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(KekMissing, match="is not there"):
        make("passphrase", store_id="s1", inputs=in_file(tmp_path / "none"))
    with pytest.raises(KekMissing, match="is empty"):
        make("passphrase", store_id="s1", inputs=in_file(private(tmp_path / "empty", "\n")))
    with pytest.raises(KekUnavailable, match="is not UTF-8") as undecodable:
        make("passphrase", store_id="s1", inputs=in_file(private(tmp_path / "latin", b"caf\xe9 au lait")))
    assert undecodable.value.__context__ is None


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 31},
        {"memory_kib": 1024 * 1024 + 1},
        {"memory_kib": -1},
        {"iterations": 0},
        {"iterations": 17},
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
    with pytest.raises(RecordUnsupported):
        load({**spec, **changes}, nosy)
    for name in changes:
        for value in (None, True, 1.0, "x+y"):
            with pytest.raises(RecordChanged):
                load({**spec, name: value}, nosy)


# the default


@pytest.mark.parametrize(
    ("environ", "asks", "interactive", "expected"),
    [
        ({"KOJIKEY_KEK": TEXT, "KOJIKEY_PASSPHRASE_FILE": "/x"}, True, True, "env"),
        ({"KOJIKEY_PASSPHRASE_FILE": "/x"}, True, True, "passphrase"),
        ({"KOJIKEY_KEK": ""}, True, True, "passphrase"),
        ({}, True, True, "passphrase"),
        ({}, True, False, None),
        ({}, False, True, None),
    ],
)
def test_the_default_source_is_the_first_that_there_is(
    environ: dict[str, str], asks: bool, interactive: bool, expected: str | None
) -> None:
    inputs = KekInputs(environ, (lambda purpose: Secret(WORDS)) if asks else None)
    assert available_default(inputs, interactive=interactive, try_keychain=False) == expected
