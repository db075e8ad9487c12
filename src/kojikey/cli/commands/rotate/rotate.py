"""``kojikey rotate``: stage, test, promote; and the options that undo or finish a rotation."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, under
from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.commands.rotate.options import DUE, FORCE, MINT, MINTING, STEPS, named_provider
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import (
    BASE_URL,
    BATCH,
    CAPABILITY,
    COMMON,
    DRY_RUN,
    EXPIRES,
    FROM_ENV,
    FROM_FILE,
    JSONL,
    KEY,
    LABEL,
    MODEL,
    NO_TEST,
    PACE,
    ROTATE_AFTER,
    SAVING,
    STDIN,
)
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.probing import Approve, Probe
    from kojikey.operations.results import ChangeResult
    from kojikey.providers.catalog import Catalog
    from kojikey.providers.definition import Definition


_SETTINGS = (BASE_URL, MODEL, CAPABILITY, LABEL, EXPIRES, ROTATE_AFTER)
_KEY_SOURCES = (STDIN, FROM_ENV, FROM_FILE)


def rotate(call: Call) -> int:
    """Run ``kojikey rotate`` or one of its steps, and return the exit code."""
    from kojikey.cli.commands import key_input
    from kojikey.cli.prompts import check_one_source

    context = context_of(call)
    step = _step(call)
    _check_options(context)
    if call[BATCH] is not None:
        from kojikey.cli.commands.batch.batch import rotate_batch

        return rotate_batch(context, *STEPS, *MINTING)
    if call[DUE]:
        from kojikey.cli.commands.rotate.due import rotate_due

        return rotate_due(context)
    key_input.refuse_batch_options(call)
    check_one_source(call)
    return _carry_out(context, step)


def _carry_out(context: Context, step: str) -> int:
    """Carry out a step for the key of one provider, and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands import change_output
    from kojikey.cli.commands.key_probe import probe_for_one
    from kojikey.cli.output.advice import for_step, with_advice

    named = context.call[KEY]
    if named is not None:
        wiring.checked_provider(named, context.settings)
    catalog = wiring.catalog(context.settings)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    provider = named or choose_key(context, open_store)
    definition = catalog.get(provider)
    code = _run_at_provider(context, open_store, definition, catalog, step)
    if code is not None:
        return code
    probe = probe_for_one(context, catalog)
    test = None if context.call[NO_TEST] else probe
    approve = change_output.Approval(context, saving="make it current", advice=for_step(provider, step))
    try:
        if step == "rotate":
            result = _rotate(context, open_store, definition, catalog, test=test, approve=approve)
        else:
            result = _run_step(step, context, provider, open_store, test=test, probe=probe, approve=approve)
    except KeyboardInterrupt as stop:
        # An operation that knows the state says so; only else is the store read, which may not answer.
        message = str(stop) or _interrupted_message(open_store, context.account, provider)
        raise KeyboardInterrupt(context.terminal.completed(message)) from None
    _warn_about_settings(context, result)
    lines = _lines(definition, with_advice(result, approve.advice, context.terminal), step)
    return change_output.show(context, result, lines, approval=approve, is_retirement=step == "retire")


def _run_at_provider(
    context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog, step: str
) -> int | None:
    """Run a step that needs the provider's key management, and return the exit code; None for another step."""
    call = context.call
    if not call[MINT] and step in ("rotate", "rollback"):
        return None
    from kojikey.cli.commands.rotate import mint
    from kojikey.operations.key_records import key_of

    if call[MINT]:
        return mint.mint(context, open_store, definition, catalog)
    if step == "retire":
        return mint.retire(context, open_store, definition, catalog)
    stored = open_store.find_key(context.account, definition.id)
    key = key_of(stored) if stored else None
    if key is None or not key.is_mint_unfinished:
        if key is not None:
            mint.look_for_lost_keys(context, open_store, definition, catalog)
        return None
    finish = mint.resume if step == "resume" else mint.abort
    return finish(context, open_store, definition, catalog)


def _check_options(context: Context) -> None:
    if context.call.given(*MINTING):
        from kojikey.cli.commands.rotate.mint import check_options

        check_options(context)


def _step(call: Call) -> str:
    steps = [step.name for step in call.given(*STEPS)]
    if call[MINT]:
        _refuse_with_mint(call)
    if call[MINT] and steps:
        raise UsageError(
            f"--mint cannot be combined with --{steps[0]}", effect=Effect.NOTHING_CHANGED, hint=_again(call, "mint")
        )
    if len(steps) > 1:
        raise UsageError("one step at a time: --resume, --abort, --rollback or --retire", hint=_again(call, steps[0]))
    if call[FORCE] and steps != ["retire"]:
        raise UsageError(
            "--force is for --retire", hint=_again(call, "retire", "--force"), effect=Effect.NOTHING_CHANGED
        )
    if steps and call.given(*_KEY_SOURCES):
        raise UsageError(f"--{steps[0]} reads no key", hint=_again(call, steps[0]), effect=Effect.NOTHING_CHANGED)
    settings = call.given(*_SETTINGS)
    if steps and settings:
        raise UsageError(
            f"--{steps[0]} changes no settings, so it cannot be combined with {settings[0].spelling}",
            hint=_again(call, steps[0]),
            effect=Effect.NOTHING_CHANGED,
        )
    if steps == ["retire"] and call[NO_TEST]:
        raise UsageError(
            "--retire is a test, so it cannot be combined with --no-test",
            hint=_again(call, "retire"),
            effect=Effect.NOTHING_CHANGED,
        )
    return steps[0] if steps else "rotate"


