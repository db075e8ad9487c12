"""The request to test a key, apart from the prober: a run with worker processes does not import the HTTP library."""

from __future__ import annotations

from dataclasses import dataclass

from kojikey.model.secret import Secret
from kojikey.providers.definition import Definition


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A key to test at a provider. ``None`` and ``()`` stand for the definition's defaults.

    ``deep`` also makes the smallest paid request, the only one that shows billing and quota.
    """

    definition: Definition
    secret: Secret
    base_url: str | None = None
    capabilities: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    deep: bool = False
