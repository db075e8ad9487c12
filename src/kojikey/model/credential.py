"""What a program authenticates with at a provider."""

from __future__ import annotations

from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

Source: TypeAlias = 'Literal["byok", "built_in", "none"]'


class Credential(NamedTuple):
    """An account's way in at a provider.

    ``source`` is ``"byok"`` when the account has its own key there (``secret`` and ``base_url`` are set, the
    provider bills), ``"built_in"`` when it falls back to the platform's own allocation, and ``"none"`` at a provider
    where there is no such allocation (both are ``None`` then).
    ``base_url`` has no trailing slash. ``models`` are those the key was added for, in the order given.
    """

    provider: str
    account: str
    source: Source
    secret: Secret | None
    base_url: str | None
    models: tuple[str, ...]
