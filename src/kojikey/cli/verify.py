"""``kojikey test``: asks the providers whether keys work, saved ones or one that is not saved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from kojikey.cli import documents
from kojikey.cli.command import (
    BASE_URL,
    CAPABILITY,
    COMMON,
    DEEP,
    MODEL,
    PROVIDERS,
    SOURCES,
    TIMEOUT,
    Call,
    Command,
    Option,
)
from kojikey.cli.desk import Desk, desk_of
from kojikey.cli.exits import Exit, code_of, hint_of
from kojikey.model.errors import KeyNotFound, UsageError
from kojikey.model.moment import now
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations.custody import Custody
from kojikey.operations.results import Summary, TestResult
from kojikey.operations.trial import Target
from kojikey.operations.verifying import Emit, Unopened, verify
from kojikey.providers.catalog import Catalog
from kojikey.stores.base import Query, Stored

CONCURRENCY = 16
FAIL_ON = ("rejected", "limited", "indeterminate")


def test(call: Call) -> int:
    """Carry out ``kojikey test``."""
    from kojikey.cli import wiring
    from kojikey.cli.prompts import key_was_named

    desk = desk_of(call)
    _check(call)
    for provider in call.texts("providers"):
        wiring.checked_provider(provider, desk.settings)
    catalog = wiring.catalog(desk.settings)
    if key_was_named(call):
        return _test_unsaved(desk, catalog)
    if any(call.texts(name) for name in ("model", "capability")) or call.text("base_url"):
        raise UsageError("--base-url, --model and --capability are for a key that is not saved (--stdin and the like)")
    return _test_saved(desk, catalog)


def _check(call: Call) -> None:
    if call.text("fail_on") not in (None, *FAIL_ON):
        raise UsageError("--fail-on takes rejected, limited or indeterminate")
    if call.flag("all") and call.texts("providers"):
        raise UsageError("--all is every key: it goes without provider names")
    if call.flag("all_accounts") and call.text("account") is not None:
        raise UsageError("--all-accounts goes without --account")


def _test_unsaved(desk: Desk, catalog: Catalog) -> int:
    from kojikey.cli import saving, wiring
    from kojikey.operations.trial import Target

    providers = desk.call.texts("providers")
    if len(providers) != 1 or desk.call.flag("all") or desk.call.flag("all_accounts"):
        raise UsageError("a key that is not saved is tested at one provider: kojikey test PROVIDER --stdin")
    definition = catalog.get(providers[0])
    settings = saving.settings_of(desk.call, definition)
    secret = saving.read_clean_key(desk, definition, catalog)
    target = Target(
        definition.id,
        settings.base_url or definition.base_url,
        settings.models or (),
        settings.capabilities or definition.default_capabilities,
    )
    verdict = wiring.make_tester(definition, desk.terminal, desk.call)(secret, target)
    from kojikey.model.masking import tail_of

    tail = tail_of(secret.reveal())
    return _show(desk, [TestResult(desk.account, definition.id, tail, None, verdict, recorded=False)], [])


def _test_saved(desk: Desk, catalog: Catalog) -> int:
    from itertools import chain

    from kojikey.cli import wiring

    custody = wiring.open_custody(desk.settings, desk.terminal)
    providers = desk.call.texts("providers")
    for provider in providers:
        if not desk.call.flag("all_accounts") and custody.held(desk.account, provider) is None:
            raise KeyNotFound(desk.account, provider)
    account = None if desk.call.flag("all_accounts") else desk.account
    keys = custody.store.scan(Query(account=account, providers=providers))
    first = next(keys, None)
    found: list[TestResult | Unopened] = []
    if first is not None:
        with desk.terminal.status("asking the providers"):
            asyncio.run(_verify_all(desk, custody, catalog, chain((first,), keys), found.append))
    found.sort(key=lambda item: (item.account, item.provider))
    results = [item for item in found if isinstance(item, TestResult)]
    return _show(desk, results, [item for item in found if isinstance(item, Unopened)])


async def _verify_all(desk: Desk, custody: Custody, catalog: Catalog, keys: Iterator[Stored], emit: Emit) -> None:
    from kojikey.cli import wiring
    from kojikey.providers.probe import Prober, ProbeRequest

    async with Prober(timeout=wiring.timeout_of(desk.call)) as prober:

        async def probe(secret: Secret, target: Target) -> Verdict:
            definition = catalog.definitions.get(target.provider)
            if definition is None:
                return _undefined(target.provider)
            request = ProbeRequest(
                definition, secret, target.base_url, target.capabilities, target.models, deep=desk.call.flag("deep")
            )
            return await prober.test(request)

        await verify(custody, keys, probe=probe, emit=emit, concurrency=CONCURRENCY)


def _undefined(provider: str) -> Verdict:
    return Verdict(
        Reason.UNKNOWN,
        None,
        detail=f"there is no definition of the provider {provider} any more, so nothing was asked",
        hint="put its definition back into the providers folder, or remove the key",
        tested_at=now(),
    )


def _show(desk: Desk, results: list[TestResult], unopened: list[Unopened]) -> int:
    summary = documents.summarised(results)
    code = code_of(unopened[0].error) if unopened else exit_of(summary, desk.call.text("fail_on") or "limited")
    error = None
    if unopened:
        message = str(unopened[0].error)
        error = {"code": Exit(code).word, "message": message, "hint": hint_of(unopened[0].error)}
    if desk.terminal.json:
        done = [documents.tested(result) for result in results]
        return documents.write("test", code, done, summary=summary.as_document(), error=error)
    from kojikey.cli.render import Page

    page = Page(desk.terminal)
    page.tests(results, with_account=desk.call.flag("all_accounts"))
    if len(results) > 1:
        page.summary(summary)
    for item in unopened:
        desk.terminal.warn(f"{item.account}/{item.provider} was not tested: {item.error}")
    if not results and not unopened:
        desk.terminal.note(f"no keys to test for account {desk.account}; kojikey add PROVIDER adds one")
    return int(code)


def exit_of(summary: Summary, fail_on: str) -> Exit:
    """Return the exit code of a run: 3 where a key failed, else 4 where one could not be judged, else 0.

    ``fail_on`` names the mildest outcome that counts as a failed key; what it leaves out does not fail the run,
    except that keys which could not be judged still exit 4.
    """
    counted = {"rejected": summary.rejected}
    if fail_on in ("limited", "indeterminate"):
        counted["limited"] = summary.limited
    if fail_on == "indeterminate":
        counted["indeterminate"] = summary.indeterminate
    if any(counted.values()):
        return Exit.KEY_FAILED
    return Exit.INDETERMINATE if summary.indeterminate else Exit.OK


COMMANDS = (
    Command(
        "test",
        "ask the providers whether keys work, and record the outcome",
        test,
        options=(
            *COMMON,
            Option(("--all",), "every key of the account (the same as naming no provider)"),
            Option(("--all-accounts",), "every key of every account"),
            *SOURCES,
            BASE_URL,
            MODEL,
            CAPABILITY,
            DEEP,
            TIMEOUT,
            Option(("--fail-on",), "the mildest outcome that exits 3 (default limited)", "text", "|".join(FAIL_ON)),
        ),
        argument=PROVIDERS,
        description="Without --deep a test never spends money or credits. "
        "Exit 3: a key is rejected or limited; 4: one could not be judged; 0: all are valid.",
        examples=(
            "kojikey test --all",
            "kojikey test google_gemini --json",
            "kojikey test elevenlabs --from-env NEW_KEY --capability speech_to_text",
        ),
    ),
)
