"""A sealed key opens unchanged at its own place, and nowhere else."""

from __future__ import annotations

import copy
import hmac
import pickle
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kojikey.model.errors import CannotOpen, MalformedKey, RecordChanged, UsageError
from kojikey.model.secret import Secret
from kojikey.sealing.aead import cipher
from kojikey.sealing.envelope import Sealer, new_data_key
from kojikey.sealing.record import VERSION_PLACE, parse

KEY = "sk_canary_0123456789abcdef"
PLACE: dict[str, Any] = {"provider": "elevenlabs", "version": 1, "base_url": "https://api.elevenlabs.io"}
DATA_KEY = b"\x07" * 32
SEALER = Sealer(DATA_KEY, store="s1", account="acme")
RECORD = SEALER.seal(Secret(KEY), **PLACE)
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\x00é"


def test_a_record_is_named_by_account_provider_and_version() -> None:
    assert SEALER.place_of("elevenlabs", 3) == "acme/elevenlabs version 3"


@given(st.text(max_size=300), st.integers(min_value=1), st.text(max_size=60), st.text(max_size=60))
@settings(deadline=None)
def test_any_secret_opens_as_it_was_sealed(value: str, version: int, provider: str, base_url: str) -> None:
    place: dict[str, Any] = {"provider": provider, "version": version, "base_url": base_url}
    assert SEALER.open(SEALER.seal(Secret(value), **place), **place).reveal() == value


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_no_mutation_of_a_record_opens(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RECORD)))
    end = data.draw(st.integers(start, min(len(RECORD), start + 3)))
    mutated = RECORD[:start] + data.draw(st.text(alphabet=CHARACTERS, max_size=3)) + RECORD[end:]
    assume(mutated != RECORD)
    with pytest.raises(CannotOpen) as caught:
        SEALER.open(mutated, **PLACE)
    assert KEY not in str(caught.value)


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=7))
@settings(deadline=None)
def test_no_mixture_of_the_parts_of_two_records_opens(order: list[int], picks: list[int]) -> None:
    one, other = RECORD.split("."), SEALER.seal(Secret("other"), **PLACE).split(".")
    for parts in ([one[index] for index in order], [(one + other)[index * 2] for index in picks]):
        mutated = ".".join(parts)
        if mutated != RECORD:
            with pytest.raises(CannotOpen):
                SEALER.open(mutated, **PLACE)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"provider": "google_gemini"}, "belongs to another provider"),
        ({"version": 2}, "belongs to another version"),
        ({"base_url": "https://evil.example"}, "belongs to another base URL"),
        ({"version": 2, "base_url": "https://evil.example"}, "belongs to another version and another base URL"),
    ],
)
def test_a_moved_record_says_what_differs(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(RecordChanged, match=what) as caught:
        SEALER.open(RECORD, **{**PLACE, **changes})
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(("store", "account"), [("s2", "acme"), ("s1", "other")])
def test_a_record_of_another_store_or_account_does_not_open(store: str, account: str) -> None:
    with pytest.raises(RecordChanged, match=r"belongs to another (store|account)"):
        Sealer(DATA_KEY, store=store, account=account).open(RECORD, **PLACE)


def test_the_place_is_compared_before_anything_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.sealing.envelope.opened", lambda *_, **__: pytest.fail("decrypted"))
    with pytest.raises(RecordChanged):
        SEALER.open(RECORD, **{**PLACE, "base_url": "https://evil.example"})


def test_another_data_key_does_not_open_it() -> None:
    with pytest.raises(RecordChanged, match="acme/elevenlabs version 1 was changed outside kojikey"):
        Sealer(b"\x08" * 32, store="s1", account="acme").open(RECORD, **PLACE)


def test_a_record_is_different_each_time_and_its_key_id_is_not() -> None:
    records = [parse(SEALER.seal(Secret(KEY), **PLACE), VERSION_PLACE, where="x") for _ in range(50)]
    assert len({record.iv for record in records}) == len({record.ciphertext for record in records}) == 50
    assert len({record.kid for record in records}) == 1
    other = Sealer(b"\x08" * 32, store="s1", account="acme").seal(Secret(KEY), **PLACE)
    assert parse(other, VERSION_PLACE, where="x").kid != records[0].kid


def test_data_keys_are_32_bytes_and_never_the_same() -> None:
    keys = {new_data_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {32}


def test_a_fingerprint_tells_keys_of_one_account_apart_and_links_no_two_accounts() -> None:
    other = Sealer(b"\x08" * 32, store="s1", account="other")
    one = SEALER.fingerprint(Secret(KEY))
    assert one == SEALER.fingerprint(Secret(KEY))
    assert len({one, SEALER.fingerprint(Secret(KEY + "x")), other.fingerprint(Secret(KEY))}) == 3


def test_a_fingerprint_can_be_computed_without_kojikey() -> None:
    pseudorandom_key = hmac.digest(bytes(32), DATA_KEY, "sha256")  # HKDF (RFC 5869) without salt
    derived = hmac.digest(pseudorandom_key, b"kojikey/1 fingerprint\x01", "sha256")
    assert SEALER.fingerprint(Secret(KEY)) == hmac.digest(derived, KEY.encode(), "sha256").hex()[:12]


def test_a_proof_can_be_computed_without_kojikey() -> None:
    # Fixed: another form of the text would make the proofs in all stores invalid.
    covered = '["at_provider","elevenlabs",{"a":{"b":[1,true,null]},"key_id":"\\u00e9","z":""}]'
    pseudorandom_key = hmac.digest(bytes(32), DATA_KEY, "sha256")
    derived = hmac.digest(pseudorandom_key, b"kojikey/1 proof\x01", "sha256")
    content = {"z": "", "key_id": "é", "a": {"b": [1, True, None]}}
    expected = hmac.digest(derived, covered.encode("ascii"), "sha256").hex()
    assert SEALER.proof("at_provider", "elevenlabs", content) == expected


def test_a_proof_is_valid_for_one_purpose_provider_content_and_account() -> None:
    other = Sealer(b"\x08" * 32, store="s1", account="other")
    proofs = [
        SEALER.proof("p", "elevenlabs", {"a": 1}), SEALER.proof("q", "elevenlabs", {"a": 1}),
        SEALER.proof("p", "openai", {"a": 1}), SEALER.proof("p", "elevenlabs", {"a": "1"}),
        other.proof("p", "elevenlabs", {"a": 1}),
    ]  # fmt: skip
    assert len(set(proofs)) == len(proofs)


def test_a_key_that_is_not_text_is_refused_without_being_shown() -> None:
    refused = r"^the key contains characters that are not text; nothing was sealed$"
    with pytest.raises(MalformedKey, match=refused) as sealing:
        SEALER.seal(Secret(KEY + "\udcff"), **PLACE)
    with pytest.raises(MalformedKey, match=refused) as comparing:
        SEALER.fingerprint(Secret(KEY + "\udcff"))
    # A UnicodeEncodeError as the context would carry the key.
    assert sealing.value.__context__ is comparing.value.__context__ is None


def test_plaintext_that_is_not_text_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.sealing.envelope.opened", lambda *_, **__: b"secret \xff")
    with pytest.raises(RecordChanged, match="something other than text") as caught:
        SEALER.open(RECORD, **PLACE)
    assert caught.value.__context__ is None


def test_a_key_too_long_to_be_read_again_is_not_sealed() -> None:
    with pytest.raises(UsageError, match="too long"):
        SEALER.seal(Secret("k" * 16384), **PLACE)


def test_a_sealer_is_neither_shown_nor_serialised() -> None:
    assert repr(SEALER) == str(SEALER) == "<Sealer of account acme>"
    for copying in (copy.copy, copy.deepcopy, pickle.dumps, vars):
        with pytest.raises(TypeError):
            copying(SEALER)


def test_the_direct_import_of_the_cipher_gives_the_public_class() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    assert cipher() is AESGCM


def test_without_the_direct_import_the_public_class_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.bindings import _rust
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    monkeypatch.delattr(_rust, "openssl")
    assert cipher() is AESGCM
    assert SEALER.open(RECORD, **PLACE).reveal() == KEY
