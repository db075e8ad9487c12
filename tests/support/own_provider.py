"""How a definition of a provider of the user's own begins; each test adds what it is about."""

from __future__ import annotations

ACME = """
id = "acme_speech"
name = "Acme Speech"
company = "Acme"
purpose = "transcription"
[pages]
keys = "https://acme.example/keys"
usage = "https://acme.example/usage"
spending_limit = "https://acme.example/limit"
billing = "https://acme.example/billing"
[env]
key = ["ACME_API_KEY"]
"""
"""Identity, pages and environment; more lines of ``[env]`` may follow."""
