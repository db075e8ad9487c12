"""``kojikey test``: asks the providers whether keys work: saved keys, or one that is not saved."""

from __future__ import annotations

import re

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Call, Command, under
from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.commands.test.options import ALL, ALLOW_EMPTY, FAIL_ON, JOBS, NOT_TESTED_SINCE, SHARD
from kojikey.cli.commands.test.run_options import MANY_KEYS, RunOptions
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import (
    ALL_ACCOUNTS,
    BASE_URL,
    CAPABILITY,
    COMMON,
    DEEP,
    HTML,
    JSON,
    JSONL,
    JUNIT,
    MODEL,
    PACE,
    PROVIDERS,
    REPORTS,
    SOURCES,
    TIMEOUT,
    VERBOSE,
)
from kojikey.model.errors import Effect, KeyNotFound, KojikeyError, UsageError
from kojikey.model.next_step import Hint, commands_of, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.model.secret import Secret
    from kojikey.model.verdict import Verdict
    from kojikey.operations.probing import Probe, Target
    from kojikey.providers.catalog import Catalog
    from kojikey.stores.base import Query


def test(call: Call) -> int:
    """Run ``kojikey test`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.prompts import has_key_source

    context = context_of(call)
    _check_combinations(call)
    options = RunOptions.read(call)
    _check_reports(context)
    for provider in call[PROVIDERS]:
        wiring.checked_provider(provider, context.settings)
    catalog = wiring.catalog(context.settings)
    if has_key_source(call):
        return _test_unsaved(context, catalog, options)
    _check_override(call, catalog)
    return _test_saved(context, catalog, options)


def _check_combinations(call: Call) -> None:
    timeout_of(call)  # refuses a bad value before anything is opened
    if call[ALL] and call[PROVIDERS]:
        raise UsageError(
            "--all is every key: it cannot be combined with provider names",
            hint=Hint(next_step("test", "--all"), ", or ", next_step("test", "PROVIDER")),
        )
    refuse_account_with_all_accounts(call)
    if call[JSON] and call[JSONL]:
        raise UsageError(
            "--json prints one document and --jsonl many: choose one",
            hint="--json for a script that waits for the end, --jsonl for one that reads each result as it arrives",
        )


def _check_override(call: Call, catalog: Catalog) -> None:
    """Check the options that replace a saved key's models and capabilities for this run."""
    from kojikey.cli.commands.key_input import checked_capabilities

    if call[BASE_URL] is not None:
        raise UsageError(
            "--base-url is for a key that is not saved: a saved key is sealed together with its base URL",
            hint=next_step("test", "PROVIDER", "--stdin", "--base-url", "URL"),
        )
    if not call[MODEL] and not call[CAPABILITY]:
        return
    if len(call[PROVIDERS]) != 1:
        raise UsageError(
            "--model and --capability need exactly one provider",
            hint=next_step("test", "PROVIDER", "--model", "ID"),
            effect=Effect.NOTHING_TESTED,
        )
    definition = catalog.get(call[PROVIDERS][0])
    checked_capabilities(call, definition)
    for model in call[MODEL]:
        definition.checked_model(model)


def _check_reports(context: Context) -> None:
    """Check the files of the reports before a store is opened or a question is asked."""
    from kojikey.cli.reports.base import STDOUT
    from kojikey.cli.reports.report_file import check_report_paths

    paths = [path for path in (context.call[JUNIT], context.call[HTML]) if path is not None]
    check_report_paths(paths)
    if STDOUT in paths and (context.terminal.json or context.call[JSONL]):
        raise UsageError(
            "a report and the results cannot both be written to standard output",
            hint="name a file for the report, or leave out --json and --jsonl",
            effect=Effect.NOTHING_DONE,
        )


