"""``kojikey set``: changes the settings of a key, but not the key."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Texts
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import (  # fmt: skip
    ALLOW_LIMITED,
    ALLOW_UNVERIFIED,
    BASE_URL,
    CAPABILITY,
    COMMON,
    DEEP,
    EXPIRES,
    LABEL,
    MODEL,
    NO_TEST,
    PROVIDER,
    ROTATE_AFTER,
    TIMEOUT,
)
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.key_settings import SettingsChange
    from kojikey.operations.results import ChangeResult
    from kojikey.providers.definition import Definition

UNSET = Texts(
    "--unset",
    help="remove label, expires, rotate-after, model, capability or base-url; may be repeated",
    metavar="NAME",
    complete="setting",
)

_SETTINGS = (LABEL, EXPIRES, ROTATE_AFTER, MODEL, CAPABILITY, BASE_URL)
_FOR_A_TEST = (NO_TEST, ALLOW_LIMITED, ALLOW_UNVERIFIED, TIMEOUT, DEEP)


def set_key(call: Call) -> int:
    """Run ``kojikey set`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands import change_output
    from kojikey.cli.commands.key_input import note_next_rotation
    from kojikey.cli.commands.key_probe import probe_for_one, run_operation
    from kojikey.cli.output.advice import for_unsaved
    from kojikey.operations.changing import change_settings

    context = context_of(call)
    provider = call[PROVIDER]
    unset = _checked_unset(call, provider)
    wiring.checked_provider(provider, context.settings)
    catalog = wiring.catalog(context.settings)
    definition = catalog.get(provider)
    wanted = _settings_change(context, definition, unset)
    probe = probe_for_one(context, catalog)
    test = None if call[NO_TEST] else probe
    if test and wanted.base_url:
        wiring.check_network(wanted.base_url)
    is_moved = wanted.base_url is not None  # only then is the key opened and sealed again
    open_store = wiring.open_chosen_store(context.settings, context.person, may_ask=is_moved)
    approve = change_output.Approval(context, saving="move it there", advice=for_unsaved(provider, has_key=True))
    result = run_operation(
        change_settings(open_store, wanted, account=context.account, provider=provider, test=test, approve=approve)
    )
    if result.unsigned:
        context.terminal.warn("the key-encryption key is not available, so the audit event of this change is unsigned")
    days = wanted.given.rotate_after_days
    if days and result.key and result.action:
        note_next_rotation(context.terminal, result.key.current.created_at, days)
    return change_output.show(context, result, _lines(result), approval=approve)


def _checked_unset(call: Call, provider: str) -> frozenset[str]:
    """Check how the options of ``set`` are combined, and return the settings that ``--unset`` names.

    Raises:
        UsageError: no setting is named, one is both set and unset, or an option has nothing to apply to.
    """
    from kojikey.operations.key_settings import SETTINGS

    example = (
        next_step("set", provider, "--label", "production")
        if provider.isidentifier()
        else next_step("set", "PROVIDER", "--help")
    )
    unset = call[UNSET]
    for name in unset:
        if name not in SETTINGS:
            raise UsageError("--unset takes one of " + ", ".join(SETTINGS), hint=example, effect=Effect.NOTHING_CHANGED)
    given = [option.spelling.removeprefix("--") for option in call.given(*_SETTINGS)]
    both = next((name for name in given if name in unset), None)
    if both:
        raise UsageError(f"--{both} and --unset {both} cannot be combined", hint=example, effect=Effect.NOTHING_CHANGED)
    if not given and not unset:
        raise UsageError(f"set needs a setting: --{', --'.join(SETTINGS)} or --unset NAME", hint=example)
    tests = call.given(*_FOR_A_TEST)
    if tests and "base-url" not in (*given, *unset):
        raise UsageError(
            f"{tests[0].spelling} is for --base-url: nothing else is tested",
            hint=example,
            effect=Effect.NOTHING_CHANGED,
        )
    return frozenset(unset)


def _settings_change(context: Context, definition: Definition, unset: frozenset[str]) -> SettingsChange:
    from kojikey.cli.commands.key_input import read_changed_settings
    from kojikey.operations.key_settings import SettingsChange

    given = read_changed_settings(context, definition)
    default = definition.checked_base_url(None) if "base-url" in unset else ""
    return SettingsChange(given, unset, definition.default_capabilities, default)


def _lines(result: ChangeResult) -> list[str]:
    """Return the lines under the result: what was changed, or that nothing was."""
    if result.action is None:
        return ["nothing was changed; the key stays where it was"]
    if result.action == "unchanged":
        return ["unchanged: the key has these settings already"]
    return [f"changed: {', '.join(result.settings)}", Hint("next: ", next_step("list", result.provider))]


COMMANDS = (
    Command(
        "set",
        "change a key's label, dates, models, capabilities or base URL",
        set_key,
        options=(
            *COMMON, LABEL, EXPIRES, ROTATE_AFTER, MODEL, CAPABILITY, BASE_URL,
            UNSET,
            NO_TEST, ALLOW_LIMITED, ALLOW_UNVERIFIED, TIMEOUT, DEEP,
        ),
        arguments=(PROVIDER,),
        description="The key itself stays the same. With --base-url it is tested at the new URL first, and moved only "
        "if it works there; nothing else needs the key-encryption key or a test.",
        examples=(
            "kojikey set openai --label production --expires 90d",
            "kojikey set openai --base-url https://eu.api.openai.com",
            "kojikey set elevenlabs --unset label --unset model",
        ),
    ),
)  # fmt: skip
