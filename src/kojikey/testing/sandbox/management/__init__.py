"""The providers' key-management APIs in the sandbox, with state and with the faults that a test sets."""

from __future__ import annotations

from kojikey.testing.sandbox.management.dialect import Dialect
from kojikey.testing.sandbox.management.state import Managed as Managed
from kojikey.testing.sandbox.management.state import ManagedKey as ManagedKey
from kojikey.testing.sandbox.management.with_admin_keys import XAI, Anthropic, ElevenLabs, Mistral, OpenAI, OpenRouter
from kojikey.testing.sandbox.management.with_own_keys import Deepgram, Fireworks, GoogleGemini, Perplexity

GOOGLE = "google_apikeys"
"""The path of Google's API Keys API in the sandbox; in reality it has another host than the Gemini API."""

GOOGLE_TOKEN = "ya29.sandbox-access-token-0123456789"
DIALECTS: dict[str, Dialect] = {
    dialect.admin: dialect
    for dialect in (
        ElevenLabs(), OpenAI(), OpenRouter(), XAI(), Mistral(), Anthropic(), Deepgram(), Fireworks(), Perplexity(),
        GoogleGemini(),
    )
}  # fmt: skip
"""The dialects by the first part of their paths in the sandbox."""
