"""``kojikey config``: reads and changes config.toml, one setting at a time.

Must not: show or accept a password, which belongs in ~/.pgpass or a variable and not in a shell's history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kojikey.cli.command import Argument, Call, Command, OptionalArgument
from kojikey.cli.commands.config_change import check_store, show_change
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import JSON, NO_COLOR, QUIET
from kojikey.config.settings import LOCAL, has_password, without_password
from kojikey.model.account import checked_account
from kojikey.model.errors import Conflict, Effect, NotFound, UsageError
from kojikey.model.next_step import Hint, next_step

NAME = Argument("name", "NAME", "account, store, kek, admin_account or stores.NAME.url", complete="config")
NAME_OR_ALL = OptionalArgument("name", "NAME", NAME.help, complete="config")
VALUE = Argument("value", "VALUE", "its value")

_KNOWN_HINT = Hint("the settings are account, store, kek, admin_account and stores.NAME.url: ", next_step("config get"))


def path(call: Call) -> int:
    """Run ``kojikey config path`` and return the exit code. It works if the file has mistakes or does not exist."""
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_value

    context = context_of(call, config={})
    file = context.settings.home.config_file
    if context.terminal.json:
        return documents.write("config path", 0, [{"path": file}])
    write_value(file)
    return 0


def get(call: Call) -> int:
    """Run ``kojikey config get`` and return the exit code."""
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_value

    context = context_of(call)
    given, file = call[NAME_OR_ALL], context.settings.home.config_file
    values = _printable_settings(context.settings.config)
    name = None if given is None else ".".join(_keys(given))
    if name is not None:
        if name not in values:
            raise NotFound(f"{name} is not set in {file}", hint=next_step("config set", name, "VALUE"))
        values = {name: values[name]}
    if context.terminal.json:
        return documents.write("config get", 0, [{"name": each, "value": value} for each, value in values.items()])
    if name is not None:
        write_value(values[name])
    elif values:
        from kojikey.cli.output.page import Page

        Page(context.terminal).pairs(list(values.items()))
    else:
        context.terminal.note(f"nothing is set in {file}")
    return 0


def _printable_settings(config: dict[str, Any]) -> dict[str, str]:
    """Return every setting under its name, for example ``stores.team.url``, with passwords as ``***``."""
    values = {name: value for name, value in config.items() if isinstance(value, str)}
    values |= {f"stores.{name}.url": store["url"] for name, store in config.get("stores", {}).items()}
    return {name: without_password(value) for name, value in values.items()}


def set_(call: Call) -> int:
    """Run ``kojikey config set`` and return the exit code."""
    from kojikey.config.config_edit import set_value

    context = context_of(call)
    name, value = call[NAME], call[VALUE]
    keys = _keys(name)
    _check(context, keys, value)
    is_changed = set_value(context.settings.home.config_file, keys, value)
    return show_change(context, "config set", {"name": ".".join(keys), "value": value}, is_changed=is_changed)


def unset(call: Call) -> int:
    """Run ``kojikey config unset`` and return the exit code."""
    from kojikey.config.config_edit import unset_value

    context = context_of(call)
    keys = _keys(call[NAME])
    if keys[0] == "stores" and context.settings.config.get("store") == keys[1]:
        raise Conflict(
            f"{keys[1]} is the default store; it was not removed",
            hint=next_step("store use", LOCAL),
        )
    is_changed = unset_value(context.settings.home.config_file, keys)
    return show_change(context, "config unset", {"name": ".".join(keys), "value": None}, is_changed=is_changed)


def _keys(name: str) -> tuple[str, ...]:
    """Return the keys of a setting in config.toml.

    Raises:
        UsageError: there is no such setting; it is not repeated.
    """
    from kojikey.config.config_file import SETTINGS, STORE_NAME

    if name in SETTINGS:
        return (name,)
    table, _, rest = name.partition(".")
    store = rest.removesuffix(".url")
    if table == "stores" and STORE_NAME.fullmatch(store):
        return ("stores", store, "url")
    raise UsageError("there is no setting of that name", hint=_KNOWN_HINT, effect=Effect.NOTHING_CHANGED)


def _check(context: Context, keys: tuple[str, ...], value: str) -> None:
    """Check a value for a setting.

    Raises:
        UsageError, BadAccount: the setting cannot have this value. StoreNotFound: no store has this name.
    """
    if has_password(value):
        raise UsageError(
            "a password in a URL on the command line is seen by everybody on this machine; it was not saved",
            hint="leave it out (PostgreSQL: ~/.pgpass or PGPASSWORD), and change it: it is in the shell's history now",
        )
    checks: dict[str, Callable[[], object]] = {
        "store": lambda: check_store(context, value),
        "kek": lambda: _check_source(value),
        "stores": lambda: _check_named_store(keys, value),
    }
    checks.get(keys[0], lambda: checked_account(value))()


def _check_source(value: str) -> None:
    from kojikey.sealing.kek.base import SOURCES_HINT
    from kojikey.sealing.kek.registry import check_source

    check_source(value, effect=Effect.NOTHING_CHANGED)
    if value in ("file", "awskms"):
        raise UsageError(
            f"{value} must be followed by its name or path", hint=SOURCES_HINT, effect=Effect.NOTHING_CHANGED
        )


def _check_named_store(keys: tuple[str, ...], url: str) -> None:
    from kojikey.stores.registry import store_from_url

    if keys[1] == LOCAL:
        raise UsageError(
            "local is the name of the store in the data folder", hint="choose another", effect=Effect.NOTHING_CHANGED
        )
    store_from_url(url)


_OPTIONS = (JSON, QUIET, NO_COLOR)

COMMANDS = (
    Command(
        "config path",
        "print the path of config.toml, whether it exists or not",
        path,
        options=_OPTIONS,
        examples=('$EDITOR "$(kojikey config path)"',),
    ),
    Command(
        "config get",
        "print a setting of config.toml, or all of them",
        get,
        options=_OPTIONS,
        arguments=(NAME_OR_ALL,),
        description="A password in a URL is shown as ***. Exit 5 where it is not set.",
        examples=("kojikey config get", "kojikey config get stores.team.url"),
    ),
    Command(
        "config set",
        "change a setting in config.toml",
        set_,
        options=_OPTIONS,
        arguments=(NAME, VALUE),
        description="Comments and everything else in the file stay as they are. A password in a URL is refused: it "
        "would be in the shell's history.",
        examples=("kojikey config set account acme", "kojikey config set stores.team.url postgresql://db.example/keys"),
    ),
    Command(
        "config unset",
        "remove a setting from config.toml",
        unset,
        options=_OPTIONS,
        arguments=(NAME,),
        examples=("kojikey config unset account",),
    ),
)  # fmt: skip
