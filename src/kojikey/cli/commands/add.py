"""``kojikey add``: reads a key, tests it, then saves it."""

from __future__ import annotations

from kojikey.cli.command import Call, Command
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import BATCH, BATCH_OPTIONS, COMMON, KEY, NO_TEST, SAVING
from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import Effect, InputNeeded
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.results import ChangeResult
    from kojikey.providers.definition import Definition


def add(call: Call) -> int:
    """Run ``kojikey add`` and return the exit code."""
    from kojikey.cli.commands import key_input
    from kojikey.cli.prompts import check_one_source

    context = context_of(call)
    if call[BATCH] is not None:
        from kojikey.cli.commands.batch.batch import add_batch

        return add_batch(context)
    key_input.refuse_batch_options(call)
    check_one_source(call)
    return _add_one(context)


def _add_one(context: Context) -> int:
    """Read, test and save one key, and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands import change_output, key_input
    from kojikey.cli.commands.key_probe import probe_for_one, run_operation
    from kojikey.cli.output.advice import for_unsaved
    from kojikey.operations.adding import NewKey, ensure_absent
    from kojikey.operations.adding import add as add_key
    from kojikey.operations.probing import Target

    catalog = wiring.catalog(context.settings)
    provider = context.call[KEY] or _choose(context)
    wiring.checked_provider(provider, context.settings)
    definition = catalog.get(provider)
    settings = key_input.read_key_settings(context, definition)
    base_url = definition.checked_base_url(settings.base_url)
    probe = probe_for_one(context, catalog)
    test = None if context.call[NO_TEST] else probe
    if test is not None:
        wiring.check_network(base_url)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    ensure_absent(open_store, account=context.account, provider=provider)
    destination = wiring.prepare_destination(open_store, context.settings, context.person, account=context.account)
    secret = key_input.read_clean_key(context, definition, catalog)
    capabilities = settings.capabilities or definition.default_capabilities
    target = Target(provider, base_url, settings.models or (), capabilities)
    approve = change_output.Approval(context, saving="save it", advice=for_unsaved(provider, has_key=False))
    new = NewKey(context.account, target, secret, settings)
    result = run_operation(add_key(destination, new, test=test, approve=approve))
    lines = _lines(result, definition, wiring.store_place(context.settings))
    return change_output.show(context, result, lines, approval=approve)


def _lines(result: ChangeResult, definition: Definition, place: str) -> list[str]:
    """Return the lines under the result: what was done, and what to type next."""
    from kojikey.cli.commands.change_output import option_allowing

    provider = definition.id
    if result.action is None:
        lines = ["nothing was saved"]
        if result.verdict and result.verdict.outcome.value in ("limited", "indeterminate"):
            lines.append(f"{option_allowing(result.verdict).spelling} saves it anyway")
        return lines
    is_ours = provider in BUILT_IN
    gives_it_to_programs = () if definition.admin_of else (next_step("run", "--", "CMD"), ", ")
    account = f"the new account {result.account}" if result.is_new_account else f"account {result.account}"
    return [
        f"saved as version 1 for {account}, sealed in {place}",
        f"used for {definition.purpose}; {definition.company} bills it" + (", Koji does not" if is_ours else ""),
        *([Hint("not tested: ", next_step("test", provider))] if result.verdict is None else []),
        Hint("next: ", next_step("list"), ", ", *gives_it_to_programs, next_step("rotate", provider)),
    ]


def _choose(context: Context) -> str:
    """Offer the providers by number, and return the id of the chosen one.

    Raises:
        InputNeeded: no question is allowed. UsageError: no answer was one of them.
    """
    from kojikey import wiring

    index = wiring.provider_index(context.settings)
    if not context.terminal.interactive:
        raise InputNeeded(
            f"no provider was named, and {context.terminal.why_unasked}",
            hint=Hint(next_step("add", "PROVIDER"), ", one of " + ", ".join(index)),
            effect=Effect.NOTHING_CHANGED,
        )
    purposes = {name: entry.purpose for name, entry in index.items()}
    return context.terminal.choose("Which provider?", purposes, again=next_step("add", "PROVIDER"))


COMMANDS = (
    Command(
        "add",
        "read a key, test it, then save it",
        add,
        options=(*COMMON, *SAVING, *BATCH_OPTIONS),
        arguments=(KEY.with_help("the provider; without it, a numbered choice; not with --batch"),),
        description="The key comes from a hidden prompt, or from one of --stdin, --from-env and --from-file. "
        "There is no way to pass it as an argument.",
        examples=(
            "kojikey add google_gemini",
            "kojikey add elevenlabs --capability text_to_speech --capability voices_read",
            "kojikey add google_gemini --account acme --from-env NEW_KEY --no-input",
            "kojikey add --batch keys.jsonl",
        ),
    ),
)
