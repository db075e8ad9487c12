"""Recognises values in a settings file that are not keys: empty, a reference to another place, or a placeholder.

Must not: reject a text that may be a key. A key is random: a word of four letters between two punctuation marks does
not occur in it; shorter words count only if the value has no digit.
"""

from __future__ import annotations

import re

_REFERENCE = re.compile(
    r"\$\{.*\}|\$\(.*\)|\$[A-Za-z_][A-Za-z0-9_]*"  # another variable, the output of a command
    r"|%[A-Za-z_][A-Za-z0-9_]*%|\{\{.*\}\}|<%.*%>"  # Windows, templates
    r"|`.*`"
    r"|(?:op|doppler|vault|bws|pass|keyring|secret|secretref|akv|awssm|gcpsm|sops|infisical|keeper)://.*"
    r"|ref\+[a-z]+.*|arn:aws[a-z-]*:.*|projects/[^/]+/secrets/.*|@Microsoft\.KeyVault\(.*\)"
    r"|(?:vault|secretsmanager|ssm|encrypted|ENC):.*|ENC\[.*\]",
    re.DOTALL,
)
_WORD = r"(?:^|[^A-Za-z0-9])(?:{})(?:$|[^A-Za-z0-9])"
_WORDS = re.compile(
    _WORD.format(
        "your|insert|enter|paste|replace|changeme|change|placeholder|example|sample|dummy|todo|fixme|redacted|goes|here"
    )
    + r"|your_?-?(?:api|key|token|secret)",
    re.IGNORECASE,
)
_NO_HOST = re.compile(
    _WORD.format("your|insert|enter|replace|changeme|placeholder|todo|fixme|redacted") + r"|[<>{}]|\.\.\.|…", re.I
)
_SHORT_WORDS = re.compile(_WORD.format("my|the|add|put|key|token|secret|xxx+"), re.IGNORECASE)
_NOTHING = re.compile(
    r"(?:none|null|nil|undefined|unset|n/a|na|false|true|-+|_+|test|fake|api_?key|\?+)", re.IGNORECASE
)
_REPEATED = re.compile(r"(?:[A-Za-z0-9]{1,6}[-_.]){0,4}(?:[A-Za-z0-9]{1,4})?([x0*.#])\1{5,}", re.IGNORECASE)
_SHORTENED = re.compile(r"\.\.\.|\*\*\*|…|•••")


def non_key_kind(value: str) -> str:
    """Return ``empty``, ``a reference`` or ``a placeholder`` for a value that is not a key, ``""`` if it may be one."""
    text = value.strip()
    if not text:
        return "empty"
    if _REFERENCE.fullmatch(text):
        return "a reference"
    if re.fullmatch(r"<.*>|\[.*\]|\{.*\}", text, re.DOTALL) or _NOTHING.fullmatch(text) or _SHORTENED.search(text):
        return "a placeholder"
    if _REPEATED.fullmatch(text) or _WORDS.search(text):
        return "a placeholder"
    if not any(character.isdigit() for character in text) and _SHORT_WORDS.search(text):
        return "a placeholder"
    return ""


def non_url_kind(value: str) -> str:
    """Return the kind of a value that is not a base URL, ``""`` if it may be one; a host may have words like "api"."""
    text = value.strip()
    if not text:
        return "empty"
    if _REFERENCE.fullmatch(text):
        return "a reference"
    return "a placeholder" if _NO_HOST.search(text) else ""
