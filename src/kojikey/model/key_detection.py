"""Checks whether a word on a command line looks like a key, so that it can be refused without being repeated.

In doubt the answer is "no", so that account names, UUIDs, provider ids, paths and URLs are accepted. A wrong "no" does
little harm: the word is refused because it is not a name, and messages repeat nothing but plain names. `kojikey run`
imports this: nothing here may be slow to load.
"""

from __future__ import annotations

import re

# Prefixes that providers and public scanners (gitleaks, trufflehog) document. They may be anywhere in a word, so that
# NAME=value, ?key=value and user:key@host are found too.
_DISTINCTIVE = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"AIza[\w-]{20,}"  # Google, standard
    r"|AQ\.[\w.-]{16,}"  # Google, auth key
    r"|ya29\.[\w.-]{16,}"  # Google, OAuth access token
    r"|sk_[A-Za-z0-9_]{20,}"  # ElevenLabs, Cartesia (sk_car_), Stripe (sk_live_)
    r"|sutkn_\w{16,}"  # ElevenLabs, single-use token
    r"|sk-[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter, DeepSeek
    r"|gsk_\w{20,}|xai-\w{20,}|pplx-\w{20,}|hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{20,}|r8_\w{20,}|tgp_v1_[\w-]{16,}"
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])|xox[abeprs]-[\w-]{16,}"
    r"|(?i:AGE-SECRET-KEY-|AGE-PLUGIN-[A-Z0-9-]+-)1[0-9A-Z]{20,}"  # age identities, which open a team's store
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"  # a JSON Web Token
    r")"
)
_PUBLIC = re.compile(r"age1[02-9a-z-]*1?[02-9ac-hj-np-z]{20,}|AAAA[BC]3NzaC1[A-Za-z0-9+/]{20,}={0,2}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_HEX = re.compile(r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{32,}|(?=[0-9]*[A-F])(?=[A-F]*[0-9])[0-9A-F]{32,}")
_LONG_RUN = 32
_MIXED_RUN = 20


def has_key_prefix(text: str) -> bool:
    """Return whether a word contains a key that its provider's prefix gives away."""
    return bool(_DISTINCTIVE.search(text))


def looks_like_key(text: str) -> bool:
    """Return whether a word is or contains a likely key: a provider's prefix, or a long row of random characters."""
    if has_key_prefix(text):
        return True
    if "/" in text or "\\" in text or any(character.isspace() for character in text):
        return False  # a path, a URL or a sentence: a key in it is recognised by its prefix alone
    if _PUBLIC.fullmatch(text):  # an age recipient, an SSH public key
        return False
    value = text.rstrip("=").rpartition("=")[2]  # the text after NAME=; a key may itself end in =
    if _UUID.fullmatch(value):
        return False
    return any(_is_random(run) for run in re.split(r"[^A-Za-z0-9]+", value))


def _is_random(run: str) -> bool:
    if _HEX.fullmatch(run):
        return True
    digits = sum(character.isdigit() for character in run)
    if digits < 2 or digits == len(run):
        return False
    is_mixed = run.lower() != run and run.upper() != run
    return len(run) >= (_MIXED_RUN if is_mixed else _LONG_RUN)
