"""Text that is repaired, refused or warned about before a key is sent; no message repeats the key."""

from __future__ import annotations

import pytest

from kojikey.model.errors import MalformedKey
from kojikey.providers.catalog import load_catalog
from kojikey.providers.key_cleaning import LONGEST, clean
from support.each import each

CATALOG = load_catalog()
ELEVENLABS = CATALOG.get("elevenlabs")
GEMINI = CATALOG.get("google_gemini")
GOOD = "sk_" + "a1b2c3d4" * 6
OLD = "0123456789abcdef" * 2
AUTH = "AQ.Ab8RN6KojikeyCanary0123456789"
STANDARD = "AIzaSyKojikeyCanary0123456789abcdefghij"
LONG_WORD = "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe"


@each(
    ("text", "note"),
    [
        (GOOD, None),
        (GOOD + "\n", None),
        (GOOD + "\r\n", None),
        ("\ufeff" + GOOD, None),
        ("\ufeff" + GOOD + "\r\n", None),
        (GOOD + "\n\n", "line ends"),
        ("\n" + GOOD, "line ends"),
        (GOOD + " \n", "white space"),
        (f"  {GOOD}", "white space"),
        (f"\t{GOOD} \r\n", "white space"),
        (f"\u00a0{GOOD}\u3000", "white space"),
    ],
)
def test_white_space_around_a_key_is_removed_with_a_message(text: str, note: str | None) -> None:
    cleaned = clean(text, ELEVENLABS, CATALOG)
    assert cleaned.secret.reveal() == GOOD
    assert cleaned.shape == "key"
    assert cleaned.warning is None
    assert [note in told for told in cleaned.notes] == ([True] if note else []) if note else cleaned.notes == ()


