"""The hint of a command's error, adapted to this command line. Imported only after a failure."""

from __future__ import annotations

from kojikey.cli.call_settings import settings_of
from kojikey.cli.command import Call
from kojikey.cli.exits import hint_of
from kojikey.cli.output.next_steps import completed, names_two_stores
from kojikey.config.settings import Settings, has_password
from kojikey.model.bugs import first_of_ours
from kojikey.model.errors import KojikeyError, StoreNotFound
from kojikey.model.next_step import Hint, next_step


def complete_hint(error: Exception, call: Call) -> None:
    """Give an error that a command raised the hint that people are to read, completed."""
    ours = first_of_ours(error)
    if not isinstance(ours, KojikeyError):
        return
    hint = hint_of(ours, command=call.command.name)
    try:
        settings = settings_of(call)
    except KojikeyError:
        ours.hint = hint
        return
    hint = _own_url(ours, call, settings) or hint
    ours.hint = completed(hint, call, settings, account=getattr(ours, "account", None))


def _own_url(error: KojikeyError, call: Call, settings: Settings) -> Hint | None:
    """Return how to create a store that is not there by the URL that it was named by: its place may be no URL."""
    if not isinstance(error, StoreNotFound) or error.hint or not error.store or names_two_stores(call):
        return None
    try:
        url = settings.store_url()
    except KojikeyError:
        return None
    return None if has_password(url) else next_step("store init", url, "--kek", "SOURCE")
