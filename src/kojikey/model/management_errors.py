"""Errors about keys at their provider: the branches of the tree in :mod:`.errors` that are about minting.

Messages have a provider's words only after those were scrubbed. They never have an id that a person typed, because it
may be a key.
"""

from __future__ import annotations

from enum import StrEnum

from kojikey.model.errors import Conflict, Effect, KojikeyError, NotFound, UsageError


class CannotMint(UsageError):
    """The provider has no API for this, or it is not clear which key or parent is meant; nothing was done."""


class NoAdminKey(NotFound):
    """There is no credential with which the provider's keys can be managed."""


class NoSuchParent(NotFound):
    """The provider shows no project, team or service account of that id. The id is not repeated: it may be a key."""

    def __init__(self, kind: str, company: str) -> None:
        super().__init__(
            f"the admin key sees no {kind} with that id at {company}",
            hint=f"--parent takes the id of a {kind}; without it, the new key belongs to the same one as the old key",
            effect=Effect.NOTHING_CREATED,
        )


class MintUnfinished(Conflict):
    """A key is being created at the provider, or was created and is not in use yet. That has to be finished first."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(
            f"a new {provider} key of account {account} is being created at the provider", effect=Effect.NOTHING_CHANGED
        )


class NotRetired(Conflict):
    """The previous key still exists at the provider, and the store would lose its id."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(
            f"the previous {provider} key of account {account} still exists at the provider",
            effect=Effect.NOTHING_CHANGED,
        )


class Refusal(StrEnum):
    """The reason why a provider refused a key-management request."""

    ADMIN_KEY = "admin_key"  # it does not accept the credential
    OTHER_KIND = "other_kind"  # the credential is of a kind that does not manage keys
    PERMISSION = "permission"
    LIMIT = "limit"  # it allows no more keys
    NOT_THERE = "not_there"
    REQUEST = "request"


class ManagementRefused(KojikeyError):
    """A provider refused a key-management request, and did not carry it out."""

    def __init__(self, message: str, refusal: Refusal, *, hint: str | None = None, effect: str | None = None) -> None:
        self.refusal = refusal
        super().__init__(message, hint=hint, effect=effect)


class WiderRefused(ManagementRefused):
    """A new key would be allowed more than the old one, and nobody agreed to that; nothing was created."""

    def __init__(self, why: str) -> None:
        hint = "--allow-wider creates it anyway"
        super().__init__(why, Refusal.REQUEST, hint=hint, effect=Effect.NOTHING_CREATED)


class ManagementUnavailable(KojikeyError):
    """A provider's key management cannot be reached, or its answer makes no sense.

    ``is_uncertain``: the provider may have carried out the request in spite of the error.
    """

    def __init__(self, message: str, *, is_uncertain: bool, hint: str | None = None) -> None:
        self.is_uncertain = is_uncertain
        super().__init__(message, hint=hint)