@each(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \r\n\t", "empty"),
        ("x" * (LONGEST + 1), "longer"),
        (f'"{GOOD}"', "quotes"),
        (f"'{GOOD}'", "quotes"),
        (f"`{GOOD}`", "quotes"),
        (f"\u201c{GOOD}\u201d", "quotes"),
        (f'{GOOD}"', "quotes"),
        (f"Bearer {GOOD}", "Bearer"),
        (f"bearer: {GOOD}", "Bearer"),
        (f"Basic {LONG_WORD}", "Bearer"),
        (f"ELEVENLABS_API_KEY={GOOD}", "NAME=value"),
        (f"export ELEVENLABS_API_KEY={GOOD}", "NAME=value"),
        (f"$env:ELEVENLABS_API_KEY = {GOOD}", "NAME=value"),
        (f"xi-api-key: {GOOD}", "header"),
        (f"x-goog-api-key:{AUTH}", "header"),
        (f"Authorization: Bearer {GOOD}", "header"),
        (f"https://api.example.com/?key={GOOD}", "URL"),
        ('{"api_key": 1}', "JSON"),
        (f"{GOOD[:20]} {GOOD[20:]}", "contains white space"),
        (f"{GOOD[:20]}\n{GOOD[20:]}", "contains white space"),
        (f"{GOOD[:20]}\u00a0{GOOD[20:]}", "contains white space"),
        (f"{GOOD[:20]}\x00{GOOD[20:]}", "control"),
        (f"{GOOD}\x1b[A", "control"),
        (f"{GOOD}\x1c", "control"),
        (f"\u200b{GOOD}", "zero-width"),
        (f"{GOOD}\ufeff", "zero-width"),
        (f"{GOOD[:9]}\u00ad{GOOD[9:]}", "zero-width"),
        (f"{GOOD[:9]}\u202e{GOOD[9:]}", "zero-width"),
        (GOOD.replace("a", "\u0430"), "not ASCII"),
        (f"{GOOD}\udc80", "not ASCII"),
        ("sk_********a1b2", "masked"),
        ("••••••••a1b2", "masked"),
        ("sk_a1b2...c3d4", "masked"),
        ("ya29.a0AfH6SMBxKojikeyCanary0123456789", "OAuth"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijklmnop", "JSON Web Token"),
        ("sutkn_1234567890abcdef", "single-use"),
    ],
)
def test_text_that_is_not_a_key_is_refused_as_its_kind_and_not_repeated(text: str, reason: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        clean(text, ELEVENLABS, CATALOG, force_shape=True)
    message = f"{caught.value} {caught.value.hint}"
    assert reason in message
    assert "ElevenLabs" in message
    assert "nothing was sent or saved" in message
    for start in range(len(text) - 8):
        piece = text[start : start + 8]
        assert piece not in message or piece.isspace() or piece in "Bearer NAME=value xi-api-key: Authorization: Bearer"


@each(
    ("key", "owner"),
    [
        (STANDARD, "Google Gemini API"),
        (AUTH, "Google Gemini API"),
        ("sk-ant-api03-" + LONG_WORD, "Anthropic"),
        ("sk-or-v1-" + "0123abcd" * 8, "OpenRouter"),
        ("sk-proj-" + LONG_WORD, "OpenAI"),
        ("sk-" + LONG_WORD[:20] + "T3BlbkFJ" + LONG_WORD[:20], "OpenAI"),
        ("nvapi-" + LONG_WORD, "NVIDIA"),
        ("gsk_" + LONG_WORD, "Groq"),
        ("xai-" + LONG_WORD, "xAI"),
        ("hf_" + LONG_WORD, "Hugging Face"),
        ("pplx-" + LONG_WORD, "Perplexity"),
        ("sk_car_" + LONG_WORD[:22], "Cartesia"),
        ("ghp_" + LONG_WORD, "GitHub"),
        ("github_pat_" + LONG_WORD, "GitHub"),
        ("AKIAIOSFODNN7EXAMPLE", "AWS"),
        ("sk_live_" + LONG_WORD, "Stripe"),
    ],
)
def test_a_key_of_another_provider_is_refused_with_its_name_unless_forced(key: str, owner: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        clean(key, ELEVENLABS, CATALOG)
    assert owner in str(caught.value)
    assert "--force-shape" in str(caught.value.hint)
    assert key not in str(caught.value)
    forced = clean(key, ELEVENLABS, CATALOG, force_shape=True)
    assert forced.secret.reveal() == key
    assert forced.warning is not None


def test_a_key_of_elevenlabs_is_not_sent_to_google() -> None:
    with pytest.raises(MalformedKey, match="ElevenLabs"):
        clean(GOOD, GEMINI, CATALOG)


@each("key", [OLD, "0123456789" * 4, "sk-" + "0123456789abcdef" * 2, "0123456789abcdef" * 4])
@each("provider", ["mistral", "cohere", "deepgram", "assemblyai", "elevenlabs", "together", "groq"])
def test_hexadecimal_and_alphanumeric_keys_are_taken_for_no_other_providers(key: str, provider: str) -> None:
    assert clean(key, CATALOG.get(provider), CATALOG).secret.reveal() == key


@pytest.mark.parametrize(("key", "shape"), [(GOOD, "key"), (OLD, "old_key")])
def test_both_shapes_of_elevenlabs_are_taken_without_a_warning(key: str, shape: str) -> None:
    cleaned = clean(key, ELEVENLABS, CATALOG)
    assert (cleaned.shape, cleaned.warning, cleaned.notes) == (shape, None, ())


@pytest.mark.parametrize("key", ["0123456789abcdef" * 4, "a-new-format-of-2027-" + LONG_WORD, "abc==", "x"])
def test_an_unknown_shape_is_a_warning_and_not_a_refusal(key: str) -> None:
    cleaned = clean(key, ELEVENLABS, CATALOG)
    assert cleaned.secret.reveal() == key
    assert cleaned.shape is None
    assert cleaned.warning is not None
    assert key not in cleaned.warning or key == "x"


def test_a_standard_key_of_google_is_taken_with_a_note_that_it_is_no_longer_accepted() -> None:
    cleaned = clean(STANDARD, GEMINI, CATALOG)
    assert cleaned.shape == "standard_key"
    assert "auth key" in str(cleaned.warning)
    assert clean(AUTH, GEMINI, CATALOG).warning is None


def test_the_cleaned_key_is_not_shown_by_its_repr() -> None:
    assert GOOD not in repr(clean(GOOD, ELEVENLABS, CATALOG))


def test_a_text_longer_than_any_key_is_matched_with_no_shape() -> None:
    assert CATALOG.owner_of(AUTH + "a" * 400, other_than=ELEVENLABS) == GEMINI.id
    assert CATALOG.owner_of(AUTH + "a" * 600, other_than=ELEVENLABS) is None


@pytest.mark.parametrize(
    ("provider", "key", "other"),
    [
        ("openai", "sk-admin-" + "a" * 60, "openai_admin"),
        ("openai_admin", "sk-proj-" + "a" * 60, "openai"),
        ("anthropic", "sk-ant-admin01-" + "a" * 93 + "AA", "anthropic_admin"),
        ("google_gemini", "sk_" + "a" * 48, "elevenlabs"),
        ("openai_admin", "sk-ant-api03-" + "a" * 93 + "AA", "anthropic"),
    ],
)
def test_a_key_of_another_provider_is_refused_with_the_command_that_takes_it(
    provider: str, key: str, other: str
) -> None:
    with pytest.raises(MalformedKey) as refused:
        clean(key, CATALOG.get(provider), CATALOG)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith(f"kojikey add {other} takes it")
    assert "--force-shape" in refused.value.hint
    assert clean(key, CATALOG.get(provider), CATALOG, force_shape=True).secret.reveal() == key
