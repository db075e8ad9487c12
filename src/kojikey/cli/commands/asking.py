"""Asking the providers about saved keys, many of them in one run: what goes wrong with one is that key's alone.

Must not: let an exception out for a key that can not be tested: that is a verdict, and a bug is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kojikey.cli.output.failure import REPORT_IT, kind_and_place
from kojikey.model.errors import BadNetworkSettings, KojikeyError, UsageError
from kojikey.model.secret import Secret
from kojikey.model.timestamps import now
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations.probing import Target
from kojikey.operations.testing_keys import Probe
from kojikey.providers.catalog import Catalog


def probe_of(prober: object, catalog: Catalog, *, is_deep: bool, tell: Callable[[str], None]) -> Probe:
    """Return what asks a provider about a saved key, through an open prober. ``tell`` is told of bugs, once each."""
    from kojikey.providers.requests.probe import Prober, ProbeRequest

    assert isinstance(prober, Prober)  # noqa: S101 - imported late, for the start of other commands
    told: set[str] = set()

    async def probe(secret: Secret, target: Target) -> Verdict:
        definition = catalog.definitions.get(target.provider)
        if definition is None:
            return _undefined(target.provider)
        request = ProbeRequest(definition, secret, target.base_url, target.capabilities, target.models, deep=is_deep)
        try:
            return await prober.test(request)
        except BadNetworkSettings:
            raise  # it is the same for the next key
        except UsageError as error:
            return _not_asked(str(error), f"kojikey rotate {target.provider} sets what a key is tested for")
        except KojikeyError:
            raise
        except Exception as error:
            return _stumbled(kind_and_place(error), told, tell)

    return probe


def asking_for(probe: Probe, *, models: Sequence[str], capabilities: Sequence[str]) -> Probe:
    """Return a probe that asks for these models and capabilities in place of those that a key was saved with."""

    async def probe_for(secret: Secret, target: Target) -> Verdict:
        wanted = replace(
            target, models=tuple(models) or target.models, capabilities=tuple(capabilities) or target.capabilities
        )
        return await probe(secret, wanted)

    return probe_for


def _stumbled(bug: str, told: set[str], tell: Callable[[str], None]) -> Verdict:
    """Return what a bug is for the one key that met it; without this, it would end the run over all the others."""
    if bug not in told:
        told.add(bug)
        tell(f"a bug in kojikey: {bug}; the key that met it was not judged, the others are tested ({REPORT_IT})")
    return _not_asked(f"kojikey stumbled over a bug of its own ({bug}); the key was not judged", REPORT_IT)


def _undefined(provider: str) -> Verdict:
    return _not_asked(
        f"there is no definition of the provider {provider} any more, so nothing was asked",
        "put its definition back into the providers folder, or remove the key",
    )


def _not_asked(detail: str, hint: str) -> Verdict:
    return Verdict(Reason.UNKNOWN, None, detail=detail, hint=hint, attempts=0, tested_at=now())
