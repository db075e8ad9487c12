"""Statements that one KEK of a store replaced another, signed by the old one.

Owns: the signed content, and whether statements lead from a known KEK to the one in the header. Must not: store them,
or know why a KEK was changed; operations do.

The signing key (Ed25519, RFC 8032) is derived from the KEK. So only someone who has the old KEK can make another one
trusted where the old one is remembered. The public key is remembered with the id of the KEK.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from kojikey.sealing import base64url
from kojikey.sealing.derivation import SUCCESSION
from kojikey.sealing.kek.base import Kek, KnownKek, LocalKek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SIGNED = ("from", "to", "verify", "by", "at", "removed")


def verifier(kek: Kek) -> str:
    """Return the public key for the statements of a KEK, base64url; ``""`` for a KEK that cannot sign."""
    if not isinstance(kek, LocalKek):
        return ""
    return base64url.encode(_signer(kek).public_key().public_bytes_raw())


def signed(old: LocalKek, new: Kek, *, store_id: str, by: str, at: str, removed: str | None) -> dict[str, Any]:
    """Return the signed statement that one KEK replaced another. ``removed`` is the recipient who left, if one did."""
    statement = {"from": old.kid, "to": new.kid, "verify": verifier(new), "by": by, "at": at, "removed": removed}
    return {**statement, "signature": base64url.encode(_signer(old).sign(_covered(statement, store_id)))}


def leads(known: KnownKek, kid: str, statements: Iterable[object], *, store_id: str) -> bool:
    """Return whether statements, which are hostile input, lead from a known KEK to the one with that id."""
    reached = {known.kid: known.verify}
    for statement in statements:
        if isinstance(statement, dict) and isinstance(statement.get("from"), str):
            verify = reached.get(statement["from"])
            if verify and _is_signed(statement, verify, store_id):
                reached[statement["to"]] = statement["verify"]
    return kid in reached


def _is_signed(statement: dict[str, Any], verify: str, store_id: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not all(isinstance(statement.get(name), str) for name in ("to", "verify", "signature")):
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(base64url.decode(verify))
        public.verify(base64url.decode(statement["signature"]), _covered(statement, store_id))
    except (ValueError, InvalidSignature):
        return False
    return True


def _covered(statement: dict[str, Any], store_id: str) -> bytes:
    content = {"store": store_id, **{name: statement.get(name) for name in _SIGNED}}
    return SUCCESSION + b"\n" + json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def _signer(kek: LocalKek) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(kek.derived(SUCCESSION))
