"""Every error of ours, in one tree. They carry data and a sentence, never a secret and never a provider's raw body.

KojikeyError
├── UsageError                  what was asked for makes no sense; nothing was done
│   ├── MalformedKey            the text cannot be a provider key
│   ├── BadAccount
│   ├── UnknownProvider
│   ├── BadNetworkSettings      a proxy or CA file of the environment that cannot be used
│   ├── FileMistakes            all mistakes of a file at once
│   │   ├── BadConfig           config.toml, by line and key
│   │   └── BadDefinition       a provider's TOML file
│   ├── CannotMint              no API makes or revokes keys there, or an option is missing for it
│   └── InputNeeded             a person would have been asked, but may not be
├── NotFound
│   ├── KeyNotFound
│   ├── VersionNotFound         nothing staged, no previous version
│   ├── AccountNotFound
│   ├── NoAdminKey              nor another identity that may manage the provider's keys
│   ├── NoSuchParent            no such project, team, service account at the provider
│   └── StoreNotFound
├── Conflict
│   ├── KeyExists
│   ├── AlreadyStaged
│   ├── ChangedMeanwhile        a compare-and-swap lost
│   ├── MintUnfinished          a key is being created at the provider
│   ├── NotRetired              the previous key still works at the provider
│   └── StoreExists             there already, with another KEK
├── ManagementRefused           a provider does not let us manage its keys: it said no, and nothing was done there
│   └── WiderRefused            the new key would be allowed more than the old one
├── ManagementUnavailable       a provider's key management did not answer; the request may have been carried out
├── StoreUnavailable
│   ├── StoreUnreachable, StoreDenied, StoreLocked, StoreReadOnly, StoreFull
│   ├── StoreCorrupt            damaged, or not a store of ours
│   ├── StoreVersion            made by an older or newer kojikey
│   ├── ConfigUnwritable        config.toml cannot be changed
│   ├── FileUnwritable          a file that was to be written
│   └── UnsafePermissions       others can read or write it
│       ├── UnsafeConfig        or config.toml
│       └── UnsafeDefinition    or a provider's definition
└── CannotOpen
    ├── KekMissing, KekUnavailable
    ├── WrongKek                the KEK is not the one that wrapped this
    ├── KekChanged              not the one that is remembered of a store with recipients
    ├── RecordChanged           changed, moved or renamed outside kojikey
    ├── RecordUnsupported       a format that this version does not read
    └── AuditBroken             the chain of events does not verify

A key that a provider refuses is a verdict, not an error. Only ``cli/exits.py`` turns an error into an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from kojikey.model.next_step import Hint, next_step


class Effect(StrEnum):
    """What a failure did not do. It is said once, after the message."""

    CHANGE_NOT_MADE = "the change was not made"
    LEFT_AS_IS = "it was left as it is"
    NOT_OPENED = "it was not opened"
    NOT_CONNECTED = "no connection was made"
    NOTHING_CHANGED = "nothing was changed"
    NOTHING_COPIED = "nothing was copied"
    NOTHING_CREATED = "nothing was created"
    NOTHING_DONE = "nothing was done"
    NOTHING_OPENED = "nothing was opened"
    NOTHING_PRINTED = "nothing was printed"
    NOTHING_READ = "nothing was read"
    NOTHING_REMOVED = "nothing was removed"
    NOTHING_SEALED = "nothing was sealed"
    NOTHING_SENT = "nothing was sent"
    NOTHING_SENT_OR_CHANGED = "nothing was sent or changed"
    NOTHING_SENT_OR_SAVED = "nothing was sent or saved"
    NOTHING_STARTED = "nothing was started"
    NOTHING_TESTED = "nothing was tested"
    NOTHING_UNLOCKED = "nothing was unlocked"
    NOTHING_WRITTEN = "nothing was written"


class KojikeyError(Exception):
    """Base of all errors that kojikey raises on purpose. ``str()`` is a sentence for people, without a full stop."""

    hint: str | None = None
    """What to type or do next, where the place that raised it knows better than ``cli/exits.py``."""

    effect: str | None = None
    """What was not changed: an :class:`Effect`, or what a caller sets that had changed something before."""

    place: str | None = None
    """Where it happened, set by a caller that has more than one place of that kind, of two stores for example."""

    def __init__(self, message: str, *, hint: str | None = None, effect: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
        if effect is not None:
            self.effect = effect

    @property
    def message(self) -> str:
        """What happened, without the effect."""
        return f"in {self.place}: {super().__str__()}" if self.place else super().__str__()

    def __str__(self) -> str:
        return f"{self.message}; {self.effect}" if self.effect else self.message


class UsageError(KojikeyError):
    """What was asked for makes no sense, or input is missing; nothing was done."""


class MalformedKey(UsageError):
    """The text cannot be a provider key. The message names what is wrong with it and repeats no part of it."""


class BadAccount(UsageError):
    """Not an account name. The name is not repeated: it may be a key that was put in the wrong place.

    ``small`` is what is likely meant, of a name that only has capitals too much.
    """

    def __init__(self, name: str, *, small: str | None = None) -> None:
        self.length = len(name)
        if small is not None:
            message, hint = "an account name has no capital letters", f"did you mean {small}?"
        else:
            message = "that is not an account name (it is not repeated here, in case it is a key)"
            hint = (
                "an account is 1 to 128 of a-z 0-9 . _ @ + - and begins with a letter or digit, "
                "for example acme-research or anna@example.org"
            )
        super().__init__(message, hint=hint, effect=Effect.NOTHING_DONE)


class UnknownProvider(UsageError):
    """No definition has this id. ``name`` is what may be repeated of it (``providers/index.py`` decides that)."""

    def __init__(self, name: str, known: Sequence[str], *, hint: str | None = None) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"there is no provider {name}", hint=hint)


class FileMistakes(UsageError):
    """A file has mistakes. ``str()`` has each on a line of its own, below one that names the file."""

    def __init__(self, path: str, headline: str, problems: Iterable[str], *, hint: str) -> None:
        self.path, self.headline, self.problems = path, headline, tuple(problems)
        super().__init__(headline, hint=hint, effect=Effect.NOTHING_DONE)

    @property
    def message(self) -> str:
        """The file and its mistakes, a line each."""
        return "\n  ".join((f"{self.headline}:", *self.problems))

    def __str__(self) -> str:
        headline = f"{self.headline}; {self.effect}:" if self.effect else f"{self.headline}:"
        return "\n  ".join((headline, *self.problems))


class BadConfig(FileMistakes):
    """config.toml has mistakes; each problem names its line and key."""

    def __init__(self, path: str, problems: Iterable[str]) -> None:
        super().__init__(path, f"{path} has mistakes", problems, hint=f"mend {path}")


class BadDefinition(FileMistakes):
    """A provider's TOML file has mistakes; all of them are listed. ``provider`` is its id, ``""`` where it has none."""

    def __init__(self, path: str, problems: Iterable[str], *, provider: str = "") -> None:
        self.provider = provider
        super().__init__(path, f"the provider definition {path} has mistakes", problems, hint=f"fix or remove {path}")


