"""``kojikey list``: what there is. Opens no key and needs no KEK."""

from __future__ import annotations

from kojikey.cli.command import COMMON, PROVIDERS, Call, Command, Option
from kojikey.cli.desk import desk_of
from kojikey.model.errors import UsageError


def list_keys(call: Call) -> int:
    """Carry out ``kojikey list``."""
    from kojikey.cli import wiring
    from kojikey.cli.damage import Damage
    from kojikey.operations import listing

    desk = desk_of(call)
    everyone = call.flag("all_accounts")
    if everyone and call.text("account") is not None:
        raise UsageError("--all-accounts goes without --account", hint="kojikey list --all-accounts")
    asked = tuple(dict.fromkeys(call.texts("providers")))
    index = wiring.provider_index(desk.settings)
    custody = wiring.open_custody(desk.settings, None)
    for provider in asked:
        if provider not in index and not (not everyone and custody.held(desk.account, provider)):
            wiring.checked_provider(provider, desk.settings)
    damage = Damage(desk.terminal)
    if everyone:
        rows = listing.list_all_keys(custody.store, providers=asked, damaged=damage)
    else:
        every = listing.list_keys(custody.store, account=desk.account, providers=asked or tuple(index))
        rows = (row for row in every if not asked or row.provider in asked)
    if call.flag("json"):
        from kojikey.cli import documents

        listed = [documents.listed(row) for row in rows]
        return documents.write("list", damage.code, listed, error=damage.error)
    from kojikey.cli.render import Page

    shown = Page(desk.terminal).keys(rows, with_account=everyone)
    if not shown and not damage.code:
        desk.terminal.note("no keys in this store; kojikey add PROVIDER adds one")
    return int(damage.code)


COMMANDS = (
    Command(
        "list",
        "show the keys, masked, and where the built-in allocation is used",
        list_keys,
        options=(*COMMON, Option(("--all-accounts",), "the keys of every account")),
        argument=PROVIDERS,
        description="Never opens a key and never needs the key-encryption key.",
        examples=("kojikey list", "kojikey list --all-accounts --json"),
    ),
)
