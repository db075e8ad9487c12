"""The keys that still work at their providers after their records were removed: ids, names and pages.

Owns: their members in JSON. Must not: send a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kojikey.model.key import Key, Version
from kojikey.model.masking import mask
from kojikey.model.ref import Document
from kojikey.providers.index import IndexEntry


class LeftKey(NamedTuple):
    """A key that still works, or a key that may exist and whose value is lost; the latter has only a ``name``."""

    provider: str
    page: str
    version: Version | None = None
    name: str | None = None

    @property
    def key_id(self) -> str | None:
        """The key's id at the provider, None if it is not known."""
        at_provider = self.version.at_provider if self.version else None
        return (at_provider.key_id or None) if at_provider else None

    def as_document(self) -> Document:
        """Return the key as an item of ``left_at_provider``."""
        return {
            "provider": self.provider,
            "version": self.version.number if self.version else None,
            "masked": mask(self.version.tail) if self.version else None,
            "key_id": self.key_id,
            "name": self.name,
            "manage_url": self.page or None,
        }


def known_there(key: Key, index: Mapping[str, IndexEntry]) -> list[LeftKey]:
    """Return the versions of a key whose ids are known, and the keys of lost value that may exist beside them."""
    page = index[key.provider].keys_page if key.provider in index else ""
    versions = [LeftKey(key.provider, page, version) for version in key.versions]
    lost = [LeftKey(key.provider, page, name=intent.name) for intent in key.unfound]
    return [left for left in versions if left.key_id] + lost


def still_there(provider: str, versions: Iterable[Version], index: Mapping[str, IndexEntry]) -> list[LeftKey]:
    """Return the versions that could not be deleted at the provider."""
    page = index[provider].keys_page if provider in index else ""
    return [LeftKey(provider, page, version) for version in versions]
