"""The made-up keys: plausible in shape, the same in every run, and invalid at the real providers.

Must not: use randomness, or words in a key that are in a provider's answers: kojikey scrubs pieces of the key from an
answer, which would lose its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256

from kojikey.model.errors import UsageError
from kojikey.model.verdict import Reason
from kojikey.testing.sandbox.scenarios import PROVIDERS, script_of

_PLAYED = re.compile(r"10ad(?P<reason>[0-9a-f]{2})")
_LOAD = {
    "google_gemini": re.compile(r"^AQ\.load-(?P<reason>[a-z_]+)-"),
    "elevenlabs": re.compile(r"^sk_10ad(?P<reason>[0-9a-f]{2})"),
}
_REASONS = tuple(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True)
class SandboxKey:
    """A key of the sandbox, with the outcome of its test.

    ``name`` distinguishes keys of one reason (``ok``, ``ok_2``); the main key of a reason has its name. ``options``
    are options of ``kojikey test`` that are needed for this outcome; without them the key looks valid, or is not sent.
    ``key`` is not in the repr.
    """

    provider: str
    name: str
    reason: str
    outcome: str
    base_url: str
    key: str = field(repr=False)
    note: str = ""
    options: tuple[str, ...] = ()


def made_up_key(provider: str, name: str, shape: str = "") -> str:
    """Return the key of that name in its provider's format; ``shape`` names another one (Gemini's ``standard``)."""
    digest = sha256(f"kojikey sandbox {provider} {name}".encode()).hexdigest()
    if provider == "elevenlabs":
        return "sk_" + "facade" * 4 + digest[:24]
    if provider != "google_gemini":
        form = script_of(provider).form
        # salted so that no two made-up keys have the same last four characters
        salt = "admin 2" if provider.endswith("_admin") else "played"
        digest = sha256(f"kojikey {salt} {provider} {name}".encode()).hexdigest()
        return form.beginnings[shape] + (digest * 2)[: form.length]
    if shape == "standard":
        return "AIza" + "SyMadeUp-" + digest[:26]
    return "AQ." + "AbMadeUp-" + digest[:36]


def load_key(provider: str, number: int, reason: str = "ok") -> str:
    """Return the key of a number, with its reason in its text, for a sandbox with ``accept_any``.

    Raises:
        UsageError: no such provider or reason.
    """
    if provider not in PROVIDERS or reason not in _REASONS:
        raise UsageError(f"the sandbox makes no keys for {provider} and {reason}")
    digest = sha256(f"kojikey load {provider} {reason} {number}".encode()).hexdigest()
    if provider == "elevenlabs":
        return f"sk_10ad{_REASONS.index(reason):02x}{digest[:42]}"
    if provider != "google_gemini":
        form = script_of(provider).form
        return form.beginnings[""] + f"10ad{_REASONS.index(reason):02x}{digest * 2}"[: form.length]
    return f"AQ.load-{reason}-{digest[:32]}"


def carried_reason(provider: str, key: str) -> str:
    """Return the reason in the text of a key, ``ok`` if there is none."""
    form = _LOAD.get(provider, _PLAYED)
    match = form.match(key if provider in _LOAD else key.removeprefix(script_of(provider).form.beginnings[""]))
    if match is None:
        return Reason.OK.value
    if provider == "google_gemini":
        return match["reason"]
    index = int(match["reason"], 16)
    return _REASONS[index] if index < len(_REASONS) else Reason.OK.value
