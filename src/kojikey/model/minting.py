"""What a key's document keeps about its provider: the id of a version there, and the intent to make a new key.

Owns: both forms, and what of them is proved. Without the proof, a writer of the store could have kojikey delete another
key at the provider, so each has a proof that only the account's data key makes. Must not: compute or check the proof
(operations do).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from kojikey.model import validators
from kojikey.model.ref import Document


def _maybe_text(value: object) -> str | None:
    found: str | None = validators.optional(validators.text, value)
    return found


class _Proved:
    """A record of texts with a proof. ``content`` is what the proof covers."""

    __slots__ = ()

    def content(self) -> Document:
        """Return the members that the proof covers."""
        return {name: value for name, value in self.as_document().items() if name != "proof"}

    def as_document(self) -> Document:
        """Return the JSON form for the store."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Return what :meth:`as_document` wrote. Raises as :meth:`kojikey.model.key.Key.from_document`."""
        return cls(**{each.name: _CHECKS[each.name](document[each.name]) for each in fields(cls)})  # type: ignore[arg-type]

    def with_proof(self, proof: str) -> Self:
        """Return the same with its proof."""
        return replace(self, proof=proof)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class AtProvider(_Proved):
    """Where a version is at its provider.

    ``key_id`` is ``""`` where the provider knows none (the key is its own id). ``owner`` is who it belongs to within
    the parent. ``is_minted``: kojikey had it made, and may delete it without asking.
    """

    key_id: str
    parent: str = ""
    owner: str = ""
    name: str = ""
    is_minted: bool = False
    proof: str = ""


@dataclass(frozen=True, slots=True)
class MintIntent(_Proved):
    """A key that was, or is about to be, asked for at the provider. It is kept from before the request is sent.

    ``name`` is what the key is called there; ``token`` is its unique part. ``like`` is the id of the template and
    ``admin_account`` whose admin key is used, where they were named. ``is_wider_allowed``: more permissions were agreed
    to.
    """

    name: str
    token: str
    begun_at: str
    parent: str = ""
    owner: str = ""
    like: str | None = None
    chosen_parent: str | None = None
    admin_account: str | None = None
    is_wider_allowed: bool = False
    proof: str = ""


_CHECKS: dict[str, Callable[[object], Any]] = {
    "key_id": validators.text,
    "parent": validators.text,
    "owner": validators.text,
    "name": validators.text,
    "is_minted": validators.flag,
    "proof": validators.text,
    "token": validators.text,
    "begun_at": validators.stamp,
    "like": _maybe_text,
    "chosen_parent": _maybe_text,
    "admin_account": lambda value: validators.optional(validators.account, value),
    "is_wider_allowed": validators.flag,
}
