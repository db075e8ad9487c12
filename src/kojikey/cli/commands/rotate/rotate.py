"""``kojikey rotate``: stage, test, promote; and what undoes or finishes it."""

from __future__ import annotations

import re

from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import Context, context_of
from kojikey.cli.parsing.command import BATCH, COMMON, DEEP, KEY, SAVING, SOURCES, Call, Command, Option
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.probing import Approve, Probe
    from kojikey.operations.results import ChangeResult
    from kojikey.providers.catalog import Catalog
    from kojikey.providers.definition import Definition

_STEPS = ("resume", "abort", "rollback", "retire")
_SETTINGS = ("base_url", "model", "capability", "label", "expires", "rotate_after")


def rotate(call: Call) -> int:
    """Carry out ``kojikey rotate`` or one of its steps."""
    from kojikey import wiring
    from kojikey.cli.commands import saving
    from kojikey.cli.commands.key_probe import probe_for_one
    from kojikey.cli.output.advice import advised, for_step

    context = context_of(call)
    step = _step(call)
    _check_options(context, step)
    if call.text("batch") is not None:
        from kojikey.cli.commands.batch.batch import rotate_batch

        return rotate_batch(context)
    if call.flag("due"):
        from kojikey.cli.commands.rotate.due import rotate_due

        return rotate_due(context)
    saving.refuse_batch_options(call)
    named = call.text("provider")
    if named is not None:
        wiring.checked_provider(named, context.settings)
    catalog = wiring.catalog(context.settings)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    provider = named or choose_key(context, open_store)
    definition = catalog.get(provider)
    code = _at_provider(context, open_store, definition, catalog, step)
    if code is not None:
        return code
    probe = probe_for_one(context, catalog)
    test = None if call.flag("no_test") else probe
    approve = saving.Approval(context, saving="make it current", advice=for_step(provider, step))
    try:
        if step == "rotate":
            result = _begin(context, open_store, definition, catalog, test=test, approve=approve)
        else:
            result = _finish(step, context, provider, open_store, test=test, probe=probe, approve=approve)
    except KeyboardInterrupt as stop:
        # What is known already is not asked of a store that may not answer.
        left = str(stop) or _left(open_store, context.account, provider)
        raise KeyboardInterrupt(context.terminal.completed(left)) from None
    _warn_of_settings(context, result)
    lines = _lines(definition, advised(result, approve.advice, context.terminal), step)
    return saving.show(context, result, lines, approval=approve)


def _at_provider(
    context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog, step: str
) -> int | None:
    """Carry out a step that concerns the provider's key management; None where it does not."""
    call = context.call
    if not call.flag("mint") and step in ("rotate", "rollback"):
        return None
    from kojikey.cli.commands.rotate import mint
    from kojikey.operations.key_records import key_of

    if call.flag("mint"):
        return mint.mint(context, open_store, definition, catalog)
    if step == "retire":
        return mint.retire(context, open_store, definition, catalog)
    stored = open_store.held(context.account, definition.id)
    key = key_of(stored) if stored else None
    if key is None or not key.is_mint_unfinished:
        if key is not None and key.unfound:
            mint.tidy(context, open_store, definition, catalog)
        return None
    finish = mint.resume if step == "resume" else mint.abort
    return finish(context, open_store, definition, catalog)


def _check_options(context: Context, step: str) -> None:
    if any(context.call.values.get(option.name) not in (None, False) for option in _MINTING):
        from kojikey.cli.commands.rotate.mint import check_options

        check_options(context, step)


