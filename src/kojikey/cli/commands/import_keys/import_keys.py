"""``kojikey import``: saves keys that are in plain text in files and in the environment."""

from __future__ import annotations

from functools import partial

from kojikey.cli.command import Call, Command
from kojikey.cli.commands.import_keys.options import COMMENT_OUT, ENV, FILES, MAP, ROTATE
from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import (  # fmt: skip
    ALLOW_LIMITED,
    ALLOW_UNVERIFIED,
    COMMON,
    DEEP,
    DRY_RUN,
    FORCE_SHAPE,
    NO_TEST,
    PACE,
    TIMEOUT,
)
from kojikey.cli.output.failure import Failure
from kojikey.model.errors import Effect, NotFound, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.commands.import_keys.import_run import ImportRun
    from kojikey.cli.commands.import_keys.plan import Row
    from kojikey.cli.commands.import_keys.sources import Source, Unread


def import_keys(call: Call) -> int:
    """Run ``kojikey import`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands.import_keys.import_run import ImportRun
    from kojikey.cli.commands.import_keys.output import Report, again, write
    from kojikey.cli.commands.import_keys.plan import plan, read_maps

    context = context_of(call)
    _check_options(context)
    index = wiring.provider_index(context.settings)
    maps = read_maps(call[MAP], index)
    sources, unread = _read(context)
    if call[COMMENT_OUT]:
        _check_comment_out(sources, unread)
    rows = plan(sources, index, maps, again=partial(again, context))
    is_dry_run = call[DRY_RUN]
    run = ImportRun(context, wiring.catalog(context.settings), rows, is_dry_run)
    run.prepare(sources, index)
    if is_dry_run:
        run.plan()
    else:
        run.save()
    problems = _commented_out(context, sources, rows)
    failure = _failure(run)
    return write(Report(context, sources, unread, rows, problems, failure, is_dry_run, run.is_new_account))


def _check_options(context: Context) -> None:
    """Check the options of the tests before a source is read.

    Raises:
        UsageError: a value is out of range.
    """
    from kojikey.cli.commands.test.run_options import RunOptions

    timeout_of(context.call)
    RunOptions.read(context.call)


def _read(context: Context) -> tuple[list[Source], list[Unread]]:
    """Read the named sources, files first, and return those that were read and those that could not be.

    Raises:
        NotFound: none is named, and there is no default file. UsageError: ``-`` is a terminal.
    """
    from kojikey.cli.commands.import_keys.sources import Source, default_files, read_environment, read_file

    named, has_environment = context.call[FILES], context.call[ENV]
    files = tuple(dict.fromkeys(named)) if named or has_environment else default_files()
    if not files and not has_environment:
        if context.call[DRY_RUN]:
            return [], []
        from kojikey.cli.commands.import_keys.output import NO_DEFAULT_FILE

        raise NotFound(
            NO_DEFAULT_FILE,
            effect=Effect.NOTHING_CHANGED,
            hint=Hint(next_step("import", "FILE"), ", or ", next_step("import", "--env"), " for the environment"),
        )
    read = [read_file(path) for path in files]
    sources = [source for source in read if isinstance(source, Source)]
    if has_environment:
        sources.append(read_environment(context.settings.environ))
    return sources, [source for source in read if not isinstance(source, Source)]


def _check_comment_out(sources: list[Source], unread: list[Unread]) -> None:
    """Check that every source is a ``.env`` file, before anything is saved.

    Raises:
        UsageError: one is not.
    """
    files = [source for source in sources if source.file is not None]
    other = next((source.file for source in files if not source.digest), None)
    other = other or next((s.file for s in unread if s.file == "-" or s.file.endswith(".json")), None)
    if other is not None:
        what = "standard input" if other == "-" else other
        raise UsageError(
            f"--comment-out replaces lines of .env files, and {what} is not one",
            effect=Effect.NOTHING_CHANGED,
            hint="import it without --comment-out, and remove the keys yourself",
        )
    if not files and not unread:
        raise UsageError(
            "--comment-out replaces lines of files, and --env has none",
            effect=Effect.NOTHING_CHANGED,
            hint=next_step("import", "--env"),
        )


def _commented_out(context: Context, sources: list[Source], rows: list[Row]) -> list[str]:
    if not context.call[COMMENT_OUT] or context.call[DRY_RUN]:
        return []
    from kojikey.cli.commands.import_keys.comments import comment_out

    return comment_out(sources, rows)


def _failure(run: ImportRun) -> Failure | None:
    """Return the failure that stopped a run, None if none did."""
    from kojikey.cli.exits import Exit

    if run.is_interrupted:
        message = "interrupted; the keys listed as added, rotated or staged are saved, nothing else was changed"
        hint = "run the same command again to import the rest"
        return Failure(Exit.INTERRUPTED, message, hint)
    if run.error is not None:
        return Failure.of(run.error)
    return None


COMMANDS = (
    Command(
        "import",
        "save the keys in .env files, JSON files and the environment",
        import_keys,
        options=(
            *COMMON,
            ENV,
            MAP,
            DRY_RUN.with_help("only show what would happen; asks nothing"),
            ROTATE,
            COMMENT_OUT,
            NO_TEST, ALLOW_LIMITED, ALLOW_UNVERIFIED, TIMEOUT, DEEP, FORCE_SHAPE, *PACE,
        ),
        arguments=(FILES,),
        description="Finds keys by the names under which the providers' SDKs and other programs look for them, tests "
        "each and saves it. Everything else in the files is left alone and never shown. "
        "JSON is an object of names and values, like the keys.json of the program llm.",
        examples=(
            "kojikey import",
            "kojikey import .env --dry-run",
            "kojikey import .env.production --account acme --comment-out",
            "kojikey import --env --map MY_KEY=google_gemini",
            'kojikey import "$(llm keys path)"',
        ),
    ),
)  # fmt: skip
