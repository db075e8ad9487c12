"""``kojikey providers check``, ``schema`` and ``new``: for people who write their own provider definition."""

from __future__ import annotations

import os

from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.cli.output.failure import Failure
from kojikey.model.atomic_file import write_whole
from kojikey.model.errors import BadDefinition, Conflict, Effect, FileUnwritable, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import printable
from kojikey.model.private_folder import make_private_folder
from kojikey.model.ref import Document
from kojikey.providers import catalog
from kojikey.providers.definition_file import checked_id, parse
from kojikey.providers.definition_lines import with_lines
from kojikey.providers.entries import read_entries
from kojikey.providers.index import read_index


def check(context: Context, path: str) -> int:
    """Print every mistake of a definition with its line, and return the exit code.

    Raises:
        UsageError: the file cannot be read as text.
    """
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_line

    mistakes = _mistakes(path)
    code = Exit.USAGE if mistakes else Exit.OK
    if context.terminal.json:
        rows: list[Document] = [{"file": path, "line": line, "problem": problem} for line, problem in mistakes]
        error = Failure(Exit.USAGE, f"{path} has {_counted(mistakes)}", "correct these lines").as_json()
        return documents.write("providers", code, rows, error=error if mistakes else None)
    for line, problem in mistakes:
        write_line(f"{path}:{line}: {problem}")
    context.terminal.note(f"{path} has {_counted(mistakes)}")
    return int(code)


def _mistakes(path: str) -> list[tuple[int, str]]:
    try:
        text = catalog.read_of_user(path)
    except BadDefinition as error:
        raise UsageError(
            f"{printable(path)} is not the file of a definition: {'; '.join(error.problems)}",
            hint=Hint(next_step("providers", "new", "ID"), " writes one to fill in"),
        ) from None
    try:
        provider, problems = parse(text, path).id, list[str]()
    except BadDefinition as error:
        provider, problems = error.provider, list(error.problems)
    if provider in read_index():
        problems.append(f"id {provider} comes with kojikey and cannot be replaced")
    return with_lines(text, problems)


def _counted(mistakes: list[tuple[int, str]]) -> str:
    return {0: "no mistake", 1: "one mistake"}.get(len(mistakes), f"{len(mistakes)} mistakes")


def schema() -> int:
    """Print the JSON Schema of a definition, and return the exit code."""
    from kojikey.cli.output.stdout import write_json
    from kojikey.providers.schema import schema as schema_of

    write_json(schema_of())
    return 0


def new(context: Context, provider: str) -> int:
    """Write a commented definition to fill in to the user's folder, print its path, and return the exit code.

    Raises:
        UsageError: ``provider`` cannot be an id. Conflict: there is such a provider. FileUnwritable: the file cannot
        be written.
    """
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_value

    checked_id(provider)
    folder = context.settings.home.providers
    path = os.path.join(folder, f"{provider}.toml")
    if provider in read_entries(folder) or os.path.lexists(path):
        raise Conflict(
            f"the provider {provider} exists already",
            hint=next_step("providers", provider),
            effect=Effect.NOTHING_WRITTEN,
        )
    _write(path, catalog.skeleton(provider))
    if context.terminal.json:
        return documents.write("providers", 0, [{"provider": provider, "file": path}])
    write_value(path)
    context.terminal.note(Hint("fill it in, then ", next_step("providers", "check", path)))
    return 0


def _write(path: str, text: str) -> None:
    try:
        make_private_folder(os.path.dirname(path))
        write_whole(path, [text], may_replace=False)
    except FileExistsError:
        raise Conflict("the file exists already", hint="choose another id", effect=Effect.NOTHING_WRITTEN) from None
    except OSError as error:
        reason, hint = error.strerror or "no room", "let this user write the folder, or set KOJIKEY_HOME to another one"
        raise FileUnwritable(path, reason, hint=hint, effect=Effect.NOTHING_WRITTEN) from None


def single_argument(words: tuple[str, ...], what: str) -> str:
    """Return the argument of a subcommand, for example the path after ``check``; ``what`` is its name in the message.

    Raises:
        UsageError: there is none, or more than one.
    """
    if len(words) != 2:
        raise UsageError(f"providers {words[0]} takes one {what}", hint=next_step("providers", words[0], what))
    return words[1]
