"""``kojikey rotate --mint``, and the steps that finish, discard or retire a key that was created at the provider.

Owns: the questions and messages. Must not: decide what is done at the provider (``operations/minting`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from kojikey.cli.command import Call, Flag, Option
from kojikey.cli.commands import change_output
from kojikey.cli.commands.key_probe import probe_for_one, run_operation
from kojikey.cli.commands.management import Access, ability_to_mint, access_to, admin_account_of, open_management
from kojikey.cli.commands.rotate.options import (
    ABORT,
    ALLOW_WIDER,
    DUE,
    EXPIRING,
    FORCE,
    GRACE,
    LIKE,
    MINT,
    NO_REVOKE,
    PARENT,
    PROPAGATION,
    RESUME,
    RETIRE,
    named_provider,
)
from kojikey.cli.context import Context
from kojikey.cli.options import ADMIN_ACCOUNT, ALL_ACCOUNTS, NO_TEST, YES
from kojikey.cli.output.advice import for_step
from kojikey.model.errors import Effect, UsageError
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, NoAdminKey
from kojikey.model.minting import RemoteId
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.timestamps import short_span
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.minting import lost_keys, minting, retiring
from kojikey.operations.minting.mint_planning import Choice
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.minting.propagation import PROPAGATION_S, until_known, until_refused
from kojikey.operations.minting.provider_ids import named_admin_account
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe
from kojikey.operations.results import ChangeResult
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.management import ability_of
from kojikey.providers.management.base import KeyManagement

Work = Callable[[], Coroutine[Any, Any, ChangeResult]]


def mint(context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog) -> int:
    """Run ``rotate PROVIDER --mint`` and return the exit code."""
    ability_to_mint(definition)
    key = key_of(stored_key(open_store, account=context.account, provider=definition.id))
    minting.ensure_may_mint(key)
    access = _access(context, catalog, open_store, definition.id)
    choice = Choice(context.call[LIKE], context.call[PARENT])
    approval = _approval(context, definition.id, "rotate")
    probe = None if context.call[NO_TEST] else _patient_probe(context, catalog)

    async def work() -> ChangeResult:
        async with open_management(access) as keys:
            minter = _make_minter(context, access, keys, probe, approval)
            return await minting.mint(
                open_store, minter, account=context.account, provider=definition.id, choice=choice
            )

    return _show(context, _run(context, open_store, definition.id, work), definition, approval)


def resume(context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog) -> int:
    """Run ``rotate PROVIDER --resume`` for a mint that is unfinished, or whose key is staged; return the exit code."""
    key = key_of(stored_key(open_store, account=context.account, provider=definition.id))
    approval = _approval(context, definition.id, "resume")
    probe = None if context.call[NO_TEST] else _patient_probe(context, catalog)
    if key.minting is None:
        return _resume_staged(context, open_store, definition, catalog, probe=probe, approval=approval)
    access = _access(context, catalog, open_store, definition.id)

    async def work() -> ChangeResult:
        async with open_management(access) as keys:
            await _delete_lost_keys(context, open_store, keys, definition.id)
            minter = _make_minter(context, access, keys, probe, approval)
            return await minting.resume(open_store, minter, account=context.account, provider=definition.id)

    return _show(context, _run(context, open_store, definition.id, work), definition, approval)


def _resume_staged(
    context: Context,
    open_store: OpenStore,
    definition: Definition,
    catalog: Catalog,
    *,
    probe: Probe | None,
    approval: change_output.Approval,
) -> int:
    """Test and promote a minted key, which needs no access to the provider's key management."""
    look_for_lost_keys(context, open_store, definition, catalog)

    async def work() -> ChangeResult:
        return await minting.resume_staged(
            open_store, account=context.account, provider=definition.id, test=probe, approve=approval
        )

    return _show(context, _run(context, open_store, definition.id, work), definition, approval)


def abort(context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog) -> int:
    """Run ``rotate PROVIDER --abort`` for a mint that is unfinished, or whose key is staged; return the exit code."""
    approval = _approval(context, definition.id, "abort")
    is_revoking = not context.call[NO_REVOKE]
    access = _access(context, catalog, open_store, definition.id) if is_revoking else None

    async def work() -> ChangeResult:
        if access is None:
            return await minting.abort(open_store, None, account=context.account, provider=definition.id)
        async with open_management(access) as keys:
            await _delete_lost_keys(context, open_store, keys, definition.id)
            minter = _make_minter(context, access, keys, None, approval)
            return await minting.abort(open_store, minter, account=context.account, provider=definition.id)

    return _show(context, _run(context, open_store, definition.id, work), definition, approval)


