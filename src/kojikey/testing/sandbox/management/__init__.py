"""The providers' key-management APIs as the sandbox plays them: with state, and with a test's faults."""

from __future__ import annotations

from kojikey.testing.sandbox.management.dialect import Dialect
from kojikey.testing.sandbox.management.state import Managed as Managed
from kojikey.testing.sandbox.management.state import ManagedKey as ManagedKey
from kojikey.testing.sandbox.management.with_admin_keys import XAI, Anthropic, ElevenLabs, Mistral, OpenAI, OpenRouter
from kojikey.testing.sandbox.management.with_own_keys import Deepgram, Fireworks, GoogleGemini, Perplexity

GOOGLE = "google_apikeys"
"""Where Google's API Keys API is played: it is on another host than the API that uses the keys."""

GOOGLE_TOKEN = "ya29.sandbox-access-token-0123456789"
DIALECTS: dict[str, Dialect] = {
    dialect.admin: dialect
    for dialect in (
        ElevenLabs(), OpenAI(), OpenRouter(), XAI(), Mistral(), Anthropic(), Deepgram(), Fireworks(), Perplexity(),
        GoogleGemini(),
    )
}  # fmt: skip
"""The dialects by the first part of the path at which they are played."""
