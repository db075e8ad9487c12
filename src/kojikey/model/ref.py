"""The address of a document in a store: of the header, an account, or an account's key at a provider."""

from __future__ import annotations

from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.plain_text import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Document: TypeAlias = "dict[str, Any]"
"""A JSON object. Stores do not read it, except for the members that they index."""


class Ref(NamedTuple):
    """The address of one document. ``account`` and ``provider`` are ``""`` if they do not apply.

    The ``provider`` of a grant is the role.
    """

    kind: str  # "header", "account" or "key"; in stores with roles also "grant"
    account: str = ""
    provider: str = ""

    def __str__(self) -> str:
        # A store can have any name for a document, and messages are printed on terminals.
        return "/".join(shown(part) for part in self if part)


HEADER = Ref("header")
_DATA_KEY = "data key"


def place_of_data_key(account: str = "") -> str:
    """Return the place of an account's wrapped data key, for errors; ``""`` if the account is not known."""
    return f"{_DATA_KEY} of account {account}" if account else _DATA_KEY


def record_in_words(where: str) -> str:
    """Return the place of a record as the subject of a message, for example ``the data key of account acme``."""
    if where == HEADER.kind:
        return "the store's header"
    return f"the {where}" if where.startswith(_DATA_KEY) else f"the sealed record {where}"


def account_ref(account: str) -> Ref:
    """Return the address of an account's document: its wrapped data key and the head of its audit chain."""
    return Ref("account", account)


def grant_ref(account: str, role: str) -> Ref:
    """Return the address of a database role's grant for an account, in stores with roles."""
    return Ref("grant", account, role)


def key_ref(account: str, provider: str) -> Ref:
    """Return the address of an account's key at a provider."""
    return Ref("key", account, provider)
