"""Translates errors of SQLite and of the file system into ours. Imported only after an error.

Owns: the tables of codes (https://www.sqlite.org/rescode.html). Must not: repeat an engine's text, which can contain
another user's path or a row.
"""

from __future__ import annotations

import errno
import sqlite3

from kojikey.model.errors import (
    Effect,
    KojikeyError,
    StoreCorrupt,
    StoreDenied,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreUnavailable,
)
from kojikey.stores.error_template import ErrorTemplate

_DAMAGED = ErrorTemplate(
    StoreCorrupt,
    "is damaged, or not a store of kojikey",
    "restore the file from a backup; kojikey does not replace it",
    effect=Effect.LEFT_AS_IS,
)
_LOCKED = ErrorTemplate(
    StoreLocked,
    "was locked by another process for too long",
    "try again once the other process has finished",
)
_READ_ONLY = ErrorTemplate(
    StoreReadOnly,
    "can be read but not written here",
    "the file and its folder must both be writable",
)
_UNFINISHED = ErrorTemplate(
    StoreReadOnly,
    "was left in the middle of a change, which cannot be undone because it is read-only",
    "run any kojikey command once where the file and its folder are writable",
)
_FULL = ErrorTemplate(StoreFull, "has no room left", "free some space on its disk", effect=Effect.CHANGE_NOT_MADE)
_NO_WRITE = ErrorTemplate(
    StoreFull,
    "could not be written (a quota, a limit on the size of files, or a failing disk)",
    "look at quota, ulimit -f and the system's log",
    effect=Effect.CHANGE_NOT_MADE,
)
_DISK = ErrorTemplate(
    StoreCorrupt,
    "could not be read or written by its disk",
    "look at the system's log for errors of the disk",
    effect="no change was confirmed",
)
_NO_LOCKS = ErrorTemplate(
    StoreLocked,
    "is on a file system without locks",
    "keep the store on a local disk",
)
_DENIED = ErrorTemplate(
    StoreDenied,
    "may not be opened by this user",
    "run kojikey as the user whose store it is, or let this one read and write the file and its folder",
)
_MOVED = ErrorTemplate(
    StoreUnavailable,
    "was moved or replaced while it was in use",
    "run the command again",
)
_OTHER = ErrorTemplate(StoreUnavailable, "could not be used")

_EXTENDED: dict[int, ErrorTemplate] = {
    sqlite3.SQLITE_READONLY_DBMOVED: _MOVED,
    sqlite3.SQLITE_READONLY_ROLLBACK: _UNFINISHED,
    sqlite3.SQLITE_READONLY_RECOVERY: _UNFINISHED,
    sqlite3.SQLITE_IOERR_DELETE: _UNFINISHED,  # the journal cannot be removed
    sqlite3.SQLITE_IOERR_WRITE: _NO_WRITE,
    sqlite3.SQLITE_IOERR_LOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_RDLOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_UNLOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_BLOCKED: _LOCKED,
}
_PRIMARY: dict[int, ErrorTemplate] = {
    sqlite3.SQLITE_ERROR: _DAMAGED,  # our statements are sound: a table or column is missing
    sqlite3.SQLITE_SCHEMA: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FORMAT: _DAMAGED,
    sqlite3.SQLITE_MISMATCH: _DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: _DAMAGED,
    sqlite3.SQLITE_TOOBIG: _DAMAGED,
    sqlite3.SQLITE_NOTFOUND: _DAMAGED,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_NOLFS: _FULL,
    sqlite3.SQLITE_CANTOPEN: _DENIED,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_AUTH: _DENIED,
}
_SYSTEM: dict[int, ErrorTemplate] = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _NO_WRITE,
    errno.EFBIG: _NO_WRITE,
    errno.EIO: _DISK,
}


def translated(error: Exception, place: str) -> KojikeyError | None:
    """Return our error for an error of SQLite or of the system, None for any other error."""
    if isinstance(error, (sqlite3.Error, sqlite3.Warning)):
        return _meaning(error).error(place)
    if isinstance(error, FileNotFoundError):
        return StoreNotFound(place)
    return _SYSTEM.get(error.errno or 0, _OTHER).error(place) if isinstance(error, OSError) else None


def _meaning(error: sqlite3.Error | sqlite3.Warning) -> ErrorTemplate:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # without a code: Python's module cannot read a value (for example text that is not UTF-8), or was misused
        damaged = isinstance(error, (sqlite3.OperationalError, sqlite3.DataError, sqlite3.IntegrityError))
        return _DAMAGED if damaged else _OTHER
    return _EXTENDED.get(code) or _PRIMARY.get(code & 0xFF, _OTHER)
