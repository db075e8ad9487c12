"""Key management at the providers: one interface, one file for each provider. Only this module names the adapters."""

from __future__ import annotations

from importlib import import_module

from kojikey.providers.management.base import Ability, KeyManagement

_ADAPTERS = {
    "google_gemini": ("google_gemini", "GoogleGemini"),
    "elevenlabs": ("elevenlabs", "ElevenLabs"),
    "anthropic": ("anthropic", "Anthropic"),
    "deepgram": ("deepgram", "Deepgram"),
    "fireworks": ("fireworks", "Fireworks"),
    "mistral": ("mistral", "Mistral"),
    "openai": ("openai", "OpenAI"),
    "openrouter": ("openrouter", "OpenRouter"),
    "perplexity": ("perplexity", "Perplexity"),
    "xai": ("xai", "XAI"),
}
MANAGED = tuple(_ADAPTERS)
"""The providers whose keys can be managed through an API."""


def management_of(provider: str) -> type[KeyManagement] | None:
    """Return the adapter that manages a provider's keys, None if the provider has no API for that."""
    found = _ADAPTERS.get(provider)
    if found is None:
        return None
    module, name = found
    adapter: type[KeyManagement] = getattr(import_module(f"{__name__}.{module}"), name)
    return adapter


def ability_of(provider: str) -> Ability | None:
    """Return the abilities of a provider's key-management API, None if it has none."""
    adapter = management_of(provider)
    return adapter.ability if adapter else None