def _step(call: Call) -> str:
    steps = [name for name in _STEPS if call.flag(name)]
    if call.flag("mint"):
        _refuse_with_mint(call)
    if call.flag("mint") and steps:
        raise UsageError(
            f"--mint cannot be combined with --{steps[0]}", effect=Effect.NOTHING_CHANGED, hint=_again(call, "mint")
        )
    if len(steps) > 1:
        raise UsageError("one step at a time: --resume, --abort, --rollback or --retire", hint=_again(call, steps[0]))
    if call.flag("force") and steps != ["retire"]:
        raise UsageError(
            "--force is for --retire", hint=_again(call, "retire", "--force"), effect=Effect.NOTHING_CHANGED
        )
    if steps and any(call.flag(name) or call.text(name) is not None for name in ("stdin", "from_env", "from_file")):
        raise UsageError(f"--{steps[0]} reads no key", hint=_again(call, steps[0]), effect=Effect.NOTHING_CHANGED)
    given = _settings_given(call)
    if steps and given:
        raise UsageError(
            f"--{steps[0]} changes no settings, so it cannot be combined with {given[0]}",
            hint=_again(call, steps[0]),
            effect=Effect.NOTHING_CHANGED,
        )
    if steps == ["retire"] and call.flag("no_test"):
        raise UsageError(
            "--retire is a test, so it cannot be combined with --no-test",
            hint=_again(call, "retire"),
            effect=Effect.NOTHING_CHANGED,
        )
    return steps[0] if steps else "rotate"


def _refuse_with_mint(call: Call) -> None:
    sources = [name for name in ("stdin", "from_env", "from_file") if call.values.get(name) not in (None, False)]
    given = [f"--{name.replace('_', '-')}" for name in sources] + _settings_given(call)
    if given:
        hint = Hint(next_step("set", "PROVIDER"), " changes settings; without --mint, rotate takes a key that you made")
        raise UsageError(f"--mint cannot be combined with {given[0]}", hint=hint, effect=Effect.NOTHING_CHANGED)


def _again(call: Call, step: str, *more: str) -> Hint:
    provider = call.text("provider") or "PROVIDER"
    return next_step(
        "rotate", provider if re.fullmatch("[a-z][a-z0-9_]*", provider) else "PROVIDER", f"--{step}", *more
    )


def _settings_given(call: Call) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in _SETTINGS if call.values.get(name) not in (None, [])]


def _warn_of_settings(context: Context, result: ChangeResult) -> None:
    given = _settings_given(context.call)
    if result.action == "unchanged" and given:
        sets = next_step("set", result.provider)
        told = f"{', '.join(given)} changed nothing, for the key is the same: "
        context.terminal.warn(Hint(told, sets, " changes settings"))


def _begin(
    context: Context,
    open_store: OpenStore,
    definition: Definition,
    catalog: Catalog,
    *,
    test: Probe | None,
    approve: Approve,
) -> ChangeResult:
    from kojikey import wiring
    from kojikey.cli.commands import saving
    from kojikey.cli.commands.key_probe import run_operation
    from kojikey.operations import rotating

    settings = saving.settings_of(context, definition)
    key = rotating.ensure_unstaged(open_store, account=context.account, provider=definition.id)
    if test:
        wiring.check_network(settings.base_url or key.current.base_url)
    open_store.prepare(context.account)
    secret = saving.read_clean_key(context, definition, catalog)
    new = rotating.Replacement(context.account, definition.id, secret, settings)
    return run_operation(rotating.rotate(open_store, new, test=test, approve=approve))


