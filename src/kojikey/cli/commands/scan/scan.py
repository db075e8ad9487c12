"""``kojikey scan``: looks for the store's own keys in files, in git, and in what is about to be committed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Arguments, Call, Command, Flag, Text
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import ALL_ACCOUNTS, COMMON, JSON
from kojikey.model.errors import Effect, NotFound, UsageError
from kojikey.model.next_step import Hint, next_step

if TYPE_CHECKING:
    from io import BufferedReader

    from kojikey.cli.commands.scan.findings import Findings
    from kojikey.cli.output.damaged_records import DamagedRecords
    from kojikey.cli.output.stdout import Stdout
    from kojikey.operations.scanning import Finding, LeakSearch
    from kojikey.scanning.git_process import Git
    from kojikey.scanning.tally import Tally

PATHS = Arguments("paths", "[PATH]...", "files and folders; - is standard input (default: here)", complete="file")
GIT = Flag("--git", help="every object of git's database, reachable or not, instead of files")
STAGED = Flag("--staged", help="what is about to be committed, instead of files")
ANY = Flag("--any", help="also text that has the shape of a provider's key, but is not in the store")
SARIF = Text(
    "--sarif",
    help="also write the matches to FILE (or -), as SARIF 2.1.0",
    metavar="FILE",
    complete="file",
)

_STDIN = _STDOUT = "-"


def scan(call: Call) -> int:
    """Run ``kojikey scan`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands.scan.findings import Findings
    from kojikey.cli.commands.scan.output import note_skipped
    from kojikey.cli.output.damaged_records import DamagedRecords

    context = context_of(call)
    paths = tuple(dict.fromkeys(call[PATHS])) or (".",)
    _check_options(call)
    _check_paths(call, paths)
    repositories = _repositories(call, paths)
    damage = DamagedRecords(context.terminal)
    search = _search(context, damage)
    findings = Findings(context.terminal, wiring.provider_index(context.settings))
    for finding in _found(call, search, paths, repositories):
        findings.add(finding)
    code = _code(findings, search, damage)
    problem = _write_reports(context, findings, search, code, damage)
    note_skipped(context.terminal, search.tally)
    if problem:
        context.terminal.warn(problem)
        return int(code or Exit.STORE_UNAVAILABLE)
    return int(code)


def _check_options(call: Call) -> None:
    refuse_account_with_all_accounts(call)
    report = call[SARIF]
    if report is not None:
        from kojikey.cli.reports.report_file import check_report_paths

        check_report_paths([report])
    if report == _STDOUT and call[JSON]:
        raise UsageError(
            "a report and the results cannot both be written to standard output",
            hint="name a file for the report, or leave out --json",
            effect=Effect.NOTHING_DONE,
        )


def _check_paths(call: Call, paths: tuple[str, ...]) -> None:
    """Check that every path exists, before anything is read.

    Raises:
        UsageError: one does not, or ``-`` is combined with a search in git.
    """
    is_git = call[GIT] or call[STAGED]
    for path in paths:
        if path == _STDIN:
            if is_git:
                raise UsageError(
                    "- is standard input, and --git and --staged read a repository",
                    hint=Hint(next_step("scan", "-"), " searches it alone"),
                    effect=Effect.NOTHING_READ,
                )
            continue
        try:
            os.stat(path)
        except PermissionError:
            continue  # reported later, with everything else that cannot be read
        except (OSError, ValueError):
            raise UsageError(
                f"{_named(path)} does not exist", hint=next_step("scan", "PATH"), effect=Effect.NOTHING_READ
            ) from None


def _without_nested_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths except those inside another one and repeated ones, so that nothing is searched twice."""
    real_paths = {path: path if path == _STDIN else os.path.realpath(path) for path in paths}
    named = frozenset(real_paths.values())
    kept: dict[str, str] = {}
    for path, real in real_paths.items():
        if named.isdisjoint(_folders_above(real)):
            kept.setdefault(real, path)
    return tuple(kept.values())


def _folders_above(path: str) -> Iterator[str]:
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


def _named(path: str) -> str:
    from kojikey.model.key_detection import looks_like_key

    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return shown if shown.isprintable() and shown and not looks_like_key(shown) else "a path that was named"


def _repositories(call: Call, paths: tuple[str, ...]) -> list[tuple[Git, str | None]]:
    """Return the repositories to search, each with the reason if it cannot be searched.

    Raises:
        UsageError: a path is in no repository, or there is no git.
    """
    if not (call[GIT] or call[STAGED]):
        return []
    from kojikey.scanning.git_process import Git, repository_problem

    found: dict[str, tuple[Git, str | None]] = {}
    for path in paths:
        git = Git(path if os.path.isdir(path) else os.path.dirname(path) or ".", is_named=bool(call[PATHS]))
        problem = repository_problem(git)
        if problem and problem[1]:
            raise UsageError(
                f"{_named(path)} {problem[0]}",
                hint="without --git and --staged, files are searched",
                effect=Effect.NOTHING_READ,
            )
        folder = path if problem else git.line("rev-parse", "--absolute-git-dir") or path
        found.setdefault(folder, (git, problem[0] if problem else None))
    return list(found.values())


def _search(context: Context, damage: DamagedRecords) -> LeakSearch:
    """Return the search for the keys that the options name.

    Raises:
        NotFound: there is no key to look for.
    """
    from kojikey import wiring
    from kojikey.operations.scanning import LeakSearch, distinctive_shapes, known_keys

    all_accounts, is_any = context.call[ALL_ACCOUNTS], context.call[ANY]
    open_store = wiring.open_chosen_store(context.settings, context.person)
    try:
        keys = known_keys(open_store, account=None if all_accounts else context.account, damaged=damage)
    finally:
        open_store.close()
    if not keys and not damage.code and not is_any:
        reason = "this store has no key" if all_accounts else f"account {context.account} has no key in this store"
        raise NotFound(
            f"{reason}, so there is nothing to look for",
            hint=Hint(next_step("add", "PROVIDER"), ", or ", next_step("scan", "--any")),
        )
    shapes = distinctive_shapes(wiring.catalog(context.settings).all()) if is_any else ()
    return LeakSearch(keys, shapes)


def _found(
    call: Call, search: LeakSearch, paths: tuple[str, ...], repositories: list[tuple[Git, str | None]]
) -> Iterator[Finding]:
    for git, problem in repositories:
        if problem:
            search.tally.could_not_read(git.folder, problem)
            continue
        if call[GIT]:
            yield from search.objects(git)
        if call[STAGED]:
            yield from search.staged(git)
    if repositories:
        return
    for path in _without_nested_paths(paths):
        if path == _STDIN:
            yield from search.stream(_STDIN, cast("BufferedReader", sys.stdin.buffer).readinto1)
        else:
            yield from search.path(path)


def _code(findings: Findings, search: LeakSearch, damage: DamagedRecords) -> Exit:
    if findings.count:
        return Exit.KEY_FAILED
    if damage.code:
        return damage.code
    return Exit.INDETERMINATE if search.tally.unreadable_count else Exit.OK


def _write_reports(context: Context, findings: Findings, search: LeakSearch, code: Exit, damage: DamagedRecords) -> str:
    """Write the results and the report; return the warning about a report that could not be written, else ``""``."""
    report = context.call[SARIF]
    names = sorted((search.shown(name), reason) for name, reason in search.tally.unreadable)
    search.tally.unreadable[:] = names
    problem = ""
    try:
        problem = _write_sarif(context.terminal.out, report, findings, names) if report is not None else ""
        if report != _STDOUT:
            _show(context, findings, search.tally, code, damage)
    except BrokenPipeError as error:  # a closed pipe does not change the exit code: a key was found or not
        from kojikey.cli.output.streams import lost_output

        lost_output(error)
    return problem


def _show(context: Context, findings: Findings, tally: Tally, code: Exit, damage: DamagedRecords) -> None:
    from kojikey.cli.commands.scan import output

    if context.terminal.json:
        output.write_document(context.terminal, findings, tally, code, damage.error)
    else:
        output.show(context.terminal, findings, tally)
    if context.terminal.out.is_on_github:
        output.write_annotations(context.terminal, findings)


def _write_sarif(out: Stdout, path: str, findings: Findings, unreadable: list[tuple[str, str]]) -> str:
    from kojikey.cli.commands.scan.sarif import sarif
    from kojikey.cli.reports.report_file import failure_message, write_report

    try:
        write_report(out, path, lambda: sarif(findings, unreadable))
    except BrokenPipeError:
        raise
    except OSError as error:
        return failure_message(path, error.strerror)
    return ""


COMMANDS = (
    Command(
        "scan",
        "look for the store's keys in files, in git, and in what is about to be committed",
        scan,
        options=(
            GIT,
            STAGED,
            ANY,
            ALL_ACCOUNTS,
            SARIF,
            *COMMON,
        ),
        arguments=(PATHS,),
        description="Looks for all versions of the keys, as they are, in base64, percent-encoded, in JSON escapes and "
        "in UTF-16. No key is printed, only its masked form. Links are not followed out of PATH, archives are not "
        "opened. Exit 3: a key was found; 4: no key was found, but something could not be read; 5: there is no key "
        "to look "
        "for.",
        examples=(
            "kojikey scan",
            "kojikey scan --git --all-accounts",
            "kojikey scan --staged",
            "journalctl -b | kojikey scan -",
        ),
    ),
)
