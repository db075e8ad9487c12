"""``kojikey export``: prints the account's keys in a format that another program reads."""

from __future__ import annotations

import os
import stat
import sys

from kojikey.cli.command import Call, Choice, Command, Flag, Text
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import COMMON, JSON, PROVIDERS, YES
from kojikey.model.environment import Environment
from kojikey.model.errors import Conflict, Effect, FileUnwritable, NotFound, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.revealing import Revealed
    from kojikey.providers.index import IndexEntry

REVEAL = Flag("--reveal", help="yes, print the keys themselves")
FORMAT = Choice(
    "--format", choices=("dotenv", "shell", "fish", "powershell", "json", "github", "k8s", "docker"),
    help="dotenv (the default), shell, fish, powershell, json, github, k8s or docker", metavar="FORMAT",
)  # fmt: skip
NAME = Text("--name", help="with --format k8s: the name of the Secret (default kojikey-ACCOUNT)", metavar="NAME")
_STDOUT = "-"
OUTPUT_FILE = Text(
    "--output", help="write to a file that nobody else can read, instead of standard output", metavar="FILE"
)


def export(call: Call) -> int:
    """Run ``kojikey export`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands.export.formats import secret_name
    from kojikey.operations.revealing import reveal_all

    context = context_of(call)
    named = tuple(dict.fromkeys(call[PROVIDERS]))
    for provider in named:  # first, so that a hint may repeat their names
        wiring.checked_provider(provider, context.settings)
    format_name = _checked_format(call)
    name = secret_name(call[NAME], context.account) if format_name == "k8s" else ""
    index = wiring.provider_index(context.settings)
    path = _checked_path(context, format_name)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    providers = _providers(context, open_store, index, named)
    if not _is_confirmed(context, providers):
        context.terminal.note("nothing was printed")
        return 0
    revealed = reveal_all(open_store, account=context.account, providers=providers)
    _write(context, _variables(revealed, index), format_name=format_name, name=name, path=path)
    if path is not None and format_name != "github":
        context.terminal.note(f"{path} holds {counted(len(revealed), 'key')} in plain text")
    return 0


def _checked_format(call: Call) -> str:
    """Check the combination of options, and return the format.

    Raises:
        UsageError: an option does not fit the format, or --reveal is missing.
    """
    format_name = call[FORMAT] or "dotenv"
    if call[JSON]:
        raise UsageError(
            "--json is for results, not for keys", hint=_again(call, "--format", "json"), effect=Effect.NOTHING_PRINTED
        )
    if not call[REVEAL]:
        raise UsageError(
            "export prints the keys themselves, and does so only with --reveal",
            hint=Hint(next_step("run", "--", "CMD"), " hands keys to a program and keeps them off the screen"),
        )
    if call[NAME] is not None and format_name != "k8s":
        raise UsageError(
            "--name is for --format k8s",
            hint=_again(call, "--format", "k8s", "--name", "NAME"),
            effect=Effect.NOTHING_PRINTED,
        )
    if call[OUTPUT_FILE] is not None and format_name == "github":
        raise UsageError(
            "--format github writes to the file that GITHUB_ENV names",
            hint="leave out --output",
            effect=Effect.NOTHING_PRINTED,
        )
    return format_name


def _again(call: Call, *more: str) -> Hint:
    return next_step("export", *call[PROVIDERS], "--reveal", *more)


def _checked_path(context: Context, format_name: str) -> str | None:
    """Return the path of the file to write, None for standard output, after checking that it can be written.

    Raises:
        Conflict: the file exists. FileUnwritable: it cannot be written. UsageError: the runner of GitHub names none.
    """
    if format_name == "github":
        from kojikey.cli.commands.export.github import checked_path

        return checked_path(context.settings.environ)
    path = context.call[OUTPUT_FILE]
    if path in (None, _STDOUT):
        return None
    from kojikey.model.home import expanded

    path = expanded(path, what="--output")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = None
    except (OSError, ValueError) as error:
        raise _unwritable(path, getattr(error, "strerror", None) or "that is not a path") from None
    if not path or not os.path.isdir(folder):
        raise _unwritable(path, "there is no such folder")
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise _unwritable(path, "it is not a regular file")
    if mode is not None and not context.call[YES]:
        raise _exists(path)
    if not os.access(folder, os.W_OK):
        raise _unwritable(path, "its folder is not writable")
    return path


def _exists(path: str) -> Conflict:
    return Conflict(
        f"the file {path} exists already; it was not replaced", hint="--yes replaces it", effect=Effect.NOTHING_PRINTED
    )


def _unwritable(path: str, reason: str) -> FileUnwritable:
    hint = "--output takes a file in an existing folder"
    return FileUnwritable(path or "a file without a name", reason, hint=hint, effect=Effect.NOTHING_PRINTED)


def _providers(
    context: Context, open_store: OpenStore, index: dict[str, IndexEntry], named: Sequence[str]
) -> tuple[str, ...]:
    """Return the providers whose keys are printed.

    Raises:
        NotFound: a named provider has no key, the account is disabled, or there is nothing to print.
    """
    from kojikey.cli.commands.run.keys import held_providers
    from kojikey.operations.key_records import stored_key

    account = context.account
    if open_store.is_disabled(account):
        raise NotFound(
            f"account {account} is disabled, so none of its keys is exported",
            effect=Effect.NOTHING_PRINTED,
            hint=next_step("account enable", account),
        )
    for provider in named:
        stored_key(open_store, account=account, provider=provider)
    found = tuple(named) or tuple(held_providers(context.call, context.settings, open_store, index))
    if not found:
        raise NotFound(
            f"account {account} has no key to export", hint=next_step("add", "PROVIDER"), effect=Effect.NOTHING_PRINTED
        )
    return found


def _is_confirmed(context: Context, providers: Sequence[str]) -> bool:
    """Return whether the keys may be printed: before they are shown on a screen, the person is asked."""
    call = context.call
    if call[YES] or call[OUTPUT_FILE] not in (None, _STDOUT) or not sys.stdout.isatty():
        return True
    keys = f"the key of {providers[0]}" if len(providers) == 1 else f"{len(providers)} keys"
    options = [word for option in (FORMAT, NAME) if call[option] for word in (option.spelling, str(call[option]))]
    return context.terminal.confirm(f"Show {keys} on this screen?", otherwise=_again(call, *options, "--yes"))


def _variables(revealed: Sequence[Revealed], index: dict[str, IndexEntry]) -> Environment:
    """Return the variables that ``run`` sets: keys under the names of the SDKs, and base URLs in the SDKs' form."""
    values: dict[str, str] = {}
    for key in revealed:
        entry = index[key.provider]
        values |= dict.fromkeys(entry.env, key.secret.reveal()) | entry.base_url_variable(key.base_url)
    return Environment(values)