class BadNetworkSettings(UsageError):
    """A proxy or CA file that the environment names cannot be used, and a request would need it.

    The message names the variable, never its value: it may hold a password.
    """


class InputNeeded(UsageError):
    """A person would have been asked for this, but there is no terminal or asking was ruled out."""


class NotFound(KojikeyError):
    """No such key, version, account or store."""


class KeyNotFound(NotFound):
    """The account has no key of its own at the provider."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(f"no {provider} key for account {account}")


class VersionNotFound(NotFound):
    """The key has no version in that stage."""

    def __init__(self, account: str, provider: str, stage: str) -> None:
        self.account, self.provider, self.stage = account, provider, stage
        super().__init__(f"the {provider} key of account {account} has no {stage} version")


class AccountNotFound(NotFound):
    """The store has nothing of this account."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(f"there is no account {account} in this store")


class StoreNotFound(NotFound):
    """The store that was named does not exist (and is never made unasked)."""

    def __init__(
        self, store: str, message: str | None = None, *, hint: str | None = None, effect: str | None = None
    ) -> None:
        self.store = store
        super().__init__(message or f"there is no store at {store}", hint=hint, effect=effect)


class Conflict(KojikeyError):
    """It exists already, or was changed by someone else meanwhile; nothing was changed."""


class KeyExists(Conflict):
    """The account has a key at this provider already."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(f"account {account} has a key at {provider} already", effect=Effect.LEFT_AS_IS)


class AlreadyStaged(Conflict):
    """A rotation is under way: a version is staged."""

    def __init__(self, account: str, provider: str) -> None:
        self.account, self.provider = account, provider
        super().__init__(f"a new {provider} key of account {account} is staged already", effect=Effect.NOTHING_CHANGED)


class ChangedMeanwhile(Conflict):
    """A compare-and-swap lost: someone else changed the document since it was read. ``ref`` says which."""

    def __init__(self, ref: object) -> None:
        self.ref = ref
        super().__init__(f"{ref} was changed by someone else meanwhile", effect=Effect.CHANGE_NOT_MADE)


class StoreExists(Conflict):
    """There is a store already, and it is not what was asked for."""

    def __init__(
        self, store: str, message: str | None = None, *, hint: str | None = None, effect: str | None = None
    ) -> None:
        self.store = store
        super().__init__(message or f"there is a store at {store} already", hint=hint, effect=effect)


class StoreUnavailable(KojikeyError):
    """The store could not be read or written. ``store`` is its place, without credentials."""

    def __init__(self, store: str, problem: str, *, hint: str | None = None, effect: str | None = None) -> None:
        self.store, self.problem = store, problem
        super().__init__(f"the store {store} {problem}", hint=hint, effect=effect)


class StoreUnreachable(StoreUnavailable):
    """No connection to the store's server."""