def retire(context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog) -> int | None:
    """Run ``rotate PROVIDER --retire`` with the provider's key management, and return the exit code.

    None if kojikey has no access to it; then the previous key is only tested.
    """
    ability = ability_of(definition.id)
    if ability is None or context.call[NO_REVOKE]:
        return None
    key = key_of(stored_key(open_store, account=context.account, provider=definition.id))
    previous = key.version(Stage.PREVIOUS)
    if previous is None:
        return None
    try:
        access = _access(context, catalog, open_store, definition.id)
    except NoAdminKey:
        if context.call[ADMIN_ACCOUNT]:
            raise
        return None
    approval = _approval(context, definition.id, "retire")
    probe, seconds = probe_for_one(context, catalog), propagation(context)

    async def work() -> ChangeResult:
        async with open_management(access) as keys:
            await _delete_lost_keys(context, open_store, keys, definition.id)
            revoker = retiring.Revoker(
                keys,
                lambda version, remote_id: _confirm_deletion(context, key, version, remote_id),
                probe,
                until_refused(probe, seconds),
            )
            return await retiring.retire(
                open_store,
                revoker,
                account=context.account,
                provider=definition.id,
                is_forced=context.call[FORCE],
            )

    return _show(context, _run(context, open_store, definition.id, work), definition, approval)


def _confirm_deletion(context: Context, key: Key, version: Version, remote_id: RemoteId) -> bool:
    """Return whether to delete a previous key at the provider: ``--yes`` or the person decides.

    If no question is allowed, only a key that kojikey created is deleted.
    """
    if context.call[YES]:
        return True
    if not context.terminal.interactive:
        if remote_id.is_minted:
            return True
        context.terminal.note(
            f"the previous {key.provider} key was not created by kojikey, so it is left at the provider: --yes "
            "deletes it"
        )
        return False
    named = f" ({remote_id.name})" if remote_id.name else ""
    masked = context.terminal.masked(version.tail)
    question = f"Delete the previous {key.provider} key {masked}{named} at the provider?"
    return context.terminal.confirm(question, otherwise="--yes")


def _make_minter(
    context: Context, access: Access, keys: KeyManagement, probe: Probe | None, approval: change_output.Approval
) -> Minter:
    """Return the minter for this call, which asks the person about wider permissions and about the parent."""

    def allow_wider(why: str) -> bool:
        if context.call[ALLOW_WIDER]:
            return True
        if not context.terminal.interactive:
            return False
        context.terminal.warn(why)
        return context.terminal.confirm("Create the new key anyway?", otherwise="--allow-wider")

    def choose_parent(kind: str, parents: tuple[str, ...]) -> str | None:
        if not context.terminal.interactive:
            return None
        return context.terminal.choose(f"Which {kind}?", dict.fromkeys(parents, ""), again=Hint("--parent ID"))

    return Minter(keys, probe, approval, allow_wider, choose_parent, context.terminal.note, access.page, access.account)


def propagation(context: Context) -> float:
    """Return how many seconds a provider has to accept a new key, or to refuse a deleted one.

    Raises:
        UsageError: ``--propagation`` is not a span.
    """
    text = context.call[PROPAGATION]
    return PROPAGATION_S if text is None else short_span(text, what="--propagation").total_seconds()


def _patient_probe(context: Context, catalog: Catalog) -> Probe:
    return until_known(probe_for_one(context, catalog), propagation(context))


def _access(context: Context, catalog: Catalog, open_store: OpenStore, provider: str) -> Access:
    begun_with = named_admin_account(open_store, account=context.account, provider=provider)
    account = admin_account_of(context, context.account, begun_with=begun_with)
    return access_to(context, catalog, open_store, provider, account=account)


def _approval(context: Context, provider: str, step: str) -> change_output.Approval:
    return change_output.Approval(context, saving="make it current", advice=for_step(provider, step))


def look_for_lost_keys(context: Context, open_store: OpenStore, definition: Definition, catalog: Catalog) -> None:
    """Delete keys whose values were lost, before a step that does nothing else at the provider.

    If that is not possible now, a note says so, and the step goes on.
    """
    stored = open_store.find_key(context.account, definition.id)
    if stored is None or not key_of(stored).unfound:
        return

    async def work() -> None:
        async with open_management(_access(context, catalog, open_store, definition.id)) as keys:
            await _delete_lost_keys(context, open_store, keys, definition.id)

    try:
        run_operation(work())
    except (NoAdminKey, ManagementRefused, ManagementUnavailable) as error:
        context.terminal.note(f"a key that an earlier run may have left was not looked for: {error.message}")


