"""Which of an account's keys ``kojikey run`` passes on, and what it says about the others.

Opens no key. On the hot path of ``run``.
"""

from __future__ import annotations

from kojikey.cli.command import Call, Flag
from kojikey.cli.options import QUIET
from kojikey.config.settings import Settings
from kojikey.model.errors import KeyNotFound, NotFound
from kojikey.model.next_step import next_step
from kojikey.model.plain_text import shown

REQUIRE = Flag("--require", help="exit 5 if a named provider (by default one of Koji's two) has no key")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.environment import Environment
    from kojikey.operations.open_store import OpenStore
    from kojikey.providers.index import IndexEntry


def note_missing_key(call: Call, open_store: OpenStore, account: str, provider: str) -> None:
    """Note that a provider has no key, so that its variables are not changed.

    Raises:
        NotFound: the command line has ``--require``.
    """
    if call.get(REQUIRE):
        raise _missing(open_store, account, provider)
    if not call.get(QUIET):
        _say(f"{_missing(open_store, account, provider)}; its variables were not changed")


def note_other_place(call: Call, environ: Environment, provider: str, entry: IndexEntry, base_url: str | None) -> None:
    """Note that a variable which is set already may send a key with the default base URL to another place.

    The variable is not changed: it may name a gateway that the user wants. Its value is not shown.
    """
    given = (environ.get(entry.base_url_env) or "").rstrip("/")
    is_own = given in ("", entry.base_url, entry.base_url + entry.base_url_env_path)
    if not is_own and not entry.base_url_variable(base_url) and not call.get(QUIET):
        _say(
            f"{entry.base_url_env} is set, so the program may send the {provider} key there instead of to "
            f"{entry.base_url}; unset it if that is not meant"
        )


def held_providers(
    call: Call, settings: Settings, open_store: OpenStore, index: dict[str, IndexEntry]
) -> dict[str, None]:
    """Return the providers whose keys are passed on if the command line names none: all of the account's keys.

    Admin keys are left out: they are passed on only where they are named. With ``--require`` the result has Koji's two
    providers, so that a key that is missing there is an error.

    Raises:
        NotFound: a key's provider has no usable definition, and the command line has ``--require``.
    """
    from kojikey.model.allocation import BUILT_IN
    from kojikey.stores.base import Query

    account = settings.account.value
    held = dict.fromkeys(BUILT_IN if call.get(REQUIRE) else ())
    if open_store.is_disabled(account):
        if not held and not call.get(QUIET):
            _say(f"account {account} is disabled, so none of its keys is used; the environment was not changed")
        return held
    for stored in open_store.store.scan(Query(account=account)):
        provider = str(stored.ref.provider)
        if provider in index:
            held |= {} if index[provider].admin_of else {provider: None}
        else:
            _note_unusable_definition(call, settings, provider)
    return held


def _note_unusable_definition(call: Call, settings: Settings, provider: str) -> None:
    from kojikey import wiring

    is_broken = wiring.unusable_definition(provider, settings) is not None
    problem = "cannot be used" if is_broken else "is gone"
    message = f"the definition of {shown(provider)} {problem}, so its key is not passed on"
    if call.get(REQUIRE):
        fix = "fix its file" if is_broken else "put its file back"
        raise NotFound(message, hint=f"{fix} in {settings.home.providers}, or name the other providers with -p")
    _say(message)


def _missing(open_store: OpenStore, account: str, provider: str) -> NotFound:
    """Return the error about a missing key: there is none, or the account's own keys are disabled."""
    if open_store.is_disabled(account):
        enable = next_step("account enable", account)
        return NotFound(f"account {account} is disabled, so no {provider} key of its own is used", hint=enable)
    return KeyNotFound(account, provider)


def _say(message: str) -> None:
    from kojikey.cli.output.failure import say  # a run without a message does not import it

    say(f"kojikey: {message}")
