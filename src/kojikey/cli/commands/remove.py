"""``kojikey remove``: deletes a key with all its versions, after asking."""

from __future__ import annotations

import sys

from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import Context, context_of
from kojikey.cli.parsing.command import COMMON, KEY, Call, Command, Option
from kojikey.model.allocation import source_without_key
from kojikey.model.errors import RecordChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.stores.base import Stored


def remove(call: Call) -> int:
    """Carry out ``kojikey remove``."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations import removing
    from kojikey.operations.key_records import stored_key

    context = context_of(call)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    provider = call.text("provider") or choose_key(context, open_store)
    stored = open_store.held(context.account, provider)
    if stored is None:
        wiring.checked_provider(provider, context.settings)
        stored = stored_key(open_store, account=context.account, provider=provider)
    if not call.flag("yes"):
        question = (
            f"Remove the {provider} key of account {context.account} with all its versions{_which(context, stored)}?"
        )
        if not context.terminal.confirm(question, otherwise=f"kojikey remove {provider} --yes"):
            context.terminal.note("nothing was removed")
            return 0 if not context.terminal.json else documents.write("remove", 0, [])
    result = removing.remove(open_store, account=context.account, provider=provider)
    if result.unrecorded:
        context.terminal.warn("the account's record is damaged, so no audit event could be added for this removal")
    elif result.unsigned:
        context.terminal.warn("the key-encryption key could not be had, so the audit event of this removal is unsigned")
    if context.terminal.json:
        return documents.write("remove", 0, [documents.changed(result)])
    from kojikey.cli.output.render import Page

    page = Page(context.terminal)
    page.line(f"{provider}  {context.terminal.masked(result.tail)}  removed, with all its versions")
    if not context.terminal.quiet:
        if source_without_key(provider) == "built_in":
            page.line(f"account {context.account} falls back to Koji's built-in allocation at {provider}", indent=2)
        page.line("the provider still accepts the key: revoke it there if nothing else uses it", indent=2)
        index = wiring.provider_index(context.settings)
        if provider in index:
            page.line(index[provider].keys_page, indent=2)
    return 0


def _which(context: Context, stored: Stored) -> str:
    """Return what a person knows a key by: its mask, how old it is, and what its last test found."""
    from kojikey.model.timestamps import age_days, now
    from kojikey.operations.key_records import key_of

    try:
        current = key_of(stored).current
    except RecordChanged:
        return " (its record was changed from outside)"
    days = age_days(current.created_at, now())
    test = current.last_test
    told = f"last tested {test.tested_at[:10]}: {test.outcome}" if test else "never tested"
    masked = context.terminal.masked(current.tail, sys.stderr)
    return f" ({masked}, {days} day{'' if days == 1 else 's'} old, {told})"


COMMANDS = (
    Command(
        "remove",
        "delete a key with all its versions",
        remove,
        options=(*COMMON, Option(("--yes", "-y"), "do not ask")),
        argument=KEY,
        description="At Koji's own providers the account falls back to the built-in allocation. "
        "Works without the key-encryption key. It does not revoke the key at the provider.",
        examples=("kojikey remove elevenlabs", "kojikey remove elevenlabs --account acme --yes"),
    ),
)