def _test_unsaved(context: Context, catalog: Catalog, options: RunOptions) -> int:
    from kojikey.cli.commands import key_input
    from kojikey.cli.commands.key_probe import probe_for_one, run_operation
    from kojikey.cli.commands.test.key_run import KeyRun
    from kojikey.cli.output.advice import for_unsaved
    from kojikey.model.masking import tail_of
    from kojikey.operations.probing import Target
    from kojikey.operations.results import TestResult

    providers = context.call[PROVIDERS]
    for option in context.call.given(SHARD, NOT_TESTED_SINCE):
        raise UsageError(f"{option.spelling} is for keys that are saved", hint=next_step("test", "PROVIDER", "--stdin"))
    if len(providers) != 1 or context.call[ALL] or context.call[ALL_ACCOUNTS]:
        raise UsageError(
            "a key that is not saved is tested at one provider",
            hint=next_step("test", "PROVIDER", "--stdin"),
            effect=Effect.NOTHING_TESTED,
        )
    definition = catalog.get(providers[0])
    settings = key_input.read_key_settings(context, definition)
    secret = key_input.read_clean_key(context, definition, catalog)
    target = Target(
        definition.id,
        definition.checked_base_url(settings.base_url),
        settings.models or (),
        settings.capabilities or definition.default_capabilities,
    )
    verdict = run_operation(_verdict_of(probe_for_one(context, catalog), secret, target))
    tail = tail_of(secret.reveal())
    advice = for_unsaved(definition.id, has_key=_has_key(context, verdict, definition.id))
    result = TestResult(
        context.account, definition.id, tail, None, advice.applied_to(verdict, context.terminal), recorded=False
    )
    return KeyRun(context, options).show(result)


async def _verdict_of(probe: Probe, secret: Secret, target: Target) -> Verdict:
    return await probe(secret, target)


def _has_key(context: Context, verdict: Verdict, provider: str) -> bool:
    """Return whether the account has a saved key, so that ``rotate`` is the right hint for replacing it.

    The store is opened only if the verdict suggests to replace the key; a store that fails counts as empty.
    """
    from kojikey import wiring

    if all(step.command != "rotate" for step in commands_of(verdict.hint)):
        return False
    try:
        open_store = wiring.open_chosen_store(context.settings, None)
        try:
            return open_store.find_key(context.account, provider) is not None
        finally:
            open_store.close()
    except KojikeyError:
        return False


def _test_saved(context: Context, catalog: Catalog, options: RunOptions) -> int:
    from kojikey import wiring
    from kojikey.cli.commands.test.key_run import KeyRun
    from kojikey.operations.selecting import select

    query = _query(context)
    open_store = wiring.open_existing(context.settings, context.person)
    selection = select(open_store.store, query, ahead=MANY_KEYS + 1, allow_empty=context.call[ALLOW_EMPTY])
    for provider in selection.missing:
        context.terminal.warn(f"{KeyNotFound(context.account, provider)}; the others are tested")
    return KeyRun(context, options).run(open_store, catalog, query, selection)


def _query(context: Context) -> Query:
    from kojikey.stores.base import Query

    call = context.call
    since = call[NOT_TESTED_SINCE]
    return Query(
        account=None if call[ALL_ACCOUNTS] else context.account,
        providers=tuple(dict.fromkeys(call[PROVIDERS])),
        not_tested_since=_moment(since) if since is not None else None,
        shard=_shard(call[SHARD]),
    )


def _moment(text: str) -> str:
    """Return the RFC 3339 time for a span before now (``24h``), or for a time, as an interrupted run prints it."""
    from datetime import UTC, datetime

    from kojikey.model.timestamps import moment_or_span, short_span, stamp

    if text[:1].isdigit() and "-" in text:
        return moment_or_span(text, what="--not-tested-since")
    return stamp(datetime.now(UTC) - short_span(text, what="--not-tested-since"))


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(
            "--shard takes K/N, the K-th of N parts",
            hint="--shard 1/4 is the first of four parts, --shard 4/4 the last",
            effect=Effect.NOTHING_TESTED,
        )
    return int(match[1]), int(match[2])


COMMANDS = (
    Command(
        "test",
        "ask the providers whether keys work, and record the outcome",
        test,
        options=(
            *COMMON,
            ALL,
            ALL_ACCOUNTS.with_help("every key of every account"),
            ALLOW_EMPTY,
            FAIL_ON,
            *under("A key that is not saved", *SOURCES, BASE_URL),
            *under("The test", MODEL, CAPABILITY, DEEP, TIMEOUT),
            *under("Many keys", NOT_TESTED_SINCE, SHARD, *PACE, JOBS),
            *under("Output", VERBOSE, *REPORTS),
        ),
        arguments=(PROVIDERS,),
        description="Without --deep a test never spends money or credits. "
        "Exit 3: a key is rejected or limited; 4: one could not be judged; 0: all are valid.",
        examples=(
            "kojikey test --all",
            "kojikey test google_gemini --json",
            "kojikey test elevenlabs --from-env NEW_KEY --capability speech_to_text",
            "kojikey test --all-accounts --concurrency 64 --shard 1/4 --junit keys.xml --html keys.html",
        ),
    ),
)