def _write(context: Context, variables: Environment, *, format_name: str, name: str, path: str | None) -> None:
    from kojikey.cli.commands.export.formats import FORMATS

    if format_name == "github" and path is not None:
        from kojikey.cli.commands.export.github import append_to_environment

        append_to_environment(path, variables)
    elif path is None:
        sys.stdout.write(FORMATS[format_name](variables, name))
    else:
        _write_file(context, path, Secret(FORMATS[format_name](variables, name)))


def _write_file(context: Context, path: str, text: Secret) -> None:
    from kojikey.model.atomic_file import write_whole
    from kojikey.model.secret import HiddenBytes

    try:
        write_whole(path, [HiddenBytes(text.reveal().encode("utf-8"))], may_replace=context.call[YES])
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error.strerror or "no room") from None


COMMANDS = (
    Command(
        "export",
        "print keys in a format that another program reads (only with --reveal)",
        export,
        options=(
            *COMMON,
            REVEAL,
            FORMAT,
            NAME,
            OUTPUT_FILE,
            YES.with_help("do not ask, and replace the file"),
        ),
        arguments=(PROVIDERS.with_help("the providers (default: all that the account has keys for)"),),
        description="The names are those that `run` sets. Each key leaves a `revealed` event in the audit trail. "
        "If you can start the program with `kojikey run`, do that instead: nothing is printed or written.",
        examples=(
            'eval "$(kojikey export --reveal --format shell)"',
            "kojikey export --reveal --format fish | source",
            "kojikey export openai --reveal --output .env",
            "kojikey export --reveal --format k8s --name llm-keys | kubectl apply -f -",
        ),
    ),
)  # fmt: skip
