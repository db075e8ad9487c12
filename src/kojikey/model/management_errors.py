"""What goes wrong with keys at their provider: the branches of the tree in :mod:`.errors` that are about minting.

Messages hold a provider's words only after they were scrubbed, and no id that a person typed: it may be a key.
"""

from __future__ import annotations

from enum import StrEnum

from kojikey.model.errors import Conflict, Effect, KojikeyError, NotFound, UsageError


class CannotMint(UsageError):
    """The provider has no API for this, or which key or parent is meant is not known; nothing was done."""


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
    """A key is being created at the provider, or was made and is not in use yet: that has to be finished first."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(
            f"a new {provider} key of account {account} is being created at the provider", effect=Effect.NOTHING_CHANGED
        )


class NotRetired(Conflict):
    """The previous key is still there at the provider, and would be forgotten."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(
            f"the previous {provider} key of account {account} still exists at the provider",
            effect=Effect.NOTHING_CHANGED,
        )


class Refusal(StrEnum):
    """What a provider says no to."""

    ADMIN_KEY = "admin_key"  # it does not accept the credential
    OTHER_KIND = "other_kind"  # the credential is none that manages keys
    PERMISSION = "permission"
    LIMIT = "limit"  # there may be no more keys
    NOT_THERE = "not_there"
    REQUEST = "request"


class ManagementRefused(KojikeyError):
    """A provider said no to a request of its key management; what was asked for was not done."""

    def __init__(self, message: str, refusal: Refusal, *, hint: str | None = None, effect: str | None = None) -> None:
        self.refusal = refusal
        super().__init__(message, hint=hint, effect=effect)


class WiderRefused(ManagementRefused):
    """A new key would be allowed more than the old one, and nobody agreed to that; nothing was created."""

    def __init__(self, why: str) -> None:
        hint = "--allow-wider creates it anyway"
        super().__init__(why, Refusal.REQUEST, hint=hint, effect=Effect.NOTHING_CREATED)


class ManagementUnavailable(KojikeyError):
    """A provider's key management could not be asked, or did not answer as it should.

    ``is_uncertain`` means that the request may have been carried out in spite of the error.
    """

    def __init__(self, message: str, *, is_uncertain: bool, hint: str | None = None) -> None:
        self.is_uncertain = is_uncertain
        super().__init__(message, hint=hint)
