"""All errors of kojikey, in one tree. An error has data and a sentence, never a secret and never a provider's raw body.

KojikeyError
├── UsageError                  the request makes no sense; nothing was done
│   ├── MalformedKey            the text cannot be a provider key
│   ├── BadAccount
│   ├── UnknownProvider
│   ├── BadNetworkSettings      a proxy or CA file named in the environment cannot be used
│   ├── FileMistakes            all mistakes in a file at once
│   │   ├── BadConfig           config.toml, by line and key
│   │   └── BadDefinition       a provider's TOML file
│   ├── CannotMint              no API creates or revokes keys there, or an option is missing for it
│   └── InputNeeded             kojikey had to ask a person, and may not
├── NotFound
│   ├── KeyNotFound
│   ├── VersionNotFound         nothing staged, no previous version
│   ├── AccountNotFound
│   ├── NoAdminKey              and no other identity that may manage the provider's keys
│   ├── NoSuchParent            no such project, team, service account at the provider
│   └── StoreNotFound
├── Conflict
│   ├── KeyExists
│   ├── AlreadyStaged
│   ├── ChangedMeanwhile        somebody else's change came first
│   ├── MintUnfinished          a key is being created at the provider
│   ├── NotRetired              the previous key still works at the provider
│   └── StoreExists             it exists, with another KEK
├── ManagementRefused           a provider refused a key-management request; nothing was done there
│   └── WiderRefused            the new key would be allowed more than the old one
├── ManagementUnavailable       a provider's key management did not answer, and may have carried out the request
├── StoreUnavailable
│   ├── StoreUnreachable, StoreDenied, StoreLocked, StoreReadOnly, StoreFull
│   ├── StoreCorrupt            damaged, or not a store of kojikey
│   ├── StoreVersion            created by an older or newer kojikey
│   ├── ConfigUnwritable        config.toml cannot be changed
│   ├── FileUnwritable          another file cannot be written
│   └── UnsafePermissions       others can read or write the store's file
│       ├── UnsafeConfig        … config.toml
│       └── UnsafeDefinition    … a provider's definition
└── CannotOpen
    ├── KekMissing, KekUnavailable
    ├── WrongKek                another KEK wrapped this data key
    ├── KekChanged              not the KEK that is remembered for a store with recipients
    ├── RecordChanged           changed, moved or renamed outside kojikey
    ├── RecordUnsupported       a format that this version does not read
    └── AuditBroken             the chain of events does not verify

A key that a provider refuses is a verdict, not an error. Only ``cli/exits.py`` turns an error into an exit code.
"""

from __future__ import annotations

from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import shown
from kojikey.model.ref import record_in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Effect:
    """States what a failed command did not change. It is printed once, after the message."""

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
    OUTCOME_UNKNOWN = "it is not known whether the change was made"
    STORE_UNCHANGED = "the store was not changed"


