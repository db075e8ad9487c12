"""The members of a key's document about its provider: the id of a version there, and the intent to create a new key.

Each has a proof (an HMAC), for which the account's data key is needed. Without it, a writer of the store could make
kojikey delete another key at the provider.

Owns: both forms, and which members the proof covers. Must not: compute or check a proof (operations do).
"""

from __future__ import annotations

from typing import Self

from msgspec import Struct, structs

from kojikey.model.ref import Document


class _Proved(Struct, frozen=True, gc=False):
    """A record with a proof."""

    def content(self) -> Document:
        """Return the members that the proof covers."""
        return {name: value for name, value in self.as_document().items() if name != "proof"}

    def as_document(self) -> Document:
        """Return the JSON form for the store."""
        return structs.asdict(self)

    def with_proof(self, proof: str) -> Self:
        """Return the same record with a proof."""
        return structs.replace(self, proof=proof)


class RemoteId(_Proved, frozen=True, gc=False):
    """How a version is identified at its provider.

    ``key_id`` is ``""`` at a provider without ids, where the key is its own id. ``parent`` is the project, team or
    account there, and ``owner`` the user in it. ``is_minted``: kojikey created the key, and may delete it unasked.
    """

    key_id: str
    parent: str
    owner: str
    name: str
    is_minted: bool
    proof: str


class MintIntent(_Proved, frozen=True, gc=False):
    """The intent to create a key at the provider. It is saved before the request is sent.

    ``name`` is the key's name there; ``token`` is the unique part of it. ``like`` (the id of the template),
    ``chosen_parent`` and ``admin_account`` are the values of the options, None if not given. ``is_wider_allowed``: the
    user agreed that the new key may be allowed more than the old one.
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
