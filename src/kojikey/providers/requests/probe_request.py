"""The request for a test, apart from the prober: a process that passes tests on to others needs no HTTP library."""

from __future__ import annotations

from dataclasses import dataclass

from kojikey.model.secret import Secret
from kojikey.providers.definition import Definition


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A test to make: a key at a provider. ``None`` and ``()`` stand for the definition's own choice.

    ``deep`` also makes the smallest request that costs something, which alone shows billing and quota.
    """

    definition: Definition
    secret: Secret
    base_url: str | None = None
    capabilities: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    deep: bool = False