class KojikeyError(Exception):
    """Base of all errors that kojikey raises on purpose. ``str()`` is a sentence for people, without a full stop."""

    hint: str | None = None
    """Says what to type or do next, if the raising code knows that better than ``cli/exits.py``."""

    effect: str | None = None
    """Says what was not changed: an :class:`Effect`, or the text of a caller that changed something before."""

    place: str | None = None
    """Says where it happened; set by a caller that works with several places, for example with two stores."""

    def __init__(self, message: str, *, hint: str | None = None, effect: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
        if effect is not None:
            self.effect = effect

    @property
    def message(self) -> str:
        """The sentence that says what happened, without the effect."""
        return f"in {self.place}: {super().__str__()}" if self.place else super().__str__()

    def __str__(self) -> str:
        return f"{self.message}; {self.effect}" if self.effect else self.message


class UsageError(KojikeyError):
    """The request makes no sense, or input is missing; nothing was done."""


class MalformedKey(UsageError):
    """The text cannot be a provider key. The message says why, and repeats no part of the text."""


class BadAccount(UsageError):
    """Not an account name. The name is not repeated: it may be a key that was put in the wrong place.

    ``small`` is the name in small letters, if only its capitals are wrong.
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
    """No definition has this id. ``name`` is the part of it that may be repeated (``providers/index.py`` decides)."""

    def __init__(self, name: str, known: Sequence[str], *, hint: str | None = None) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"there is no provider {name}", hint=hint)


class FileMistakes(UsageError):
    """A file has mistakes. ``str()`` has a line that names the file, then a line for each mistake."""

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

    def __init__(self, path: str, problems: Iterable[str], *, hint: str | None = None) -> None:
        super().__init__(path, f"{path} has mistakes", problems, hint=hint or f"fix {path}")


class BadDefinition(FileMistakes):
    """A provider's TOML file has mistakes; all of them are listed. ``provider`` is its id, ``""`` if it has none."""

    def __init__(self, path: str, problems: Iterable[str], *, provider: str = "") -> None:
        self.provider = provider
        super().__init__(path, f"the provider definition {path} has mistakes", problems, hint=f"fix or remove {path}")


class BadNetworkSettings(UsageError):
    """A request would need a proxy or CA file that the environment names, and that cannot be used.

    The message names the variable, never its value: it may hold a password.
    """


class InputNeeded(UsageError):
    """Input of a person is needed, but there is no terminal, or an option or variable forbids asking."""


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
    """The store has no record of this account."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(f"there is no account {account} in this store")


class StoreNotFound(NotFound):
    """The named store does not exist. It is never created unasked."""

    def __init__(
        self, store: str, message: str | None = None, *, hint: str | None = None, effect: str | None = None
    ) -> None:
        self.store = store
        super().__init__(message or f"there is no store at {store}", hint=hint, effect=effect)


class Conflict(KojikeyError):
    """Something exists already, or somebody else changed it meanwhile; nothing was changed."""


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
    """Somebody else changed a document after it was read, so the compare-and-swap failed. ``ref`` is its address."""

    def __init__(self, ref: object) -> None:
        self.ref = ref
        super().__init__(f"{ref} was changed by someone else meanwhile", effect=Effect.CHANGE_NOT_MADE)


class StoreExists(Conflict):
    """There is a store already, and it differs from the requested one."""

    def __init__(
        self, store: str, message: str | None = None, *, hint: str | None = None, effect: str | None = None
    ) -> None:
        self.store = store
        super().__init__(message or f"there is a store at {store} already", hint=hint, effect=effect)


class StoreUnavailable(KojikeyError):
    """The store cannot be read or written. ``store`` is its place, without credentials."""

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
    """The store has no room; the change was not made."""


class StoreCorrupt(StoreUnavailable):
    """The store is damaged, or is not a store of kojikey. It is never replaced by a new one."""


class StoreVersion(StoreUnavailable):
    """An older or newer version of kojikey created the store."""


class ConfigUnwritable(StoreUnavailable):
    """config.toml cannot be written; it was not changed."""

    def __init__(self, path: str, reason: str | None) -> None:
        self.store = path
        hint = "let this user write the file and its folder, and see that there is space left"
        KojikeyError.__init__(self, f"{path} cannot be written ({reason}); it was not changed", hint=hint)


class UnsafePermissions(StoreUnavailable):
    """Others can read or write a file of the store."""


class UnsafeConfig(UnsafePermissions):
    """Others can write config.toml, or read a password in it. It says where keys are kept, so it was not used."""

    def __init__(self, path: str, problem: str, *, hint: str) -> None:
        self.store, self.problem = path, problem
        KojikeyError.__init__(self, f"{path} {problem}; it was not used", hint=hint, effect=Effect.NOTHING_DONE)


class FileUnwritable(StoreUnavailable):
    """A report or another file cannot be written."""

    def __init__(self, path: str, reason: str, *, hint: str, effect: str | None = None) -> None:
        self.store, self.problem = path, f"cannot be written ({reason})"
        KojikeyError.__init__(self, f"{path} {self.problem}", hint=hint, effect=effect)


class UnsafeDefinition(UnsafePermissions):
    """Others can write a provider's definition, or the folder of all definitions (``provider`` is ``""`` then)."""

    def __init__(self, path: str, problem: str, *, hint: str, provider: str = "") -> None:
        self.store = self.path = path
        self.provider, self.problem = provider, problem
        KojikeyError.__init__(self, f"{path} {problem}; it says where keys are sent, so it was not used", hint=hint)


class CannotOpen(KojikeyError):
    """A sealed record cannot be opened."""


class KekMissing(CannotOpen):
    """The KEK's source has no KEK: a variable is not set, a file does not exist, or nobody can be asked."""


class KekUnavailable(CannotOpen):
    """The KEK's source did not answer, or answered with something that is not a KEK."""


class WrongKek(CannotOpen):
    """The KEK is well formed, but another one wrapped this account's data key."""

    effect = Effect.NOTHING_OPENED


class KekChanged(CannotOpen):
    """A store has a KEK other than the one remembered for it here, and no signed statement leads to it."""

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
        super().__init__(f"{record_in_words(where)} {what}", effect=Effect.NOT_OPENED)


class RecordUnsupported(CannotOpen):
    """This version cannot read a record's form. ``where`` is the record's place in the store, ``""`` if it has none."""

    def __init__(self, message: str, *, where: str = "", hint: str | None = None, effect: str | None = None) -> None:
        self.where = where
        super().__init__(message, hint=hint, effect=effect)


class AuditBroken(CannotOpen):
    """The chain of an account's events does not verify; ``seq`` is the first bad event."""

    def __init__(self, account: str, seq: int, problem: str) -> None:
        self.account, self.seq, self.problem = account, seq, problem
        super().__init__(f"event {seq} of account {shown(account)} {problem}")  # somebody else may have written it
