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
    from kojikey.model.key import Key, Version
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.results import ChangeResult
    from kojikey.stores.base import Stored

REVOKE = Flag("--revoke", help="delete it at the provider first, with an admin key")


def remove(call: Call) -> int:
    """Carry out ``kojikey remove``."""
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
    stored = open_store.held(context.account, provider)
    if stored is None:
        wiring.checked_provider(provider, context.settings)
        stored = stored_key(open_store, account=context.account, provider=provider)
    removing.ensure_removable(stored)
    if not call[YES]:
        question = (
            f"Remove the {provider} key of account {context.account} with all its versions{_which(context, stored)}?"
        )
        options = [*(["--revoke"] if call[REVOKE] else []), "--yes"]
        if not context.terminal.confirm(question, otherwise=next_step("remove", provider, *options)):
            context.terminal.note("nothing was removed")
            return 0 if not context.terminal.json else documents.write("remove", 0, [])
    left = _revoked(context, open_store, stored) if call[REVOKE] else None
    result = removing.remove(open_store, account=context.account, provider=provider)
    if result.unrecorded:
        context.terminal.warn("the account's record is damaged, so no audit event could be added for this removal")
    elif result.unsigned:
        context.terminal.warn("the key-encryption key is not available, so the audit event of this removal is unsigned")
    return _show(context, result, left)


def _show(context: Context, result: ChangeResult, left: tuple[Version, ...] | None) -> int:
    """Show the removal, and which keys still exist at the provider: ``left`` are those that were not deleted there."""
    from kojikey.cli.output import documents

    there = _still_there(context, result, left)
    if context.terminal.json:
        fields = {"left_at_provider": [key.as_document() for key in there]}
        return documents.write("remove", 0, [documents.change_fields(result) | fields])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(f"{result.provider}  {context.terminal.masked(result.tail)}  removed, with all its versions")
    if source_without_key(result.provider) == "built_in" and not context.terminal.quiet:
        page.line(f"account {context.account} falls back to Koji's built-in allocation at {result.provider}", indent=2)
    if there or not context.terminal.quiet:  # the ids are shown now or never
        for line in _lines_of(context, result.provider, there, is_revoked=left == ()):
            page.line(line, indent=2)
    return 0


def _revoked(context: Context, open_store: OpenStore, stored: Stored) -> tuple[Version, ...]:
    """Delete the key at its provider, and return the versions that could not be.

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
            except ManagementRefused:  # it may be that an earlier run has deleted the key that manages itself
                for line in _unfound(key):
                    context.terminal.warn(line)
            return await retiring.revoke_all(open_store, keys, key, probe)

    return run_operation(work())


def _still_there(context: Context, result: ChangeResult, left: tuple[Version, ...] | None) -> list[LeftKey]:
    from kojikey import wiring
    from kojikey.cli.output.left_at_provider import known_there, still_there

    index = wiring.provider_index(context.settings)
    if left is not None:
        return still_there(result.provider, left, index)
    return known_there(result.key, index) if result.key else []


def _lines_of(context: Context, provider: str, there: list[LeftKey], *, is_revoked: bool) -> list[str]:
    """Say which keys still exist at the provider, by their ids where those are known, and where they are revoked."""
    from kojikey import wiring

    if is_revoked:
        return ["the provider no longer accepts the key"]
    index = wiring.provider_index(context.settings)
    page = [index[provider].keys_page] if provider in index else []
    which = [_which_there(context, key) for key in there]
    return ["the provider still accepts the key: revoke it there if nothing else uses it", *which, *page]


def _which_there(context: Context, left: LeftKey) -> str:
    if left.version is None:
        return _lost(left.name or "")
    known_as = f" as {left.key_id}" if left.key_id else ""
    return f"version {left.version.number} ({context.terminal.masked(left.version.tail)}) still exists there{known_as}"


def _unfound(key: Key) -> list[str]:
    return [_lost(intent.name) for intent in key.unfound]


def _lost(name: str) -> str:
    return f"a key named {name} may exist there as well; its value is lost"


def _which(context: Context, stored: Stored) -> str:
    """Return what a person knows a key by: its mask, how old it is, and what its last test found."""
    from kojikey.model.timestamps import now, parsed
    from kojikey.operations.key_records import key_of

    try:
        key = key_of(stored)
    except RecordChanged:
        return " (its record was changed outside kojikey)"
    current, days = key.current, key.age_days(parsed(now()))
    test = current.last_test
    told = f"last tested {test.tested_at[:10]}: {test.outcome}" if test else "never tested"
    masked = context.terminal.masked(current.tail, sys.stderr)
    return f" ({masked}, {counted(days, 'day')} old, {told})"


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
