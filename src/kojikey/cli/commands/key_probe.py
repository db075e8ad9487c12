"""Builds the probes that test keys at their providers: one key with a status line, or many in one run.

Owns: turning the failure of a test into a verdict about that key alone, even if a bug in kojikey caused it. Must not:
decide what happens to a key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec.structs import replace

from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.context import Context
from kojikey.cli.options import DEEP
from kojikey.cli.output.failure import REPORT_IT
from kojikey.model.bugs import kind_and_place
from kojikey.model.errors import BadNetworkSettings, KojikeyError, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.model.timestamps import now
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations.probing import Probe, Target
from kojikey.providers.catalog import Catalog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.providers.requests.probe import Prober
    from kojikey.providers.requests.proxies import Proxies
    from kojikey.providers.requests.traffic import Traffic
    from kojikey.providers.requests.worker_pool import WorkerPool

_Result = TypeVar("_Result")


def run_operation(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run an operation and return its result.

    Ctrl-C raises KeyboardInterrupt at the operation's current line, also inside a store call. ``asyncio.run`` would
    cancel it at its next ``await``, which a call to a store that does not answer never reaches.
    """
    import asyncio

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        try:
            return loop.run_until_complete(work)
        except KeyboardInterrupt:
            loop.set_exception_handler(lambda *_: None)  # asyncio would print a traceback of each open task
            raise


def probe_for_one(context: Context, catalog: Catalog) -> Probe:
    """Return a probe for one key, which shows a status line during the test.

    Raises:
        UsageError: ``--timeout`` is out of range, or the environment's proxy settings cannot be used.
    """
    from kojikey import wiring

    seconds = timeout_of(context.call)
    proxies = wiring.proxies(context.terminal.warn)

    async def probe(secret: Secret, target: Target) -> Verdict:
        definition = catalog.definitions.get(target.provider)
        company = definition.company if definition else target.provider
        with context.terminal.status(f"asking {company} about the key (at most {seconds * 3:g} s)"):
            async with open_probe(context, catalog, proxies, tell=context.terminal.warn) as ask:
                return await ask(secret, target)

    return probe


@asynccontextmanager
async def open_probe(
    context: Context,
    catalog: Catalog,
    proxies: Proxies,
    *,
    tell: Callable[[str], None],
    traffic: Traffic | None = None,
    jobs: int = 1,
) -> AsyncIterator[Probe]:
    """Open the connections to the providers, and yield a probe. ``tell`` receives a warning about each bug, once.

    More than one of ``jobs`` is a number of worker processes, which need ``traffic`` to share the rate limit.

    The probe raises no error about a single key. It raises BadNetworkSettings, which concerns every key, and errors
    that stop the run.
    """
    reported: set[str] = set()

    def report(bug: str) -> None:
        if bug not in reported:
            reported.add(bug)
            tell(f"a bug in kojikey: {bug}; the key that met it was not judged ({REPORT_IT})")

    async with _prober(context, proxies, tell=tell, traffic=traffic, jobs=jobs) as prober:
        yield _guarded_probe(prober, catalog, is_deep=context.call.get(DEEP), report=report)


def _prober(
    context: Context, proxies: Proxies, *, tell: Callable[[str], None], traffic: Traffic | None, jobs: int
) -> Prober | WorkerPool:
    if jobs > 1 and traffic is not None:
        from kojikey.providers.requests.worker_pool import WorkerPool

        settings = context.settings
        return WorkerPool(
            jobs, timeout=timeout_of(context.call), traffic=traffic, folder=settings.home.providers, warn=tell,
            environ=settings.environ,
        )  # fmt: skip
    from kojikey.providers.requests.probe import Prober

    return Prober(timeout=timeout_of(context.call), proxies=proxies, traffic=traffic)


def _guarded_probe(
    prober: Prober | WorkerPool, catalog: Catalog, *, is_deep: bool, report: Callable[[str], None]
) -> Probe:
    from kojikey.providers.requests.probe_request import ProbeRequest

    async def probe(secret: Secret, target: Target) -> Verdict:
        definition = catalog.definitions.get(target.provider)
        if definition is None:
            return _undefined(target.provider)
        request = ProbeRequest(definition, secret, target.base_url, target.capabilities, target.models, deep=is_deep)
        try:
            return await prober.test(request)
        except BadNetworkSettings:
            raise  # every other key would have the same error
        except UsageError as error:
            return _not_judged(str(error), Hint(next_step("rotate", target.provider), " sets what a key is tested for"))
        except KojikeyError:
            raise
        except Exception as error:
            bug = kind_and_place(error)
            report(bug)
            return _not_judged(f"a bug in kojikey ({bug}); the key was not judged", REPORT_IT)

    return probe


def with_overrides(probe: Probe, *, models: Sequence[str], capabilities: Sequence[str]) -> Probe:
    """Return a probe that tests these models and capabilities instead of those that a key was saved with."""

    async def overridden(secret: Secret, target: Target) -> Verdict:
        target = replace(
            target, models=tuple(models) or target.models, capabilities=tuple(capabilities) or target.capabilities
        )
        return await probe(secret, target)

    return overridden


def _undefined(provider: str) -> Verdict:
    return _not_judged(
        f"there is no definition of the provider {provider} any more, so nothing was asked",
        "put its definition back into the providers folder, or remove the key",
    )


def _not_judged(detail: str, hint: str) -> Verdict:
    return Verdict(Reason.UNKNOWN, None, detail=detail, hint=hint, attempts=0, tested_at=now())
