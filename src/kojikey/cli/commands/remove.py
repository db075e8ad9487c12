"""``kojikey remove``: deletes a key with all its versions, after asking."""

from __future__ import annotations

import sys

from kojikey.cli.command import Call, Command, Flag
from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import ADMIN_ACCOUNT, COMMON, KEY, YES
from kojikey.model.allocation import source_without_key
from kojikey.model.errors import Effect, RecordChanged, UsageError
from kojikey.model.next_step import next_step
from kojikey.model.plain_text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.output.left_at_provider import LeftKey
    from kojikey.model.key import Version
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.results import ChangeResult
    from kojikey.stores.base import Stored

REVOKE = Flag("--revoke", help="delete it at the provider first, with an admin key")


def remove(call: Call) -> int:
    """Run ``kojikey remove`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations import removing
    from kojikey.operations.key_records import stored_key

    context = context_of(call)
    if call[ADMIN_ACCOUNT] is not None and not call[REVOKE]:
        raise UsageError(
            "--admin-account is for --revoke",
            hint=next_step("remove", "PROVIDER", "--revoke", "--admin-account", "NAME"),
            effect=Effect.NOTHING_REMOVED,
        )
    open_store = wiring.open_chosen_store(context.settings, context.person)
    provider = call[KEY] or choose_key(context, open_store)
    stored = open_store.find_key(context.account, provider)
    if stored is None:
        wiring.checked_provider(provider, context.settings)
        stored = stored_key(open_store, account=context.account, provider=provider)
    removing.ensure_removable(stored)
    if not call[YES]:
        which = _description(context, stored)
        question = f"Remove the {provider} key of account {context.account} with all its versions{which}?"
        options = [*(["--revoke"] if call[REVOKE] else []), "--yes"]
        if not context.terminal.confirm(question, otherwise=next_step("remove", provider, *options)):
            context.terminal.note("nothing was removed")
            return 0 if not context.terminal.json else documents.write("remove", 0, [])
    unrevoked = _revoke_versions(context, open_store, stored) if call[REVOKE] else None
    result = removing.remove(open_store, account=context.account, provider=provider)
    if result.unrecorded:
        context.terminal.warn("the account's record is damaged, so no audit event could be added for this removal")
    elif result.unsigned:
        context.terminal.warn("the key-encryption key is not available, so the audit event of this removal is unsigned")
    return _show(context, result, unrevoked)


def _show(context: Context, result: ChangeResult, unrevoked: tuple[Version, ...] | None) -> int:
    """Print the removal, and the keys that still exist at the provider; return the exit code.

    ``unrevoked`` are the versions that ``--revoke`` could not delete, None without that option.
    """
    from kojikey.cli.output import documents

    left = _left_at_provider(context, result, unrevoked)
    if context.terminal.json:
        fields = {"left_at_provider": [key.as_document() for key in left]}
        return documents.write("remove", 0, [documents.change_fields(result) | fields])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(f"{result.provider}  {context.terminal.masked(result.tail)}  removed, with all its versions")
    if source_without_key(result.provider) == "built_in" and not context.terminal.quiet:
        page.line(f"account {context.account} falls back to Koji's built-in allocation at {result.provider}", indent=2)
    if left or not context.terminal.quiet:  # nothing shows the ids later
        for line in _left_lines(context, result, left, is_revoked=unrevoked == ()):
            page.line(line, indent=2)
    return 0


def _revoke_versions(context: Context, open_store: OpenStore, stored: Stored) -> tuple[Version, ...]:
    """Delete all versions of the key at its provider, and return those that could not be deleted.

    Raises:
        CannotMint: no API deletes them. NoAdminKey, ManagementRefused, ManagementUnavailable: nothing was changed.
    """
    from kojikey import wiring
    from kojikey.cli.commands.key_probe import probe_for_one, run_operation
    from kojikey.cli.commands.management import access_to, admin_account_of, open_management
    from kojikey.model.management_errors import CannotMint, ManagementRefused
    from kojikey.operations.key_records import key_of
    from kojikey.operations.minting import lost_keys, retiring
    from kojikey.providers.management import ability_of

    key, catalog = key_of(stored), wiring.catalog(context.settings)
    account = admin_account_of(context, context.account)
    if ability_of(key.provider) is None:
        page = catalog.get(key.provider).pages.keys
        raise CannotMint(
            f"no API deletes {key.provider} keys", effect=Effect.NOTHING_CHANGED, hint=f"revoke it at {page}"
        )
    access = access_to(context, catalog, open_store, key.provider, account=account)
    probe = probe_for_one(context, catalog)

    async def work() -> tuple[Version, ...]:
        async with open_management(access) as keys:
            try:
                await lost_keys.tidy(keys, open_store, key)
            except ManagementRefused:  # an earlier run may have deleted the key, which managed itself
                for intent in key.unfound:
                    context.terminal.warn(_lost_line(intent.name))
            return await retiring.revoke_all(open_store, keys, key, probe)

    return run_operation(work())


def _left_at_provider(context: Context, result: ChangeResult, unrevoked: tuple[Version, ...] | None) -> list[LeftKey]:
    from kojikey import wiring
    from kojikey.cli.output.left_at_provider import known_there, still_there

    index = wiring.provider_index(context.settings)
    if unrevoked is not None:
        return still_there(result.provider, unrevoked, index)
    return known_there(result.key, index) if result.key else []


def _left_lines(context: Context, result: ChangeResult, left: list[LeftKey], *, is_revoked: bool) -> list[str]:
    """Return lines about the keys that still exist at the provider, with their ids and the page that revokes them."""
    from kojikey import wiring

    if is_revoked:
        return ["the provider no longer accepts the key"]
    index = wiring.provider_index(context.settings)
    page = [index[result.provider].keys_page] if result.provider in index else []
    keys = [_left_line(context, key) for key in left]
    test = result.key.current.last_test if result.key else None
    if test and test.outcome == "rejected":
        state = "the provider rejected the key at its last test: revoke it there if it still exists"
    else:
        state = "the provider still accepts the key: revoke it there if nothing else uses it"
    return [state, *keys, *page]


def _left_line(context: Context, key: LeftKey) -> str:
    if key.version is None:
        return _lost_line(key.name or "")
    known_as = f" as {key.key_id}" if key.key_id else ""
    return f"version {key.version.number} ({context.terminal.masked(key.version.tail)}) still exists there{known_as}"


def _lost_line(name: str) -> str:
    return f"a key named {name} may exist there as well; its value is lost"


def _description(context: Context, stored: Stored) -> str:
    """Return what tells a person which key it is: its masked form, its age, and the outcome of its last test."""
    from kojikey.model.timestamps import now, parsed
    from kojikey.operations.key_records import key_of

    try:
        key = key_of(stored)
    except RecordChanged:
        return " (its record was changed outside kojikey)"
    current, days = key.current, key.age_days(parsed(now()))
    test = current.last_test
    tested = f"last tested {test.tested_at[:10]}: {test.outcome}" if test else "never tested"
    masked = context.terminal.masked(current.tail, sys.stderr)
    return f" ({masked}, {counted(days, 'day')} old, {tested})"


COMMANDS = (
    Command(
        "remove",
        "delete a key with all its versions",
        remove,
        options=(
            *COMMON,
            YES,
            REVOKE,
            ADMIN_ACCOUNT.with_help("with --revoke: whose admin key is used"),
        ),
        arguments=(KEY,),
        description="At Koji's own providers the account falls back to the built-in allocation. "
        "Works without the key-encryption key. The key keeps working at the provider, unless --revoke is given.",
        examples=("kojikey remove elevenlabs", "kojikey remove elevenlabs --account acme --yes"),
    ),
)
