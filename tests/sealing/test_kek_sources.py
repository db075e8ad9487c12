"""A KEK is found at the place in its spec, or the error says what to do; no other KEK is accepted for it."""

from __future__ import annotations

import os
import stat
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kojikey.model.errors import (
    CannotOpen,
    Effect,
    KekMissing,
    KekUnavailable,
    RecordChanged,
    RecordUnsupported,
    UsageError,
    WrongKek,
)
from kojikey.model.secret import Secret
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.sealing.kek.registry import available_default, describe, discard, load, make, wrapped_kid
from support.each import each
from support.keks import NOBODY, WORDS, Spec, private, typed

KEY = bytes(range(200, 232))
TEXT = urlsafe_b64encode(KEY).decode()


def env(value: str, name: str = "KOJIKEY_KEK") -> KekInputs:
    return KekInputs({name: value}, None)


# the KEK itself


def test_a_data_key_comes_back_and_its_record_names_the_kek() -> None:
    kek = LocalKek(KEY)
    record = kek.wrap(b"d" * 32, store="s1", account="acme")
    assert LocalKek(KEY).unwrap(record, store="s1", account="acme") == b"d" * 32
    assert wrapped_kid(record) == kek.kid
    assert len(kek.kid) == 16


def test_another_kek_is_distinguished_from_a_changed_record() -> None:
    record = LocalKek(KEY).wrap(b"d" * 32, store="s1", account="acme")
    with pytest.raises(WrongKek, match="data key of account acme was wrapped by another KEK"):
        LocalKek(b"o" * 32).unwrap(record, store="s1", account="acme")
    with pytest.raises(RecordChanged, match="belongs to another store and another account"):
        LocalKek(KEY).unwrap(record, store="s2", account="evil")
    with pytest.raises(RecordChanged, match="changed outside kojikey"):
        LocalKek(KEY).unwrap(record[:-22] + "A" * 22, store="s1", account="acme")


def test_what_is_not_a_record_has_no_kid() -> None:
    with pytest.raises(RecordChanged):
        wrapped_kid("nothing")


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_kek_has_32_bytes(size: int) -> None:
    with pytest.raises(KekUnavailable):
        LocalKek(bytes(size))


# the table


@each("source", ["", "vault", "keychain:x", "passphrase:x", "file", "file:", "file:a\x1bb", "env:A B"])
def test_an_unknown_source_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="nothing was created") as caught:
        make(source, store_id="s1", inputs=NOBODY)
    assert caught.value.hint


