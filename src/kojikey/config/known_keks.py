"""Remembers the KEK of each store with recipients: one small file per store, in the data folder.

Owns: these files. Must not: decide whether a KEK is trusted (``operations/known_kek.py`` does).
"""

from __future__ import annotations

import os

from kojikey.model.errors import UnsafeConfig
from kojikey.model.next_step import Hint, next_step
from kojikey.sealing.kek.base import KnownKek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = "known-keks"
_LIMIT = 4096  # bytes


class KnownKekFiles:
    """Remembers KEKs in a folder. If a file cannot be written, there is a warning, and the store is used anyway."""

    def __init__(self, data: str, warn: Callable[[str], None] | None) -> None:
        self._folder, self._warn = os.path.join(data, _FOLDER), warn

    def recall(self, place: str) -> KnownKek | None:
        """Return the remembered KEK of the store at a place, None if none is remembered.

        Raises:
            UnsafeConfig: the file is damaged, or cannot be read; it is not treated as missing.
        """
        if not os.path.isdir(self._folder):  # saves `run` time: most stores have no recipients
            return None
        import json

        path = self._path(place)
        try:
            with open(path, encoding="utf-8") as file:
                content = json.loads(file.read(_LIMIT))
            known = KnownKek(*(content[name] for name in KnownKek._fields))
            if not all(isinstance(value, str) and value.isprintable() for value in known):
                raise ValueError("not in the expected form")  # noqa: TRY301 - handled as every other wrong form
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnsafeConfig(path, f"cannot be read ({error.strerror})", hint=f"let this user read {path}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UnsafeConfig(
                path,
                "is damaged: it is not kojikey's note of a store's key-encryption key",
                hint=Hint(
                    "restore it, or remove it and ask the other recipients for the id of the key: ",
                    next_step("store recipients"),
                ),
            ) from None
        return known

    def remember(self, place: str, known: KnownKek) -> None:
        """Remember the KEK of the store at a place."""
        import json

        from kojikey.model.atomic_file import write_whole
        from kojikey.model.private_folder import make_private_folder

        path = self._path(place)
        text = json.dumps({**known._asdict(), "place": place}, indent=1) + "\n"
        try:
            make_private_folder(self._folder)
            write_whole(path, (text,))
        except OSError as error:
            if self._warn is not None:
                self._warn(f"the key-encryption key of this store cannot be remembered in {path} ({error.strerror})")

    def forget(self, place: str) -> None:
        """Forget the KEK of the store at a place."""
        try:
            if os.path.isdir(self._folder):
                os.unlink(self._path(place))
        except OSError:
            return

    def _path(self, place: str) -> str:
        import hashlib

        return os.path.join(self._folder, hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32])
