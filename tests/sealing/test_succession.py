"""A statement that one KEK replaced another has the form of docs/format.md, and only the old KEK can make it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kojikey.sealing import succession
from kojikey.sealing.kek.base import Kek, KnownKek, LocalKek
from support.each import each

FIRST, SECOND, THIRD = (LocalKek(bytes([number]) * 32) for number in (1, 2, 3))
ABOUT: dict[str, Any] = {"store_id": "a-store", "by": "anna", "at": "2026-11-28T04:00:00Z", "removed": "bob"}
CONTENT = (
    b'kojikey/1 succession\n{"at":"2026-11-28T04:00:00Z","by":"anna","from":"%b","removed":"bob","store":"a-store",'
    b'"to":"%b","verify":"%b"}'
)


class NoSigner(Kek):
    """A KEK that never leaves its service, as in AWS KMS."""

    __slots__ = ()
    kid = "0123456789abcdef"

    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        raise NotImplementedError

    def unwrap(self, record: str, *, store: str, account: str) -> Any:
        raise NotImplementedError


def signing_key(kek: LocalKek) -> Ed25519PrivateKey:
    """Return the signing key of a KEK, derived as docs/format.md says: HKDF (RFC 5869) with SHA-256, without salt."""
    extracted = hmac.digest(bytes(32), bytes(kek.reveal()), hashlib.sha256)
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(extracted, b"kojikey/1 succession\x01", hashlib.sha256))


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def known(kek: LocalKek) -> KnownKek:
    return KnownKek("a-store", kek.kid, succession.verifier(kek))


def statement(old: LocalKek = FIRST, new: Kek = SECOND, **more: Any) -> dict[str, Any]:
    return succession.signed(old, new, **{**ABOUT, **more})


def leads(*statements: object, kek: Kek = SECOND, store_id: str = "a-store") -> bool:
    return succession.leads(known(FIRST), kek.kid, statements, store_id=store_id)


def test_the_public_key_of_a_kek_is_that_of_the_derived_one() -> None:
    assert succession.verifier(FIRST) == text_of(signing_key(FIRST).public_key().public_bytes_raw())
    assert succession.verifier(NoSigner()) == ""


def test_a_statement_has_the_members_and_the_signature_that_format_md_describes() -> None:
    made = statement()
    verify = succession.verifier(SECOND)
    signature = made.pop("signature")
    assert made == {
        "from": FIRST.kid, "to": SECOND.kid, "verify": verify, "by": "anna", "at": ABOUT["at"], "removed": "bob",
    }  # fmt: skip
    content = CONTENT % (FIRST.kid.encode(), SECOND.kid.encode(), verify.encode())
    assert signature == text_of(signing_key(FIRST).sign(content))


def test_statements_are_followed_from_kek_to_kek() -> None:
    assert leads(statement())
    assert leads(statement(), statement(SECOND, THIRD), kek=THIRD)
    assert not leads(statement(SECOND, THIRD), statement(), kek=THIRD)  # in the order in which they were made
    assert leads(kek=FIRST)
    assert not leads(kek=SECOND)
    assert not leads(statement(SECOND, THIRD), kek=THIRD)


def test_a_kek_that_cannot_sign_has_no_successor() -> None:
    to_service = statement(new=NoSigner())
    assert leads(to_service, kek=NoSigner())
    assert not leads(to_service, {**statement(SECOND, THIRD), "from": NoSigner.kid}, kek=THIRD)


def test_a_statement_of_another_store_is_ignored() -> None:
    assert not leads(statement(store_id="another"))
    assert leads(statement(store_id="another"), store_id="another")


@each(
    ("member", "value"),
    [
        ("from", None), ("from", 7), ("to", THIRD.kid), ("to", 7), ("verify", succession.verifier(THIRD)),
        ("verify", None), ("by", "bob"), ("at", "2026-11-28T05:00:00Z"), ("removed", None), ("removed", "eve"),
        ("signature", None), ("signature", ""), ("signature", "A" * 86), ("signature", "\u00e9"), ("signature", "=="),
    ],
)  # fmt: skip
def test_a_statement_with_a_changed_member_is_ignored(member: str, value: object) -> None:
    changed = {**statement(), member: value}
    assert not leads(changed)
    assert not leads(changed, kek=THIRD)


@each("member", ["from", "to", "verify", "by", "at", "removed", "signature"])
def test_a_statement_that_lacks_a_member_is_ignored(member: str) -> None:
    assert not leads({name: value for name, value in statement().items() if name != member})


@each("hostile", [None, 7, "x", [], {}, {"from": None}, {"from": FIRST.kid}, json.dumps(statement())])
def test_a_malformed_statement_is_ignored_and_hides_no_other(hostile: object) -> None:
    assert not leads(hostile)
    assert leads(hostile, statement())


@each("verify", ["", "x", "A" * 43, "\u00e9", text_of(bytes(31))])
def test_a_malformed_public_key_verifies_nothing(verify: str) -> None:
    assert not succession.leads(KnownKek("a-store", FIRST.kid, verify), SECOND.kid, [statement()], store_id="a-store")


def test_no_other_kek_can_sign_a_statement_of_an_old_one() -> None:
    assert not leads({**statement(THIRD, SECOND), "from": FIRST.kid})