@each(
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
def test_a_damaged_spec_is_distinguished_from_one_of_a_newer_version(spec: Spec, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        load(spec, typed(WORDS))
    assert "\x1b" not in str(caught.value)
    discard(spec, NOBODY)


SPECS = st.dictionaries(
    st.sampled_from(["source", "kid", "name", "path", "salt", "memory_kib", "iterations", "lanes"]),
    st.sampled_from(["env", "file", "passphrase", TEXT]) | st.none() | st.integers() | st.text(max_size=5),
)


@given(SPECS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spec_of_any_content_raises_only_kojikey_errors(spec: Spec) -> None:
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


def test_a_kek_may_be_in_a_variable_of_another_name() -> None:
    spec, _ = make("env:MY_KEK", store_id="s1", inputs=env(TEXT, "MY_KEK"))
    assert spec["name"] == "MY_KEK"
    with pytest.raises(KekMissing, match="MY_KEK is not set") as caught:
        load(spec, env(TEXT))
    assert caught.value.hint


def test_without_a_kek_in_the_environment_the_hint_creates_one() -> None:
    with pytest.raises(KekMissing) as caught:
        make("env", store_id="s1", inputs=NOBODY)
    hint = caught.value.hint or ""
    command = hint[hint.index("export ") :] + '; printf %s "$KOJIKEY_KEK"'
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert make("env", store_id="s1", inputs=env(made))[1].kid


@pytest.mark.parametrize("value", ["x", TEXT[:-2], TEXT + "A", "*" + TEXT[1:], TEXT[:-2] + "9", TEXT + "=", "é" * 43])
def test_a_value_that_is_not_a_kek_is_refused_and_not_repeated(value: str) -> None:
    for attempt in (
        lambda: make("env", store_id="s1", inputs=env(value)),
        lambda: load({"source": "env", "name": "KOJIKEY_KEK", "kid": "k"}, env(value)),
    ):
        with pytest.raises(KekUnavailable, match="43 characters") as caught:
            attempt()
        assert len(value) < 2 or value not in str(caught.value) + str(caught.value.hint)


def test_another_kek_in_the_environment_is_a_wrong_kek() -> None:
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
def test_a_kek_file_that_others_can_use_is_refused_with_the_command_that_fixes_it(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "a kek", TEXT, mode)
    for attempt in (
        lambda: make(f"file:{path}", store_id="s1", inputs=NOBODY),
        lambda: load({"source": "file", "path": str(path), "kid": LocalKek(KEY).kid}, NOBODY),
    ):
        with pytest.raises(KekUnavailable, match=r"others can (read|write)") as caught:
            attempt()
        assert caught.value.hint == f"chmod 600 '{path}'"
    assert "others can" in describe({"source": "file", "path": str(path), "kid": "k"})


@pytest.mark.external  # the helper of the keychain
@each(("source", "kept"), [("env", {"kid": "k"}), ("keychain", {"service": "s", "entry": "e", "kid": "k"})])
def test_a_source_without_a_kek_says_once_what_was_not_done(source: str, kept: dict[str, str]) -> None:
    nowhere = KekInputs({"PATH": os.environ["PATH"]}, None)  # no variable, and no session bus: so no keychain
    for attempt, effect in (
        (lambda: load({"source": source, "name": "NO_KEK", **kept}, nowhere), Effect.NOTHING_OPENED),
        (lambda: make(source, store_id="s1", inputs=nowhere), Effect.NOTHING_CREATED),
    ):
        with pytest.raises((KekMissing, KekUnavailable)) as caught:
            attempt()
        assert str(caught.value).endswith(f"; {effect}")
        assert str(caught.value).count("nothing was") == 1


def test_a_missing_a_damaged_and_a_wrong_kek_file_are_distinguished(tmp_path: Path) -> None:
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
    with pytest.raises(KekMissing, match="does not exist"):
        load(spec, NOBODY)
    assert "does not exist" in describe(spec)


def test_a_pipe_or_a_folder_in_place_of_the_kek_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(KekUnavailable):
            load({"source": "file", "path": str(path), "kid": "k"}, NOBODY)


def test_a_kek_file_that_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = private(tmp_path / "kek", TEXT)
    denied = mock.Mock(side_effect=PermissionError(13, "Permission denied"))
    monkeypatch.setattr("kojikey.sealing.kek.private_file.os.open", denied)
    with pytest.raises(KekUnavailable, match=r"cannot be read \(Permission denied\)") as caught:
        make(f"file:{path}", store_id="s1", inputs=NOBODY)
    assert caught.value.hint == f"let this user read {path}"


def test_a_kek_file_is_not_created_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder of .* does not exist") as refused:
        make(f"file:{tmp_path}/none/kek", store_id="s1", inputs=NOBODY)
    assert refused.value.hint == f"mkdir -p -m 700 {tmp_path}/none"


def test_a_full_disk_leaves_no_kek_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kojikey.sealing.kek.keyfile.os.fsync", full)
    with pytest.raises(KekUnavailable, match="No space left") as caught:
        make(f"file:{tmp_path}/kek", store_id="s1", inputs=NOBODY)
    assert caught.value.hint == "name a file in a folder that this user can write"
    assert not (tmp_path / "kek").exists()


def test_a_kek_file_is_there_only_with_its_whole_kek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fsync = tmp_path / "kek", os.fsync
    seen: list[str] = []

    def looked_at(descriptor: int) -> None:
        seen.append(path.read_text() if path.exists() else "")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", looked_at)
    spec, kek = make(f"file:{path}", store_id="s1", inputs=NOBODY)
    assert seen == ["", path.read_text()]  # before it has its name, and when its name reaches the disk
    assert load(spec, NOBODY).kid == kek.kid
    assert path.stat().st_mode & 0o777 == 0o600


def test_of_two_processes_that_create_a_kek_file_both_have_the_same_kek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kek"
    _, first = make(f"file:{path}", store_id="s1", inputs=NOBODY)
    monkeypatch.setattr("os.path.lexists", lambda _: False)  # as the second saw it before the first was done
    _, second = make(f"file:{path}", store_id="s2", inputs=NOBODY)
    assert first.kid == second.kid


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
def test_the_default_source_is_the_first_available_one(
    environ: dict[str, str], asks: bool, interactive: bool, expected: str | None
) -> None:
    inputs = KekInputs(environ, (lambda purpose: Secret(WORDS)) if asks else None)
    assert available_default(inputs, interactive=interactive, try_keychain=False) == expected


@pytest.mark.parametrize(("owner", "is_used"), [(os.geteuid(), True), (0, True), (4711, False)])
def test_a_kek_file_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, is_used: bool
) -> None:
    spec, kek = make(f"file:{tmp_path / 'kek'}", store_id="s1", inputs=KekInputs({}, None))
    fstat = os.fstat

    def owned(descriptor: int) -> os.stat_result:
        found = list(fstat(descriptor))
        found[stat.ST_UID] = owner
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", owned)
    if is_used:
        assert load(spec, KekInputs({}, None)).kid == kek.kid
    else:
        with pytest.raises(KekUnavailable, match="belongs to another user") as caught:
            load(spec, KekInputs({}, None))
        assert "chown" in (caught.value.hint or "")
