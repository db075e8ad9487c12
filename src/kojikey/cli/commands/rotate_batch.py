"""``kojikey rotate --batch``: a JSON object a line in, one a line out, in the same order and without keys.

Owns: reading the lines (each fails alone) and the exit code of the whole. Must not: repeat any part of a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from kojikey.cli.commands import saving
from kojikey.cli.commands.key_probe import open_probe
from kojikey.cli.commands.key_run import concurrency_of, traffic_of
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of
from kojikey.cli.output import advice, documents
from kojikey.cli.output.failure import SCHEMA
from kojikey.cli.output.github_escape import inert_json
from kojikey.cli.output.streams import lost_output
from kojikey.cli.output.terminal import Terminal
from kojikey.cli.reports.base import error_fields
from kojikey.model.account import checked_account
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.plain_file import open_plain
from kojikey.model.ref import Document
from kojikey.model.text_file import UTF_8_MARK
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import Done, Failed, Line, LineResult, Pace, Planned, plan_all, rotate_all
from kojikey.providers.catalog import Catalog
from kojikey.providers.key_cleaning import clean

LONGEST_LINE = 64 * 1024
_REQUIRED = ("account", "provider", "key")
_MEMBERS = {*_REQUIRED, "base_url", "label"}
_TOLD_APART = 8  # characters of a key that is of no known shape, and that yet can be told from a name
_NOT_WITH_BATCH = (
    "provider", "resume", "abort", "rollback", "retire", "stdin", "from_env", "from_file", "base_url", "label",
    "model", "capability", "account",
)  # fmt: skip


def rotate_batch(context: Context) -> int:
    """Carry out the batch and return the exit code: 3 where a key was refused, else what went wrong first, else 4."""
    from kojikey import wiring

    _check(context)
    catalog = wiring.catalog(context.settings)
    settings = _common_settings(context)
    with _opened(str(context.call.text("batch"))) as stream:
        open_store = wiring.open_chosen_store(context.settings, context.person)
        if open_store.header is not wiring.NO_STORE:
            open_store.ask_now()
        is_forced = context.call.flag("force_shape")
        lines = _Counted(read_lines(stream, catalog, settings, is_shape_forced=is_forced, tell=context.terminal.note))
        written = _Written(context, lines)
        error: KojikeyError | None = None
        is_interrupted = False
        try:
            if context.call.flag("dry_run"):
                plan_all(open_store, lines, written.add)
            else:
                asyncio.run(_rotate_all(context, open_store, catalog, lines, written))
        except KeyboardInterrupt:
            is_interrupted = True
        except OSError:
            if not written.lost:
                raise
        except KojikeyError as raised:
            error = raised
    return written.end(error, is_interrupted=is_interrupted)


async def _rotate_all(
    context: Context, open_store: OpenStore, catalog: Catalog, lines: Iterable[Line | Failed], written: _Written
) -> None:
    from kojikey import wiring

    traffic = traffic_of(context, tell=context.terminal.warn)
    proxies = wiring.proxies(context.terminal)
    async with open_probe(context, catalog, proxies, tell=context.terminal.warn, traffic=traffic) as probe:
        pace = Pace(
            None if context.call.flag("no_test") else probe,
            _approval(context),
            concurrency_of(context),
            traffic.take_turn,
        )
        await rotate_all(open_store, lines, pace, written.add)


def _check(context: Context) -> None:
    """Check what the options say, before a store is opened or a line is read.

    Raises:
        UsageError: one of them makes no sense.
    """
    from kojikey import wiring

    call = context.call
    for name in _NOT_WITH_BATCH:
        if call.values.get(name) not in (None, False, [], ()):
            spelled = "PROVIDER" if name == "provider" else "--" + name.replace("_", "-")
            raise UsageError(
                f"--batch names keys line by line: it goes without {spelled}",
                hint="kojikey rotate --batch FILE",
                effect=Effect.NOTHING_CHANGED,
            )
    wiring.timeout_of(call)
    concurrency_of(context)
    traffic_of(context, tell=context.terminal.warn)


def _common_settings(context: Context) -> KeySettings:
    """Return what the options set for every key of the batch."""
    expires = context.call.text("expires")
    return KeySettings(
        expires_at=saving.expiry(expires, context.terminal) if expires is not None else None,
        rotate_after_days=saving.rotate_after_days(context.call.text("rotate_after"), context.terminal),
    )


def _approval(context: Context) -> Approve:
    """Return who decides: the options alone. A batch asks nobody."""

    def approve(verdict: Verdict) -> bool:
        return context.call.flag("allow_limited" if verdict.outcome is Outcome.LIMITED else "allow_unverified")

    return approve


def _opened(path: str) -> BinaryIO:
    """Open the batch.

    Raises:
        UsageError: it cannot be read, others can read it, or it would be typed at a terminal.
    """
    if path == "-":
        if sys.stdin.isatty():
            raise UsageError(
                "--batch - reads keys from a pipe, not from a terminal",
                hint="kojikey rotate --batch FILE",
                effect=Effect.NOTHING_CHANGED,
            )
        return sys.stdin.buffer
    try:
        file = open_plain(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file"
        raise UsageError(
            f"the file that --batch names cannot be read ({reason})",
            hint="kojikey rotate --batch FILE, or --batch - for standard input; a line has account, provider and key",
            effect=Effect.NOTHING_CHANGED,
        ) from None
    mode = os.fstat(file.fileno()).st_mode
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        file.close()
        raise UsageError(
            f"others can read {path}, and it holds keys",
            hint=f"chmod 600 {path}, and remove it once the keys are rotated",
            effect=Effect.NOTHING_CHANGED,
        )
    return file


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
    return UsageError(f"line {number}: {error}", hint=error.hint or "docs/ci.md#batch has the form of a line")


def _fields(raw: bytes | None) -> dict[str, str]:
    if raw is None:
        raise UsageError(f"it has more than {LONGEST_LINE} bytes")
    try:
        fields = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        fields = None  # what could not be read holds a key: it goes no further, not even as a cause
    if not isinstance(fields, dict):
        raise UsageError("it is not a JSON object with each member once")
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
        raise ValueError("a member is there twice")
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
    from dataclasses import replace

    account = provider = None
    try:
        _refuse_keys(fields)
        account = checked_account(fields["account"])
        definition = catalog.get(fields["provider"])
        provider = definition.id
        base_url, label = fields.get("base_url"), fields.get("label")
        settings = replace(
            settings,
            base_url=saving.base_url_of(base_url, definition, tell) if base_url is not None else None,
            label=saving.checked_label(label),
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
        if name != "key" and (looks_like_key(value) or (len(key) >= _TOLD_APART and key in value)):
            raise UsageError(
                f"its {name} looks like a provider key; it is not repeated here",
                hint="the key goes into the member key, and nowhere else",
                effect=Effect.NOTHING_CHANGED,
            )


@dataclass(slots=True)
class _Counted:
    """The lines as they are read: how many they were, and whether that is all of them."""

    lines: Iterator[Line | Failed]
    count: int = 0
    is_at_end: bool = False

    def __iter__(self) -> Iterator[Line | Failed]:
        for line in self.lines:
            self.count += 1
            yield line
        self.is_at_end = True


@dataclass(slots=True)
class _Written:
    """The results as they are written, and what the exit code depends on."""

    context: Context
    read: _Counted
    codes: dict[Exit, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    first_other: Exit | None = None
    count: int = 0
    lost: str = ""

    def add(self, item: LineResult) -> None:
        """Write a result."""
        code, document = _result(item, self.context.terminal)
        self.codes[code] = self.codes.get(code, 0) + 1
        if code not in (Exit.OK, Exit.KEY_FAILED, Exit.INDETERMINATE):
            self.first_other = self.first_other or code
        what = str(document.get("action") or document.get("would") or "failed")
        self.counts[what] = self.counts.get(what, 0) + 1
        text = json.dumps(document, ensure_ascii=True)
        if self.context.terminal.json:
            text = self._opening() + ("," if self.count else "") + "\n" + text
        else:
            text += "\n"
        self.count += 1
        self._write(text)

    def end(self, error: KojikeyError | None, *, is_interrupted: bool) -> int:
        """Say how it went, end the document where it is one, and return the exit code."""
        code, told = self._code(), None
        is_cut = bool(self.lost) and not (self.read.is_at_end and self.count == self.read.count)
        if is_interrupted or is_cut:
            code = Exit.INTERRUPTED if is_interrupted else Exit.STORE_UNAVAILABLE
            message = f"{self.lost or 'interrupted'}; {self.count} lines done, {self._left()}, no key in use was lost"
            told = {"code": code.word, "message": message, "hint": "the same command again finishes the rest"}
        elif error is not None:
            code, told = code_of(error), error_fields(error)
            told["message"] = f"{error}; {self.count} lines were done"
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        terminal = self.context.terminal
        terminal.note(f"{self.count} lines" + (f": {counts}" if counts else ""))
        if told:
            terminal.warn(told["message"] + (f" ({told['hint']})" if told["hint"] else ""))
        if terminal.json:
            closing: Document = {"summary": {"lines": self.count, **self.counts}, "exit_code": int(code)}
            closing |= {"error": told} if told else {}
            members = "".join(f",\n{json.dumps(name)}: {json.dumps(value)}" for name, value in closing.items())
            self._write(self._opening() + "\n]" + members + "\n}\n")
        return int(code)

    def _left(self) -> str:
        return f"{self.read.count - self.count} left" if self.read.is_at_end else "the rest left"

    def _opening(self) -> str:
        return "" if self.count else f'{{"schema": {json.dumps(SCHEMA)},\n"command": "rotate",\n"results": ['

    def _write(self, text: str) -> None:
        if self.lost:
            return
        try:
            sys.stdout.write(inert_json(text) if self.context.terminal.is_on_github else text)
            sys.stdout.flush()
        except OSError as error:
            if self.context.call.flag("dry_run"):
                raise  # nothing is done by it, so that whoever reads may go away
            self.lost = lost_output(error)
            raise

    def _code(self) -> Exit:
        if self.codes.get(Exit.KEY_FAILED):
            return Exit.KEY_FAILED
        if self.first_other is not None:
            return self.first_other
        return Exit.INDETERMINATE if self.codes.get(Exit.INDETERMINATE) else Exit.OK


def _result(item: LineResult, terminal: Terminal) -> tuple[Exit, Document]:
    if isinstance(item, Done):
        code = saving.exit_of(item.result)
        result = advice.advised(item.result, advice.for_step(item.result.provider, "rotate"), terminal)
        return code, {"line": item.number, **documents.changed(result), "exit_code": int(code)}
    document: Document = {"line": item.number, "account": item.account, "provider": item.provider}
    if isinstance(item, Planned):
        return Exit.OK, document | {"would": item.would, "exit_code": 0}
    code = code_of(item.error)
    return code, document | {"action": None, "exit_code": int(code), "error": error_fields(item.error)}
