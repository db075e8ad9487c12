"""No error of this layer has a key, a KEK, a data key or a passphrase in its text, its arguments or its cause."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import KojikeyError
from kojikey.model.secret import Secret
from kojikey.sealing import base64url
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek import keychain
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.sealing.kek.registry import load, make

CANARY = "CANARY-7f3a91"
KEK = b"CANARY-7f3a91-kek-0123456789abcd"
DATA_KEY = b"CANARY-7f3a91-dek-0123456789abcd"
KEK_TEXT = base64url.encode(KEK)
PLACE: dict[str, Any] = {"provider": "elevenlabs", "version": 1, "base_url": "https://x.example"}
SEALER = Sealer(DATA_KEY, store="s1", account="acme")
RECORD = SEALER.seal(Secret(CANARY), **PLACE)
WRAPPED = LocalKek(KEK).wrap(DATA_KEY, store="s1", account="acme")
TRACES = (CANARY, KEK_TEXT, KEK_TEXT[:-1], base64url.encode(DATA_KEY), KEK.hex(), DATA_KEY.hex(), CANARY.encode().hex())


def everything_in(error: BaseException | None) -> Iterator[str]:
    """Yield each text and value that a log or a report could read from an error and its causes."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)), repr(getattr(error, "object", "")))
        yield from (repr(getattr(error, name, "")) for name in ("doc", "cmd", "output", "stderr", "filename"))
        error = error.__cause__ or error.__context__


def env(value: str) -> KekInputs:
    return KekInputs({"KOJIKEY_KEK": value}, None)


def from_file(content: bytes) -> Callable[[Path], object]:
    def attempt(folder: Path) -> object:
        (folder / "secret").write_bytes(content)
        (folder / "secret").chmod(0o600)
        inputs = KekInputs({"KOJIKEY_PASSPHRASE_FILE": str(folder / "secret")}, None)
        return make("passphrase", store_id="s1", inputs=inputs)

    return attempt


def from_kek_file(content: bytes) -> Callable[[Path], object]:
    def attempt(folder: Path) -> object:
        (folder / "kek").write_bytes(content)
        (folder / "kek").chmod(0o600)
        return make(f"file:{folder / 'kek'}", store_id="s1", inputs=KekInputs({}, None))

    return attempt


def hangs_after_an_echo(folder: Path) -> object:
    os.mkfifo(folder / "silence")
    helper = ("sh", "-c", f"cat; exec 4<>'{folder}/silence'; read answer <&4")
    return keychain.ask(("set", "kojikey", "e"), {}, value=KEK_TEXT, seconds=0.3, helper=helper)


def typed(words: str) -> KekInputs:
    return KekInputs({}, lambda purpose: Secret(words))


SPEC = {"source": "passphrase", "salt": "c2FsdHNhbHRzYWx0c2FsdA", "memory_kib": 32, "iterations": 1, "lanes": 4}
ECHO = ("sh", "-c", "cat")
ATTEMPTS: dict[str, Callable[[Path], object]] = {
    "record_changed": lambda _: SEALER.open(RECORD[:-2] + "AA", **PLACE),
    "record_moved": lambda _: SEALER.open(RECORD, **{**PLACE, "version": 9}),
    "record_is_the_key": lambda _: SEALER.open(CANARY, **PLACE),
    "header_is_the_key": lambda _: SEALER.open(f"{base64url.encode(CANARY.encode())}....", **PLACE),
    "key_not_text": lambda _: SEALER.seal(Secret(CANARY + "\ud800"), **PLACE),
    "key_too_long": lambda _: SEALER.seal(Secret(CANARY * 2000), **PLACE),
    "wrong_kek": lambda _: LocalKek(DATA_KEY).unwrap(WRAPPED, store="s1", account="acme"),
    "data_key_changed": lambda _: LocalKek(KEK).unwrap(WRAPPED[:-2] + "AA", store="s1", account="acme"),
    "kek_of_another_size": lambda _: LocalKek(KEK + b"x"),
    "kek_cut": lambda _: make("env", store_id="s1", inputs=env(KEK_TEXT[:-1])),
    "kek_not_ascii": lambda _: make("env", store_id="s1", inputs=env(KEK_TEXT + "é")),
    "kek_is_words": lambda _: make("env", store_id="s1", inputs=env(CANARY)),
    "kek_of_another_store": lambda _: load({"source": "env", "name": "KOJIKEY_KEK", "kid": "k"}, env(KEK_TEXT)),
    "kek_file_of_words": from_kek_file(CANARY.encode()),
    "kek_file_not_ascii": from_kek_file(KEK_TEXT.encode() + b"\xff"),
    "kek_in_place_of_a_source": lambda _: make(KEK_TEXT, store_id="s1", inputs=env(KEK_TEXT)),
    "passphrase_wrong": lambda _: load({**SPEC, "kid": "k"}, typed(CANARY)),
    "passphrase_not_text": lambda _: load({**SPEC, "kid": "k"}, typed(CANARY + "\ud800")),
    "passphrase_long": lambda _: make("passphrase", store_id="s1", inputs=typed(CANARY * 200)),
    "passphrase_not_utf8": from_file(CANARY.encode() + b"\xff"),
    "keychain_echoes": lambda _: keychain.ask(("set", "kojikey", "e"), {}, value=KEK_TEXT, helper=ECHO),
    "keychain_hangs": hangs_after_an_echo,
}


BY_A_PROCESS = {"keychain_echoes", "keychain_hangs"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.external) if name in BY_A_PROCESS else name for name in ATTEMPTS]
)
def test_an_error_holds_no_secret(name: str, tmp_path: Path) -> None:
    traces = (*TRACES, CANARY[-7:])
    with pytest.raises(KojikeyError) as caught:
        ATTEMPTS[name](tmp_path)
    found = "\n".join([*everything_in(caught.value), str(caught.value.hint)]).replace(str(tmp_path), "")
    assert not [trace for trace in traces if trace in found]


def test_nothing_that_holds_a_secret_shows_it() -> None:
    things = (SEALER, LocalKek(KEK), env(KEK_TEXT), typed(CANARY), RECORD, WRAPPED, load.__doc__)
    shown = "\n".join(f"{thing} {thing!r}" for thing in things)
    assert not [trace for trace in TRACES if trace in shown]


def test_a_spec_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(keychain, "ask", lambda *_, value: kept.append(value))
    inputs = KekInputs({"KOJIKEY_KEK": KEK_TEXT}, lambda purpose: Secret(CANARY))
    sources = ("env", "passphrase", "keychain", f"file:{tmp_path / 'kek'}")
    shown = repr([make(source, store_id="s1", inputs=inputs)[0] for source in sources])
    kept.append((tmp_path / "kek").read_text().strip())
    assert [len(value) for value in kept] == [43, 43]
    assert not [trace for trace in (*TRACES, *kept) if trace in shown]
