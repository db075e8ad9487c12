"""Remembers which KEK a store with recipients had: one small file per store, in the data folder.

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
    """Remembers KEKs in a folder. A file that cannot be written causes a warning; the store is used anyway."""

    def __init__(self, data: str, warn: Callable[[str], None] | None) -> None:
        self._folder, self._warn = os.path.join(data, _FOLDER), warn

    def recall(self, place: str) -> KnownKek | None:
        """Return the KEK that the store there had, None where it is not known here.

        Raises:
            UnsafeConfig: the file is damaged. It is not taken for one that was never there.
        """
        if not os.path.isdir(self._folder):  # on the way of `run`: most stores have no recipients
            return None
        import json

        path = self._path(place)
        try:
            with open(path, encoding="utf-8") as file:
                content = json.loads(file.read(_LIMIT))
            known = KnownKek(*(content[name] for name in KnownKek._fields))
            if not all(isinstance(value, str) and value.isprintable() for value in known):
                raise ValueError("not in the expected form")  # noqa: TRY301 - one kind of error for all that is wrong
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
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
        """Keep the KEK that the store there has."""
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
        """Forget the store there."""
        try:
            if os.path.isdir(self._folder):
                os.unlink(self._path(place))
        except OSError:
            return

    def _path(self, place: str) -> str:
        import hashlib

        return os.path.join(self._folder, hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32])
