"""``kojikey add --batch`` and ``kojikey rotate --batch``: a JSON object per line, and a result for each.

Owns: the options, the file, and the run. Must not: repeat any part of a line.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, BinaryIO, TypeAlias

from kojikey.cli.command import Option
from kojikey.cli.commands import change_output, key_input
from kojikey.cli.commands.batch.lines import count_lines, read_lines
from kojikey.cli.commands.batch.output import BatchOutput
from kojikey.cli.commands.batch.utf16 import as_utf_8
from kojikey.cli.commands.key_probe import open_probe
from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.commands.test.run_options import RunOptions
from kojikey.cli.context import Context
from kojikey.cli.options import (
    ACCOUNT,
    BASE_URL,
    BATCH,
    CAPABILITY,
    DRY_RUN,
    EXPIRES,
    FORCE_SHAPE,
    FROM_ENV,
    FROM_FILE,
    JSON,
    JSONL,
    KEY,
    LABEL,
    MODEL,
    NO_TEST,
    STDIN,
)
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_file import open_plain
from kojikey.model.plain_text import shell_quoted
from kojikey.model.verdict import Verdict
from kojikey.operations.adding import NewKey
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import EmitLine, FailedLine, Line, RunSettings
from kojikey.providers.catalog import Catalog

Plan: TypeAlias = Callable[[Iterable[Line | FailedLine], EmitLine], None]
Work: TypeAlias = Callable[[Iterable[Line | FailedLine], RunSettings, EmitLine], Awaitable[None]]

_NOT_WITH_BATCH = (STDIN, FROM_ENV, FROM_FILE, BASE_URL, LABEL, MODEL, CAPABILITY, ACCOUNT)


def add_batch(context: Context) -> int:
    """Add the keys of a batch and return the exit code; a missing store is created for the first key."""
    from kojikey import wiring
    from kojikey.operations.adding import Destination
    from kojikey.operations.adding_many import add_all, plan_all

    _check_options(context)
    catalog = wiring.catalog(context.settings)
    new_key = partial(_new_key, catalog)

    def begin(open_store: OpenStore) -> tuple[Plan, Work]:
        destination = Destination(open_store)
        if open_store.header is wiring.NO_STORE and not context.call.get(DRY_RUN):
            destination = wiring.prepare_destination(
                open_store, context.settings, context.person, account=context.account
            )
        return partial(plan_all, destination), partial(add_all, destination, new_key=new_key)

    return _run(context, catalog, begin)


def rotate_batch(context: Context, *excluded: Option[Any]) -> int:
    """Rotate the keys of a batch and return the exit code. ``excluded`` are the options of other kinds of rotation."""
    from kojikey import wiring
    from kojikey.operations.rotating_many import plan_all, rotate_all

    _check_options(context, *excluded)
    catalog = wiring.catalog(context.settings)
    return _run(context, catalog, lambda store: (partial(plan_all, store), partial(rotate_all, store)))


def _run(context: Context, catalog: Catalog, begin: Callable[[OpenStore], tuple[Plan, Work]]) -> int:
    from kojikey import wiring

    settings = _common_settings(context)
    with _opened(context, str(context.call.get(BATCH))) as stream:
        open_store = wiring.open_chosen_store(context.settings, context.person)
        if open_store.header is not wiring.NO_STORE:
            open_store.ask_now()
        plan, work = begin(open_store)
        is_forced = context.call.get(FORCE_SHAPE)
        output = BatchOutput(context, total=count_lines(stream))
        lines = output.counted(read_lines(stream, catalog, settings, is_shape_forced=is_forced, tell=output.note))
        error: KojikeyError | None = None
        is_interrupted = False
        try:
            if context.call.get(DRY_RUN):
                plan(lines, output.add)
            else:
                asyncio.run(_with_probe(context, catalog, lines, output, work))
        except KeyboardInterrupt:
            is_interrupted = True
        except OSError:
            if not output.lost:
                raise
        except KojikeyError as raised:
            error = raised
    return output.end(error, is_interrupted=is_interrupted)


async def _with_probe(
    context: Context, catalog: Catalog, lines: Iterable[Line | FailedLine], output: BatchOutput, work: Work
) -> None:
    from kojikey import wiring

    options = RunOptions.read(context.call)
    traffic = options.traffic(tell=output.warn)
    proxies = wiring.proxies(context.terminal.warn)

    def approve(verdict: Verdict) -> bool:  # a batch asks nobody: the options alone decide
        return context.call.get(change_output.option_allowing(verdict))

    async with open_probe(context, catalog, proxies, tell=output.warn, traffic=traffic) as probe:
        test = None if context.call.get(NO_TEST) else probe
        with output.bar():
            await work(lines, RunSettings(test, approve, options.concurrency, traffic.reserve), output.add)


def _new_key(catalog: Catalog, line: Replacement) -> NewKey:
    """Return the key that a line adds, with the provider's defaults for its test.

    Raises:
        UsageError: the provider has no base URL of its own, and the line gives none.
    """
    definition = catalog.get(line.provider)
    base_url = definition.checked_base_url(line.settings.base_url)
    target = Target(line.provider, base_url, (), definition.default_capabilities)
    return NewKey(line.account, target, line.secret, line.settings)


def _check_options(context: Context, *excluded: Option[Any]) -> None:
    """Check the options before a store is opened or a line is read.

    Raises:
        UsageError: an option cannot be combined with ``--batch``, or has a bad value.
    """
    call = context.call
    if call.get(JSON) and call.get(JSONL):
        raise UsageError("--json prints one document and --jsonl many: choose one", hint=_again(context, "--jsonl"))
    others = [option.spelling for option in call.given(*_NOT_WITH_BATCH, *excluded)]
    if call.get(KEY) is not None or others:
        what = "PROVIDER" if call.get(KEY) is not None else others[0]
        raise UsageError(
            f"--batch names keys line by line: it cannot be combined with {what}",
            hint=_again(context),
            effect=Effect.NOTHING_CHANGED,
        )
    timeout_of(call)
    RunOptions.read(call)


def _again(context: Context, *more: str) -> Hint:
    return next_step(context.call.command.name, "--batch", "FILE", *more)


def _common_settings(context: Context) -> KeySettings:
    """Return the settings that the options give for every key of the batch."""
    expires = context.call.get(EXPIRES)
    return KeySettings(
        expires_at=key_input.read_expiry(expires, context.terminal) if expires is not None else None,
        rotate_after_days=key_input.read_rotate_after(context.call, context.terminal),
    )


def _opened(context: Context, path: str) -> BinaryIO:
    """Open the file of the batch, or standard input for ``-``, for reading in UTF-8.

    Raises:
        UsageError: it cannot be read, other users can read it, or standard input is a terminal.
    """
    if path == "-":
        if sys.stdin.isatty():
            raise UsageError(
                "--batch - reads keys from a pipe, not from a terminal",
                hint=_again(context),
                effect=Effect.NOTHING_CHANGED,
            )
        return as_utf_8(sys.stdin.buffer)
    try:
        file = open_plain(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file"
        raise UsageError(
            f"the file that --batch names cannot be read ({reason})",
            hint=Hint(_again(context), ", or --batch - for standard input; a line has account, provider and key"),
            effect=Effect.NOTHING_CHANGED,
        ) from None
    mode = os.fstat(file.fileno()).st_mode
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        file.close()
        raise UsageError(
            f"others can read {path}, and it holds keys",
            hint=f"chmod 600 {shell_quoted(path)}, and remove it once the keys are saved",
            effect=Effect.NOTHING_CHANGED,
        )
    return as_utf_8(file)
