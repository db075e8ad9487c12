"""The built-in allocation: Koji's own keys at its two providers, used by accounts without a key there.

On the way of `kojikey run`: imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

BUILT_IN = ("elevenlabs", "google_gemini")
"""The providers of the built-in allocation, in the order in which they are shown."""


def source_without_key(provider: str) -> Literal["built_in", "none"]:
    """Return the source that an account without a key of its own uses at a provider: ``built_in`` or ``none``."""
    return "built_in" if provider in BUILT_IN else "none"
