"""The credential with which a program authenticates at a provider."""

from __future__ import annotations

from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

Source: TypeAlias = 'Literal["byok", "built_in", "none"]'


class Credential(NamedTuple):
    """The credential that an account uses at a provider.

    ``source`` is ``"byok"`` if the account has its own key there: ``secret`` and ``base_url`` are set, and the provider
    bills the account. It is ``"built_in"`` if the account uses Koji's own allocation, and ``"none"`` at a provider
    without such an allocation; ``secret`` and ``base_url`` are ``None`` then. ``base_url`` has no trailing slash.
    ``models`` are the models that the key was added for, in the given order.
    """

    provider: str
    account: str
    source: Source
    secret: Secret | None
    base_url: str | None
    models: tuple[str, ...]
