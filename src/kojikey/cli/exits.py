"""Exit codes, and the one place where an error becomes a code, a message and a hint."""

from __future__ import annotations

from enum import IntEnum

from kojikey.model import errors, management_errors
from kojikey.model.next_step import Hint, finish_or_discard, next_step


class Exit(IntEnum):
    """The exit codes, which are never renumbered."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    KEY_FAILED = 3
    INDETERMINATE = 4
    NOT_FOUND = 5
    CONFLICT = 6
    STORE_UNAVAILABLE = 7
    CANNOT_OPEN = 8
    INTERRUPTED = 130

    @property
    def label(self) -> str:
        """The name of the code in JSON."""
        return self.name.lower()


MEANING: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.INTERNAL: "a bug; the message says where to report it",
    Exit.USAGE: "bad option or argument, unknown provider, malformed key, input needed but not allowed",
    Exit.KEY_FAILED: "a key is rejected or limited",
    Exit.INDETERMINATE: "no key failed, but at least one could not be judged",
    Exit.NOT_FOUND: "no such key, account, version or store",
    Exit.CONFLICT: "exists already; staged already; changed by someone else meanwhile",
    Exit.STORE_UNAVAILABLE: "unreachable, denied, locked, read-only, full, corrupt, unsafe file permissions; nobody "
    "reads the results any more while keys are left; a file that was to be written cannot be",
    Exit.CANNOT_OPEN: "KEK missing or wrong; a record was changed from outside",
    Exit.INTERRUPTED: "Ctrl-C",
}

_CODES: tuple[tuple[type[errors.KojikeyError], Exit], ...] = (
    (errors.UsageError, Exit.USAGE),
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.Conflict, Exit.CONFLICT),
    (management_errors.ManagementRefused, Exit.KEY_FAILED),
    (management_errors.ManagementUnavailable, Exit.INDETERMINATE),
    (errors.StoreUnavailable, Exit.STORE_UNAVAILABLE),
    (errors.CannotOpen, Exit.CANNOT_OPEN),
)


def code_of(error: errors.KojikeyError) -> Exit:
    """Return the exit code of one of our errors."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.INTERNAL)


def hint_of(error: errors.KojikeyError, *, command: str | None = None) -> str:
    """Return what to type or do next: the error's own hint, else the usual one for its class.

    ``command`` is the name of the command that failed; its ``--help`` is the last resort.
    """
    if error.hint:
        return error.hint
    match error:
        case errors.KeyNotFound():
            return next_step("add", error.provider, account=error.account)
        case errors.VersionNotFound():
            shows = "rotate" if error.stage == "staged" else "history"
            return next_step(shows, error.provider, account=error.account)
        case errors.KeyExists():
            replace = next_step("rotate", error.provider, account=error.account)
            other = next_step("add", error.provider, "--account", "NAME")
            return Hint(replace, " replaces it; for another project or stage: ", other)
        case management_errors.NoSuchParent():
            return "--parent takes an id as the provider's page shows it"
        case management_errors.ManagementUnavailable():
            return "run the same command again later; it skips what is already done"
        case management_errors.NotRetired():
            return next_step("rotate", error.provider, "--retire", account=error.account)
        case errors.AlreadyStaged() | management_errors.MintUnfinished():
            return finish_or_discard(error.provider, account=error.account)
        case errors.UnknownProvider():
            return next_step("providers")
        case errors.ChangedMeanwhile():
            return Hint("look at it with ", next_step("list"), ", then run the command again")
        case errors.StoreNotFound():
            return next_step("store init", _url_of(error.store), "--kek", "SOURCE")
        case errors.AccountNotFound():
            return next_step("list", "--all-accounts")
        case errors.AuditBroken():
            return Hint(next_step("audit"), " shows the events; somebody with access to the store changed them")
        case errors.StoreUnavailable() | errors.CannotOpen():
            return _store_hint(error, command)
        case _:
            return next_step(command or "", "--help")


_RESTORE = "restore a copy of the store from before the change"
_STORE_HINTS: tuple[tuple[type[errors.KojikeyError], str], ...] = (
    (errors.StoreCorrupt, _RESTORE),
    (errors.StoreFull, "free some space where the store is, then run the command again"),
    (errors.StoreLocked, "wait until the other process has ended, then run the command again"),
    (
        errors.WrongKek,
        "give the KEK or passphrase of this store (since a re-keying the new one); a lost one cannot be recovered",
    ),
)


def _store_hint(error: errors.KojikeyError, command: str | None) -> str:
    """Return how to fix a store or a record. The hint of ``doctor`` never names ``doctor`` itself."""
    for kind, hint in _STORE_HINTS:
        if isinstance(error, kind):
            return hint
    if isinstance(error, errors.RecordChanged):
        return _replace_record(error.where)
    return "run the command again; if that does not help, " + _RESTORE if command == "doctor" else next_step("doctor")


def _replace_record(where: str) -> str:
    """Return how to recover from a record that was changed: a key can be replaced, any other only restored."""
    import re

    # Somebody who tampered with the store may have chosen the name, so its form is checked.
    key = re.fullmatch(r"(?:key/)?([a-z0-9][a-z0-9._@+-]{0,127})/([a-z][a-z0-9_-]{0,31})(?: version [0-9]+)?", where)
    if key is None:
        return _RESTORE
    words = (key[2], "--account", key[1])
    return Hint(f"{_RESTORE}, or replace the key: ", next_step("remove", *words), ", then ", next_step("add", *words))


def _url_of(place: str) -> str:
    """Return a store's URL. ``place`` is a URL or, for a local store, a path."""
    import os

    from kojikey.config.settings import file_url

    if "://" in place:
        return place
    if not os.path.isabs(place):  # another package's store, whose URL only the caller knows
        return "URL"
    return file_url(place)
