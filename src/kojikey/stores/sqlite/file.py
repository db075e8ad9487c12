"""Checks the permissions of an SQLite store's file, and creates the file atomically.

Must not: open the file of an existing store. Closing any descriptor of it would drop the locks that SQLite holds on it
in this process (https://www.sqlite.org/howtocorrupt.html, section 2.2); ``stat`` is enough here.
"""

from __future__ import annotations

import os
import stat

from kojikey.model.errors import Effect, StoreCorrupt, StoreExists, StoreNotFound, StoreUnavailable, UnsafePermissions
from kojikey.model.plain_text import shell_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIDE_FILES = ("-journal", "-wal", "-shm")
_HAS_OWNERS = hasattr(os, "geteuid")  # Windows has access lists instead, which a new file inherits from the profile


FileIdentity = tuple[int, ...]
"""Device, inode, owner and mode of a file; :func:`checked_file` checks the last two."""


def identity_of(path: str) -> FileIdentity | None:
    """Return the identity of the file at a path, None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_uid, found.st_mode


def checked_file(path: str, place: str) -> str:
    """Return the real path of a store's file after checking that nobody else can read, write or replace it.

    For a symbolic link, folder and owner of both the link and its target are checked; SQLite keeps its journal beside
    the target.

    Raises:
        StoreNotFound: there is no file. StoreCorrupt: it is not a file, or it is empty.
        UnsafePermissions: others can use it. StoreUnavailable: it is a link without a target.
    """
    real = os.path.realpath(path)
    try:
        found = os.stat(real)
    except (FileNotFoundError, NotADirectoryError):
        _refuse_dangling(path, place)
        raise StoreNotFound(place) from None
    if not stat.S_ISREG(found.st_mode):
        hint = "name a file: sqlite:///, then its whole path"
        raise StoreCorrupt(place, "is not a file", hint=hint, effect=Effect.NOTHING_CHANGED)
    if os.path.islink(path):
        _refuse_stranger(os.lstat(path), path, place)
        refuse_shared_folder(os.path.dirname(os.path.abspath(path)), place)
    refuse_shared_folder(os.path.dirname(real), place)
    _refuse_shared_file(found, real, place)
    for side in SIDE_FILES:
        _refuse_side_file(real + side, place)
    if found.st_size == 0:
        raise StoreCorrupt(
            place,
            "is an empty file, not a store; it was left as it is",
            hint="restore it from a backup, or remove it yourself if it never held a key",
        )
    return real


def _refuse_side_file(path: str, place: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):  # SQLite never makes a link; chmod would change the mode of its target
        raise StoreCorrupt(
            place,
            f"has something other than a file in place of its journal: {path}; it was not opened",
            hint=f"mv {shell_quoted(path)} {shell_quoted(path + '.old')}",
        )
    _refuse_shared_file(found, path, place)


def _refuse_dangling(path: str, place: str) -> None:
    # the owner's store may be on a disk that is not mounted: no new one may replace it
    if os.path.islink(path):
        raise StoreUnavailable(
            place,
            "is a symbolic link to a file that does not exist",
            hint=f"restore its target, or remove the link: {shell_quoted(path)}",
            effect=Effect.NOTHING_CREATED,
        )


def refuse_shared_folder(folder: str, place: str) -> None:
    """Refuse a folder in which others could replace the file; a sticky one, for example ``/tmp``, is accepted.

    Raises:
        UnsafePermissions: the folder's group or everyone may write to it, or it belongs to another user.
    """
    found = os.stat(folder)
    _refuse_stranger(found, folder, place)
    mode = found.st_mode
    if _HAS_OWNERS and mode & 0o022 and not mode & stat.S_ISVTX:
        raise UnsafePermissions(
            place,
            f"is in a folder that others can write to (mode {stat.S_IMODE(mode):04o}); it was not opened",
            hint=f"chmod go-w {shell_quoted(folder)}",
        )


def created_whole(path: str, place: str, build: Callable[[str], None]) -> None:
    """Create a file of mode 0600 atomically: ``build`` fills it under another name, then it gets its own.

    If killed at any point, there is the whole file or none; a ``.new`` file without keys may remain. Missing folders
    are created with mode 0700.

    Raises:
        StoreExists: there is a file of that name, perhaps a broken one; it was not changed.
    """
    from kojikey.model.atomic_file import give_new_name, make_private

    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    if not os.path.lexists(real):
        _refuse_dangling(path, place)
    _make_folders(folder, place)
    refuse_shared_folder(folder, place)
    if os.path.lexists(real):
        raise StoreExists(place)
    unfinished = f"{real}.{os.urandom(6).hex()}.new"
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    make_private(descriptor)
    os.close(descriptor)
    try:
        build(unfinished)
        _sync(unfinished)
        give_new_name(unfinished, real)
    except FileExistsError:
        raise StoreExists(place) from None
    finally:
        if os.path.lexists(unfinished):
            os.unlink(unfinished)
    _sync(folder)


def _make_folders(folder: str, place: str) -> None:
    from kojikey.model.private_folder import make_private_folder

    try:
        make_private_folder(folder)
    except OSError as error:
        raise StoreUnavailable(
            place,
            f"cannot be created: its folder {error.filename} cannot be ({os.strerror(error.errno or 0)})",
            hint="create the folder, or choose another place with KOJIKEY_HOME or --store sqlite:///PATH",
            effect=Effect.NOTHING_CREATED,
        ) from None


def _sync(path: str) -> None:
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows cannot open a folder, and NTFS journals names by itself
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_shared_file(found: os.stat_result, path: str, place: str) -> None:
    _refuse_stranger(found, path, place)
    if _HAS_OWNERS and found.st_mode & 0o077:
        raise UnsafePermissions(
            place,
            f"can be read or written by others: {path} has mode {stat.S_IMODE(found.st_mode):04o}; it was not opened",
            hint=f"chmod 600 {shell_quoted(path)}",
        )


def _refuse_stranger(found: os.stat_result, path: str, place: str) -> None:
    if _HAS_OWNERS and found.st_uid not in {os.geteuid(), 0}:
        raise UnsafePermissions(
            place,
            f"can be written by another user: {path} belongs to uid {found.st_uid}; it was not opened",
            hint=f"run kojikey as that user, or make it yours: chown {os.geteuid()} {shell_quoted(path)}",
        )