class StoreDenied(StoreUnavailable):
    """The store refused: a file permission, a role, a privilege."""


class StoreLocked(StoreUnavailable):
    """Another process held the store's lock for too long."""


class StoreReadOnly(StoreUnavailable):
    """The store can be read but not written."""


class StoreFull(StoreUnavailable):
    """There is no room; the change was not made."""


class StoreCorrupt(StoreUnavailable):
    """Damaged, or not a store of ours. It is never replaced by a new one."""


class StoreVersion(StoreUnavailable):
    """Made by an older or newer version of kojikey."""


class ConfigUnwritable(StoreUnavailable):
    """config.toml cannot be written; it is as it was."""

    def __init__(self, path: str, reason: str | None) -> None:
        self.store = path
        KojikeyError.__init__(self, f"{path} cannot be written ({reason}); it was not changed")


class UnsafePermissions(StoreUnavailable):
    """Others can read or write a file of the store."""


class UnsafeConfig(UnsafePermissions):
    """Others can write config.toml, or read a password in it; it says where keys are kept, so it was not used."""

    def __init__(self, path: str, problem: str, *, hint: str) -> None:
        self.store, self.problem = path, problem
        KojikeyError.__init__(self, f"{path} {problem}; it was not used", hint=hint, effect=Effect.NOTHING_DONE)


class FileUnwritable(StoreUnavailable):
    """A file that was to be written cannot be."""

    def __init__(self, path: str, reason: str, *, hint: str, effect: str | None = None) -> None:
        self.store, self.problem = path, f"cannot be written ({reason})"
        KojikeyError.__init__(self, f"{path} {self.problem}", hint=hint, effect=effect)


class UnsafeDefinition(UnsafePermissions):
    """Others can write a provider's definition, or the folder of all (then ``provider`` is ``""``): it was not used."""

    def __init__(self, path: str, problem: str, *, hint: str, provider: str = "") -> None:
        self.store = self.path = path
        self.provider, self.problem = provider, problem
        KojikeyError.__init__(self, f"{path} {problem}; it says where keys are sent, so it was not used", hint=hint)


class CannotOpen(KojikeyError):
    """A sealed record cannot be opened."""


class KekMissing(CannotOpen):
    """The KEK's source has none: a variable is not set, a file is not there, nobody can be asked."""


class KekUnavailable(CannotOpen):
    """The KEK's source did not answer, or what it gave is not a KEK."""


class WrongKek(CannotOpen):
    """The KEK is well formed but is not the one that wrapped this account's data key."""

    effect = Effect.NOTHING_OPENED


class KekChanged(CannotOpen):
    """A store has another KEK than the one that is remembered of it here, and nothing that is signed leads to it."""

    def __init__(self, store: str, problem: str) -> None:
        super().__init__(
            f"the store {store} has {problem}",
            hint=Hint(
                "somebody who can write to the store may have put it there: ask the other recipients, and where one of "
                "them did it, ",
                next_step("store recipients", "accept"),
            ),
            effect=Effect.NOTHING_OPENED,
        )


class RecordChanged(CannotOpen):
    """A record was changed, moved or renamed outside kojikey. ``where`` is its place in the store."""

    def __init__(self, where: str, what: str = "was changed outside kojikey") -> None:
        self.where = where
        super().__init__(f"the sealed record {where} {what}", effect=Effect.NOT_OPENED)


class RecordUnsupported(CannotOpen):
    """A record is of a form that this version does not read. ``where`` is its place in the store, where it has one."""

    def __init__(self, message: str, *, where: str = "", hint: str | None = None, effect: str | None = None) -> None:
        self.where = where
        super().__init__(message, hint=hint, effect=effect)


class AuditBroken(CannotOpen):
    """The chain of an account's events does not verify; the first bad one is named."""

    def __init__(self, account: str, seq: int, problem: str) -> None:
        self.account, self.seq, self.problem = account, seq, problem
        super().__init__(f"event {seq} of account {_quoted_unless_plain(account)} {problem}")


def _quoted_unless_plain(account: str) -> str:
    """Return an account's name that a store gave: one that was changed outside kojikey may have any characters."""
    from kojikey.model.plain_text import quoted

    return account if account.isascii() and account.isprintable() else quoted(account)
