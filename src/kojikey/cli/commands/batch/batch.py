"""``kojikey add --batch`` and ``kojikey rotate --batch``: a JSON object per line, and a result for each.

Owns: reading the lines; a malformed one does not affect the others. Must not: repeat any part of a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO, TypeAlias

from kojikey.cli.command import Option
from kojikey.cli.commands import change_output, key_input
from kojikey.cli.commands.batch.output import BatchOutput, lines_in
from kojikey.cli.commands.batch.wide_input import as_utf_8
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
from kojikey.model.account import checked_account
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_file import open_plain
from kojikey.model.text_file import UTF_8_MARK
from kojikey.model.verdict import Verdict
from kojikey.operations.adding import NewKey
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Target
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import EmitLine, Failed, Line, Pace
from kojikey.providers.catalog import Catalog
from kojikey.providers.key_cleaning import clean

Plan: TypeAlias = Callable[[Iterable[Line | Failed], EmitLine], None]
Work: TypeAlias = Callable[[Iterable[Line | Failed], Pace, EmitLine], Awaitable[None]]

LONGEST_LINE = 64 * 1024
_REQUIRED = ("account", "provider", "key")
_MEMBERS = {*_REQUIRED, "base_url", "label"}
_DISTINGUISHED = 8  # characters of a key of no known shape that are enough to distinguish it from a name
_NOT_WITH_BATCH = (STDIN, FROM_ENV, FROM_FILE, BASE_URL, LABEL, MODEL, CAPABILITY, ACCOUNT)


def add_batch(context: Context) -> int:
    """Add the keys of a batch and return the exit code; a store that is not there is created for the first of them."""
    from kojikey import wiring
    from kojikey.operations.adding import Destination
    from kojikey.operations.adding_many import add_all, plan_all

    _check(context)
    catalog = wiring.catalog(context.settings)
    new_key = partial(_new_key, catalog)

    def begin(open_store: OpenStore) -> tuple[Plan, Work]:
        destination = Destination(open_store)
        if open_store.header is wiring.NO_STORE and not context.call.get(DRY_RUN):
            destination = wiring.prepare_destination(
                open_store, context.settings, context.person, account=context.account
            )
        return partial(plan_all, destination), partial(add_all, destination, new_key=new_key)

    return _carry_out(context, catalog, begin)


def rotate_batch(context: Context, *not_together: Option[Any]) -> int:
    """Rotate the keys of a batch and return the exit code. ``not_together`` are options of another kind of rotation."""
    from kojikey import wiring
    from kojikey.operations.rotating_many import plan_all, rotate_all

    _check(context, *not_together)
    catalog = wiring.catalog(context.settings)
    return _carry_out(context, catalog, lambda store: (partial(plan_all, store), partial(rotate_all, store)))


def _carry_out(context: Context, catalog: Catalog, begin: Callable[[OpenStore], tuple[Plan, Work]]) -> int:
    from kojikey import wiring

    settings = _common_settings(context)
    with _opened(context, str(context.call.get(BATCH))) as stream:
        open_store = wiring.open_chosen_store(context.settings, context.person)
        if open_store.header is not wiring.NO_STORE:
            open_store.ask_now()
        plan, work = begin(open_store)
        is_forced = context.call.get(FORCE_SHAPE)
        written = BatchOutput(context, total=lines_in(stream))
        lines = written.counted(read_lines(stream, catalog, settings, is_shape_forced=is_forced, tell=written.tell))
        error: KojikeyError | None = None
        is_interrupted = False
        try:
            if context.call.get(DRY_RUN):
                plan(lines, written.add)
            else:
                asyncio.run(_with_probe(context, catalog, lines, written, work))
        except KeyboardInterrupt:
            is_interrupted = True
        except OSError:
            if not written.lost:
                raise
        except KojikeyError as raised:
            error = raised
    return written.end(error, is_interrupted=is_interrupted)


async def _with_probe(
    context: Context, catalog: Catalog, lines: Iterable[Line | Failed], written: BatchOutput, work: Work
) -> None:
    from kojikey import wiring

    options = RunOptions.read(context.call)
    traffic = options.traffic(tell=written.tell_warning)
    proxies = wiring.proxies(context.terminal.warn)
    async with open_probe(context, catalog, proxies, tell=written.tell_warning, traffic=traffic) as probe:
        pace = Pace(
            None if context.call.get(NO_TEST) else probe,
            _approval(context),
            options.concurrency,
            traffic.reserve,
        )
        with written.bar():
            await work(lines, pace, written.add)


def _new_key(catalog: Catalog, line: Replacement) -> NewKey:
    """Return the key that a line adds, with what is usual at its provider.

    Raises:
        UsageError: the provider has no base URL of its own, and the line gives none.
    """
    definition = catalog.get(line.provider)
    base_url = definition.checked_base_url(line.settings.base_url)
    target = Target(line.provider, base_url, (), definition.default_capabilities)
    return NewKey(line.account, target, line.secret, line.settings)


def _check(context: Context, *not_together: Option[Any]) -> None:
    """Check what the options say, before a store is opened or a line is read.

    Raises:
        UsageError: one of them makes no sense.
    """
    call = context.call
    if call.get(JSON) and call.get(JSONL):
        raise UsageError("--json prints one document and --jsonl many: choose one", hint=_again(context, "--jsonl"))
    others = [option.spelling for option in call.given(*_NOT_WITH_BATCH, *not_together)]
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
    """Return what the options set for every key of the batch."""
    expires = context.call.get(EXPIRES)
    return KeySettings(
        expires_at=key_input.read_expiry(expires, context.terminal) if expires is not None else None,
        rotate_after_days=key_input.read_rotate_after(context.call, context.terminal),
    )


def _approval(context: Context) -> Approve:
    """Return who decides: the options alone. A batch asks nobody."""

    def approve(verdict: Verdict) -> bool:
        return context.call.get(change_output.option_allowing(verdict))

    return approve


def _opened(context: Context, path: str) -> BinaryIO:
    """Open the batch.

    Raises:
        UsageError: it cannot be read, others can read it, or it would be typed at a terminal.
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
            hint=f"chmod 600 {path}, and remove it once the keys are saved",
            effect=Effect.NOTHING_CHANGED,
        )
    return as_utf_8(file)


