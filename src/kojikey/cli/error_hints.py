"""Completes the hint of a command's error for this command line. Imported only after a failure."""

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
    """Set the hint of an error of ours: with the account and store of this call in the commands that it suggests."""
    ours = first_of_ours(error)
    if not isinstance(ours, KojikeyError):
        return
    hint = hint_of(ours, command=call.command.name)
    try:
        settings = settings_of(call)
    except KojikeyError:
        ours.hint = hint
        return
    hint = _creation_by_url(ours, call, settings) or hint
    ours.hint = completed(hint, call, settings, account=getattr(ours, "account", None))


def _creation_by_url(error: KojikeyError, call: Call, settings: Settings) -> Hint | None:
    """Return the command that creates the missing store, with the URL from the settings: ``error.store`` may be a path.

    None for another error, and where the URL is not known or has a password.
    """
    if not isinstance(error, StoreNotFound) or error.hint or not error.store or names_two_stores(call):
        return None
    try:
        url = settings.store_url()
    except KojikeyError:
        return None
    return None if has_password(url) else next_step("store init", url, "--kek", "SOURCE")