async def _delete_lost_keys(context: Context, open_store: OpenStore, keys: KeyManagement, provider: str) -> None:
    """Delete the keys of an earlier run whose values were lost, as far as they exist, and print their number."""
    stored = open_store.find_key(context.account, provider)
    if stored is not None and key_of(stored).unfound:
        deleted = await lost_keys.tidy(keys, open_store, key_of(stored))
        if deleted:
            context.terminal.note(f"{counted(deleted, 'key')} of an earlier run deleted at the provider")


def _run(context: Context, open_store: OpenStore, provider: str, work: Work) -> ChangeResult:
    """Run the work; after Ctrl-C raise KeyboardInterrupt with a message about what is unfinished."""
    try:
        return run_operation(work())
    except KeyboardInterrupt as stop:
        message = str(stop) or _interrupted_message(open_store, context.account, provider)
        raise KeyboardInterrupt(context.terminal.completed(message)) from None


def _interrupted_message(open_store: OpenStore, account: str, provider: str) -> str:
    """Return what Ctrl-C left unfinished; the key in use never changes by it."""
    stored = open_store.find_key(account, provider)
    if stored is None or not key_of(stored).is_mint_unfinished:
        return "interrupted; the key in use is unchanged and nothing is unfinished"
    resume, abort = next_step("rotate", provider, "--resume"), next_step("rotate", provider, "--abort")
    state = "interrupted; the key in use is unchanged, and a new one may exist at the provider: "
    return Hint(state, resume, ", or ", abort)


def _show(context: Context, result: ChangeResult, definition: Definition, approval: change_output.Approval) -> int:
    is_retirement = context.call[RETIRE]
    lines = _lines(definition, result, is_revoking=not context.call[NO_REVOKE])
    return change_output.show(context, result, lines, approval=approval, is_retirement=is_retirement)


def _lines(definition: Definition, result: ChangeResult, *, is_revoking: bool) -> list[str]:
    """Return the lines under the result: what was done at the provider, and what to type next."""
    report = result.at_provider
    resume, abort, retire, rollback = (
        next_step("rotate", result.provider, step) for step in ("--resume", "--abort", "--retire", "--rollback")
    )
    which = f"{report.key_id or report.name or ''}" if report else ""
    match result.action:
        case "rotated":
            until = report.revoke_after if report else None
            return [
                f"version {result.version} was created at {definition.company} and is now in use ({which})",
                Hint("next: ", retire, f" deletes the previous one (rotate --due does so after {until})")
                if until
                else Hint(f"next: revoke the old key at {definition.pages.keys}, then ", retire),
                Hint("undo: ", rollback),
            ]
        case "staged":
            return [
                f"version {result.version} was created at {definition.company} ({which}) and stays staged",
                *([] if result.is_unknown_mint else [Hint("next: ", resume, ", or ", abort)]),
            ]
        case "aborted" if is_revoking and report and report.key_id:
            return [f"the new key was deleted at {definition.company} ({which}); the key in use is unchanged"]
        case "aborted":
            return [
                f"the new key was forgotten ({which}); the key in use is unchanged",
                f"keys: {definition.pages.keys}",
            ]
        case "retired":
            return ["the provider has stopped accepting the previous key; it was dropped from the store"]
        case _:
            return change_output.kept_previous(result, definition.pages.keys)


def check_options(context: Context) -> None:
    """Check that every option of minting is combined with a step that it belongs to.

    Raises:
        UsageError: one is not, or ``--propagation`` is not a span.
    """
    call = context.call
    for option in call.given(*_GOES_WITH):
        goes_with = _GOES_WITH[option]
        if not call.given(*goes_with):
            with_what = " or ".join(each.spelling for each in goes_with)
            raise UsageError(
                f"{option.spelling} is for {with_what}",
                effect=Effect.NOTHING_CHANGED,
                hint=_with(goes_with[0], option, call),
            )
    propagation(context)


def _with(step: Flag, option: Option[Any], call: Call) -> Hint:
    """Return the command with a step and an option that belongs to it."""
    words = [] if step == DUE else [named_provider(call)]
    return next_step("rotate", *words, step.spelling, *option.example)


_GOES_WITH: dict[Option[Any], tuple[Flag, ...]] = {
    LIKE: (MINT,),
    PARENT: (MINT,),
    ALLOW_WIDER: (MINT, RESUME, DUE),
    PROPAGATION: (MINT, RESUME, RETIRE, DUE),
    ADMIN_ACCOUNT: (MINT, RESUME, ABORT, RETIRE, DUE),
    NO_REVOKE: (RETIRE, ABORT),
    YES: (RETIRE, DUE),
    ALL_ACCOUNTS: (DUE,),
    EXPIRING: (DUE,),
    GRACE: (DUE,),
}