def _finish(
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
        is_forced = context.call.flag("force")
        return run_operation(
            rotating.retire(open_store, account=account, provider=provider, test=probe, is_forced=is_forced)
        )
    begin = rotating.resume if step == "resume" else rotating.rollback
    return run_operation(begin(open_store, account=account, provider=provider, test=test, approve=approve))


def _left(open_store: OpenStore, account: str, provider: str) -> str:
    """Say what Ctrl-C left behind: the key in use is never another than before."""
    from kojikey.model.key import Stage
    from kojikey.operations.key_records import key_of

    stored = open_store.held(account, provider)
    if stored is None or key_of(stored).version(Stage.STAGED) is None:
        return "interrupted; the key in use is unchanged and nothing is staged"
    resume, abort = next_step("rotate", provider, "--resume"), next_step("rotate", provider, "--abort")
    return Hint("interrupted; the key in use is unchanged, the new one is staged: ", resume, ", or ", abort)


def _lines(definition: Definition, result: ChangeResult, step: str) -> list[str]:
    """Say what a step did, what it did not do, and what to type next."""
    resume, abort, retire, rollback = (
        next_step("rotate", result.provider, step) for step in ("--resume", "--abort", "--retire", "--rollback")
    )
    hint = result.verdict.hint if result.verdict else ""
    if result.action == "staged":
        return [
            f"version {result.version} stays staged; the key in use is unchanged",
            *([] if "--resume" in hint else [Hint(resume, " goes on")]),
            Hint(abort, " discards it"),
        ]
    if result.action is None and step == "retire":
        return [
            "the provider still accepts the previous key, so it was kept"
            if result.verdict and result.verdict.authentic
            else "the test did not show whether the provider still accepts the previous key, so it was kept",
            Hint(f"revoke it at {definition.pages.keys}, then: ", retire),
        ]
    if result.action == "retired" and result.verdict and result.verdict.outcome.value != "rejected":
        return [f"the previous key was dropped from the store all the same; revoke it at {definition.pages.keys}"]
    if result.action is None and step == "rollback":
        return ["nothing was changed; the key in use is the same as before"]
    return {
        "rotated": [
            f"version {result.version} is now in use; the one before is kept for undo",
            Hint(f"next: revoke the old key at {definition.pages.keys}, then ", retire),
            Hint("undo: ", rollback),
        ],
        "unchanged": ["unchanged: that is the key in use; no version was created"],
        "aborted": ["the new key was discarded; the key in use is unchanged"],
        "rolled_back": [f"version {result.version} is in use again; the other is kept as the previous one"],
        "retired": ["the provider has stopped accepting the previous key; it was dropped from the store"],
    }[str(result.action)]


_MINTING = (
    Option(("--mint",), "make the new key at the provider, with an admin key"),
    Option(("--like",), "with --mint: the id of the key that the new one is to be like", "text", "KEY-ID"),
    Option(("--parent",), "with --mint: the project, team or service account of the new key", "text", "ID"),
    Option(("--admin-account",), "whose admin key is used (default: the key's own account)", "text", "NAME", "account"),
    Option(("--allow-wider",), "with --mint: also where the new key may be allowed more than the old one"),
    Option(
        ("--propagation",), "how long a provider is given to know a new key, or to refuse a deleted one", "text", "5m"
    ),
    Option(("--no-revoke",), "with --retire or --abort: delete nothing at the provider"),
    Option(("--yes", "-y"), "with --retire: do not ask before a key that a person made is deleted there"),
    Option(("--due",), "for cron: rotate what is due, retire what was replaced, finish what was left"),
    Option(("--all-accounts",), "with --due: the keys of every account"),
    Option(("--expiring",), "with --due: also keys that expire within this span (default 14d)", "text", "14d"),
    Option(("--grace",), "with --due: how long a replaced key is kept (default 24h)", "text", "24h"),
)
COMMANDS = (
    Command(
        "rotate",
        "replace a key: save the new one as staged, test it, promote it",
        rotate,
        options=(
            *COMMON,
            Option(("--resume",), "test and promote the staged key"),
            Option(("--abort",), "discard the staged key"),
            Option(("--rollback",), "make the previous key current again, after testing it"),
            Option(("--retire",), "drop the previous key once the provider has stopped accepting it"),
            Option(("--force",), "with --retire: drop it even where the provider still accepts it"),
            *_MINTING,
            *SOURCES,
            *SAVING,
            DEEP,
            *(BATCH[0], BATCH[1]._replace(help="with --batch or --due: only tell what would happen"), *BATCH[2:]),
        ),
        argument=KEY._replace(help=f"{KEY.help}; none with --batch or --due"),
        description="The key in use stays in use until the new one has passed its test. Ctrl-C or a crash in the "
        "middle loses neither: --resume goes on, --abort discards the new one. "
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