def _refuse_with_mint(call: Call) -> None:
    given = call.given(*_KEY_SOURCES, *_SETTINGS)
    if given:
        sets = next_step("set", named_provider(call))
        hint = Hint(sets, " changes settings; without --mint, rotate takes a key that you created")
        raise UsageError(
            f"--mint cannot be combined with {given[0].spelling}", hint=hint, effect=Effect.NOTHING_CHANGED
        )


def _again(call: Call, step: str, *more: str) -> Hint:
    return next_step("rotate", named_provider(call), f"--{step}", *more)


def _warn_about_settings(context: Context, result: ChangeResult) -> None:
    given = [option.spelling for option in context.call.given(*_SETTINGS)]
    if result.action == "unchanged" and given:
        sets = next_step("set", result.provider)
        what = f"{', '.join(given)} changed nothing, because the key is the same: "
        context.terminal.warn(Hint(what, sets, " changes settings"))


def _rotate(
    context: Context,
    open_store: OpenStore,
    definition: Definition,
    catalog: Catalog,
    *,
    test: Probe | None,
    approve: Approve,
) -> ChangeResult:
    from kojikey import wiring
    from kojikey.cli.commands import key_input
    from kojikey.cli.commands.key_probe import run_operation
    from kojikey.operations import rotating

    settings = key_input.read_key_settings(context, definition)
    key = rotating.ensure_unstaged(open_store, account=context.account, provider=definition.id)
    if test:
        wiring.check_network(settings.base_url or key.current.base_url)
    open_store.prepare(context.account)
    secret = key_input.read_clean_key(context, definition, catalog)
    new = rotating.Replacement(context.account, definition.id, secret, settings)
    return run_operation(rotating.rotate(open_store, new, test=test, approve=approve))


def _run_step(
    step: str,
    context: Context,
    provider: str,
    open_store: OpenStore,
    *,
    test: Probe | None,
    probe: Probe,
    approve: Approve,
) -> ChangeResult:
    from kojikey.cli.commands.key_probe import run_operation
    from kojikey.operations import rotating

    account = context.account
    if step == "abort":
        return rotating.abort(open_store, account=account, provider=provider)
    if step == "retire":
        is_forced = context.call[FORCE]
        return run_operation(
            rotating.retire(open_store, account=account, provider=provider, test=probe, is_forced=is_forced)
        )
    begin = rotating.resume if step == "resume" else rotating.rollback
    return run_operation(begin(open_store, account=account, provider=provider, test=test, approve=approve))


def _interrupted_message(open_store: OpenStore, account: str, provider: str) -> str:
    """Return what Ctrl-C left staged; the key in use never changes by it."""
    from kojikey.model.key import Stage
    from kojikey.operations.key_records import key_of

    stored = open_store.find_key(account, provider)
    if stored is None or key_of(stored).version(Stage.STAGED) is None:
        return "interrupted; the key in use is unchanged and nothing is staged"
    resume, abort = next_step("rotate", provider, "--resume"), next_step("rotate", provider, "--abort")
    return Hint("interrupted; the key in use is unchanged, the new one is staged: ", resume, ", or ", abort)


def _lines(definition: Definition, result: ChangeResult, step: str) -> list[str]:
    """Return the lines under the result: what a step did or did not do, and what to type next."""
    from kojikey.cli.commands.change_output import kept_previous

    resume, abort, retire, rollback = (
        next_step("rotate", result.provider, step) for step in ("--resume", "--abort", "--retire", "--rollback")
    )
    hint = result.verdict.hint if result.verdict else ""
    if result.action == "staged":
        return [
            f"version {result.version} stays staged; the key in use is unchanged",
            *([] if "--resume" in hint else [Hint(resume, " continues")]),
            Hint(abort, " discards it"),
        ]
    if result.action is None and step == "retire":
        return kept_previous(result, definition.pages.keys)
    if result.action == "retired" and result.verdict and result.verdict.outcome.value != "rejected":
        return [f"the previous key was dropped from the store anyway; revoke it at {definition.pages.keys}"]
    if result.action is None and step == "rollback":
        return ["nothing was changed; the key in use is the same as before"]
    return {
        "rotated": [
            f"version {result.version} is now in use; the previous one is kept for undo",
            Hint(f"next: revoke the old key at {definition.pages.keys}, then ", retire),
            Hint("undo: ", rollback),
        ],
        "unchanged": ["unchanged: that is the key in use; no version was created"],
        "aborted": ["the new key was discarded; the key in use is unchanged"],
        "rolled_back": [f"version {result.version} is in use again; the other is kept as the previous one"],
        "retired": ["the provider has stopped accepting the previous key; it was dropped from the store"],
    }[str(result.action)]


_DRY_RUN_HELP = "with --batch or --due: only show what would happen"

COMMANDS = (
    Command(
        "rotate",
        "replace a key: save the new one as staged, test it, promote it",
        rotate,
        options=(
            *COMMON,
            *STEPS,
            FORCE,
            *SAVING,
            *MINTING,
            *under("Many keys", BATCH, DRY_RUN.with_help(_DRY_RUN_HELP), JSONL, *PACE),
        ),
        arguments=(KEY.with_help(f"{KEY.help}; none with --batch or --due"),),
        description="The key in use stays in use until the new one has passed its test. After Ctrl-C or a crash "
        "neither key is lost: --resume continues, --abort discards the new one. "
        "This is not `store rekey`, which changes the key-encryption key of the store.",
        examples=(
            "kojikey rotate elevenlabs",
            "kojikey rotate elevenlabs --from-env NEW_KEY --no-input",
            "kojikey rotate elevenlabs --rollback",
            "kojikey rotate --batch new-keys.jsonl --concurrency 32",
            "kojikey rotate xai --mint",
            "kojikey rotate --due --mint --all-accounts --no-input",
        ),
    ),
)
