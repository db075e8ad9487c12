"""``kojikey history``: a key's versions."""

from __future__ import annotations

from kojikey.cli.command import Call, Command
from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import context_of
from kojikey.cli.options import COMMON, KEY


def history(call: Call) -> int:
    """Carry out ``kojikey history``."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations import listing

    context = context_of(call)
    open_store = wiring.open_chosen_store(context.settings, None)
    provider = call[KEY] or choose_key(context, open_store)
    if open_store.held(context.account, provider) is None:
        wiring.checked_provider(provider, context.settings)
    result = listing.history(open_store.store, account=context.account, provider=provider)
    if context.terminal.json:
        place = {"account": context.account, "provider": provider}
        versions = [place | documents.version_fields(version) for version in result.versions]
        return documents.write("history", 0, versions)
    from kojikey.cli.output.render import Page

    Page(context.terminal).history(result)
    return 0


COMMANDS = (
    Command(
        "history",
        "show a key's versions: when, which, and what their tests found",
        history,
        options=COMMON,
        arguments=(KEY,),
        description="The fingerprint tells whether two versions are the same key, without opening either.",
        examples=("kojikey history elevenlabs",),
    ),
)