def read_lines(
    stream: BinaryIO,
    catalog: Catalog,
    settings: KeySettings,
    *,
    is_shape_forced: bool,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Line | Failed]:
    """Yield the lines of a batch, blank ones left out; one that makes no sense is yielded as failed."""
    number = 0
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        raw = raw.removeprefix(UTF_8_MARK) if number == 1 else raw
        is_whole = raw.endswith(b"\n") or len(raw) <= LONGEST_LINE
        rest = raw
        while not rest.endswith(b"\n") and rest and not is_whole:
            rest = stream.readline(LONGEST_LINE)
        if not raw.strip():
            continue
        try:
            fields = _fields(raw if is_whole else None)
        except UsageError as error:
            yield Failed(number, None, None, _numbered(error, number))
            continue
        yield _line(number, fields, catalog, settings, is_shape_forced=is_shape_forced, tell=_on_line(number, tell))


def _on_line(number: int, tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda text: tell(f"line {number}: {text}")


def _numbered(error: KojikeyError, number: int) -> KojikeyError:
    return UsageError(f"line {number}: {error}", hint=error.hint or "docs/ci.md#batch shows the form of a line")


def _fields(raw: bytes | None) -> dict[str, str]:
    if raw is None:
        raise UsageError(f"it has more than {LONGEST_LINE} bytes")
    try:
        fields = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        fields = None  # what could not be read holds a key: it goes no further, not even as a cause
    if not isinstance(fields, dict):
        raise UsageError("it is not a JSON object in which each member occurs once")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise UsageError("it lacks " + " and ".join(missing))
    if set(fields) - _MEMBERS:
        raise UsageError("it has members other than account, provider, key, base_url and label")
    given = {name: value for name, value in fields.items() if value is not None}
    if not all(isinstance(value, str) for value in given.values()) or not all(name in given for name in _REQUIRED):
        raise UsageError("its members are not all text")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a member occurs twice")
    return dict(pairs)


def _line(
    number: int,
    fields: dict[str, str],
    catalog: Catalog,
    settings: KeySettings,
    *,
    is_shape_forced: bool,
    tell: Callable[[str], None],
) -> Line | Failed:
    from msgspec.structs import replace

    account = provider = None
    try:
        _refuse_keys(fields)
        account = checked_account(fields["account"])
        definition = catalog.get(fields["provider"])
        provider = definition.id
        base_url, label = fields.get("base_url"), fields.get("label")
        settings = replace(
            settings,
            base_url=key_input.read_base_url(base_url, definition, tell) if base_url is not None else None,
            label=key_input.checked_label(label),
        )
        secret = clean(fields["key"], definition, catalog, force_shape=is_shape_forced).secret
    except KojikeyError as error:
        return Failed(number, account, provider, _numbered(error, number))
    return Line(number, Replacement(account, provider, secret, settings))


def _refuse_keys(fields: dict[str, str]) -> None:
    """Check that no other member holds a key: it would be stored as it is, and printed.

    Raises:
        UsageError: one does; it is not repeated.
    """
    key = fields["key"].strip()
    for name, value in fields.items():
        if name != "key" and (looks_like_key(value) or (len(key) >= _DISTINGUISHED and key in value)):
            raise UsageError(
                f"its {name} looks like a provider key; it is not repeated here",
                hint="the key goes into the member key, and nowhere else",
                effect=Effect.NOTHING_CHANGED,
            )
