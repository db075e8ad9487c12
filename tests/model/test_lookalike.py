"""Text in the place of a name: keys are distinguished from what people really type."""

from __future__ import annotations

from kojikey.model.key_detection import looks_like_key
from support.each import each

KEYS = [
    "AIzaSyKojikeyCanary0123456789abcdefghij",
    "AQ.Ab8RN6KojikeyCanary0123456789",
    "sk_" + "a1b2c3d4" * 6,
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "0A1B2C3D4E5F60718293A4B5C6D7E8F9",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9" * 2,
    "sk-ant-api03-KojikeyCanary0123456789",
    "sk-proj-KojikeyCanary0123456789",
    "sk-or-v1-0123456789abcdef0123456789abcdef",
    "gsk_KojikeyCanary0123456789abcd",
    "xai-KojikeyCanary0123456789abcd",
    "hf_KojikeyCanaryAbcdefghijklmnopq",
    "pplx-KojikeyCanary0123456789abcd",
    "sk_car_KojikeyCanary0123456789",
    "ghp_KojikeyCanary0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "ya29.a0AfH6SMBxKojikeyCanary",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijklmnop",
    "KojikeyCanary0123456789abcdefghijkl",
    "ELEVENLABS_API_KEY=sk_" + "a1b2c3d4" * 6,
    "ELEVENLABS_API_KEY=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "https://generativelanguage.googleapis.com/?key=AIzaSyKojikeyCanary0123456789abcdefghij",
    "Bearer sk_" + "a1b2c3d4" * 6,
]
NAMES = [
    "default", "acme", "acme-research", "acme-research.team-7_production-eu-west-1", "customer-000123456789",
    "user_2026-11-23", "a", "", "7", "0123456789012345678901234567890123456789",
    "123e4567-e89b-12d3-a456-426614174000", "acme=google_gemini", "507f1f77bcf86cd799439011",
    "01arz3ndektsv4rrffq69g5fav", "cjld2cjxh0000qzrmn831i7rn", "f3a9c2d1e4b5",
    "google_gemini", "elevenlabs", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "gemini-2.5-flash-preview-native-audio",
    "gemini-2.5-flash-lite-preview-09-2025", "text_to_speech", "create_professional_voice_clone",
    "/home/someone/.config/kojikey/keys.db", "./keys/0a1b2c3d4e5f60718293a4b5c6d7e8f9.txt", "C:\\Users\\me\\key.txt",
    "sqlite:///var/lib/kojikey/keys.db", "postgresql://kojikey@db-1.example.com,db-2.example.com/keys?sslmode=require",
    "dynamodb://kojikey-keys?region=eu-central-1&endpoint=http://127.0.0.1:8000", "awskms:alias/kojikey",
    "awskms:1234abcd-12ab-34cd-56ef-1234567890ab", "https://api.eu.residency.elevenlabs.io", "90d", "2027-01-31",
    "sk", "sk_test", "hf_hub", "the key of the production account", "AssemblyLineConfiguration",
]  # fmt: skip


@each("word", KEYS)
def test_a_key_is_recognised(word: str) -> None:
    assert looks_like_key(word)


@each("word", NAMES)
def test_account_names_paths_and_urls_are_not_taken_for_keys(word: str) -> None:
    assert not looks_like_key(word)
