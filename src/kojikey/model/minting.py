"""The members of a key's document about its provider: the id of a version there, and the intent to create a new key.

Owns: both forms, and which members the proof covers. Without the proof, a writer of the store could have kojikey delete
another key at the provider, so each has a proof that only the account's data key makes. Must not: compute or check the
proof (operations do).
"""

from __future__ import annotations

from typing import Self

from msgspec import Struct, structs

from kojikey.model.ref import Document


class _Proved(Struct, frozen=True, gc=False):
    """A record of texts with a proof. ``content`` is what the proof covers."""

    def content(self) -> Document:
        """Return the members that the proof covers."""
        return {name: value for name, value in self.as_document().items() if name != "proof"}

    def as_document(self) -> Document:
        """Return the JSON form for the store."""
        return structs.asdict(self)

    def with_proof(self, proof: str) -> Self:
        """Return the same with its proof."""
        return structs.replace(self, proof=proof)


class AtProvider(_Proved, frozen=True, gc=False):
    """Where a version is at its provider.

    ``key_id`` is ``""`` where the provider knows none (the key is its own id). ``owner`` is who it belongs to within
    the parent. ``is_minted``: kojikey had it made, and may delete it without asking.
    """

    key_id: str
    parent: str
    owner: str
    name: str
    is_minted: bool
    proof: str

    @classmethod
    def unproved(
        cls, key_id: str, parent: str = "", owner: str = "", name: str = "", *, is_minted: bool = False
    ) -> Self:
        """Return a place whose proof is still to be made."""
        return cls(key_id, parent, owner, name, is_minted, "")


class MintIntent(_Proved, frozen=True, gc=False):
    """A key that was, or is about to be, asked for at the provider. It is kept from before the request is sent.

    ``name`` is what the key is called there; ``token`` is its unique part. ``like`` is the id of the template and
    ``admin_account`` whose admin key is used, where they were named. ``is_wider_allowed``: more permissions were agreed
    to.
    """

    name: str
    token: str
    begun_at: str
    parent: str
    owner: str
    like: str | None
    chosen_parent: str | None
    admin_account: str | None
    is_wider_allowed: bool
    proof: str
