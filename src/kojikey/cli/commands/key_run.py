"""The run of ``kojikey test`` over saved keys, one or thousands: from the options to the last report.

Owns: which keys, how fast, who is told, and how the run ends (also by Ctrl-C, or by a store that goes away).
Must not: know a report's format, or ask a provider itself.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from kojikey.cli.commands.key_probe import open_probe, with_overrides
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of, hint_of
from kojikey.cli.output import next_steps
from kojikey.cli.output.failure import first_of_ours, say
from kojikey.cli.output.progress import Progress
from kojikey.cli.output.streams import lost_output
from kojikey.cli.reports.base import Item, Report, ReportFailedError, RunEnd, Tally, error_fields
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.timestamps import now
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import keep_none, keep_outcomes
from kojikey.operations.results import Summary, TestResult
from kojikey.operations.selecting import Selection
from kojikey.operations.testing_keys import Unopened, verify
from kojikey.providers.catalog import Catalog
from kojikey.providers.requests.proxies import Proxies
from kojikey.providers.requests.traffic import Traffic
from kojikey.stores.base import Query, Stored

CONCURRENCY = 16
MOST_CONCURRENCY = 1024
MOST_RATE = 100_000.0
FEW = 200
"""So many results are held back to be shown in order; more than that are shown as they come."""

UNOPENED_TOLD = 10
"""So many keys whose records do not open are named on stderr; reports have them all."""


@dataclass(slots=True)
class KeyRun:
    """A run under way."""

    context: Context
    fail_on: str
    live: list[Report] = field(default_factory=list)
    """Reports that get results as they come; ``held`` ones get them in order at the end, where there are few."""
    held: list[Report] = field(default_factory=list)
    total: int = 0
    left_out: int = 0
    """Keys that only ``--shard`` and ``--not-tested-since`` leave out."""
    tally: Tally = field(default_factory=Tally)
    items: list[Item] = field(default_factory=list)
    began_at: str = field(default_factory=now)
    since: str = ""
    """What is left of a run was not tested since then: it may itself have taken up what was left of another."""
    began: float = field(default_factory=time.monotonic)
    lost: str = ""
    """Says how standard output was lost, where it was; the run stops then as by Ctrl-C."""
    stop: Callable[[], object] = lambda: None
    progress: Progress = field(default_factory=lambda: Progress(0, is_shown=False))

    def carry_out(self, open_store: OpenStore, catalog: Catalog, query: Query, selection: Selection) -> int:
        """Test the keys that the query takes, write all reports, and return the exit code."""
        self.since, self.left_out = query.not_tested_since or self.began_at, selection.left_out or 0
        if selection.total:
            open_store.ask_now()
        self._prepare(selection.total)
        self.progress = Progress(self.total, is_shown=self._has_bar())
        lanes = [self._lane(open_store, query, provider) for provider in sorted(selection.counts)]
        error: KojikeyError | None = None
        is_interrupted = False
        collected = gc.get_threshold()
        try:
            if lanes:
                self._run(open_store, catalog, lanes)
        except KeyboardInterrupt:
            is_interrupted = True
        except asyncio.CancelledError:
            if not self.lost:
                raise
        except Exception as raised:
            first = first_of_ours(raised)
            if not isinstance(first, KojikeyError):
                raise
            error = first
        finally:
            gc.set_threshold(*collected)
            self.progress.clear()
        return self._end(error, is_interrupted=is_interrupted)

    def show(self, result: TestResult) -> int:
        """Write the reports for one result that was found elsewhere, and return the exit code."""
        self._prepare(1)
        self._take(result)
        return self._end(None, is_interrupted=False)

    def _prepare(self, total: int) -> None:
        from kojikey.cli.reports.select import reports_of

        self.total = total
        self.live, self.held = reports_of(self.context, total=total, is_long=total > FEW, fail_on=self.fail_on)

    def _has_bar(self) -> bool:
        terminal = self.context.terminal
        return self.total > 1 and not terminal.quiet and _is_terminal() and terminal.environ.get("TERM") != "dumb"

    def _lane(self, open_store: OpenStore, query: Query, provider: str) -> Iterator[Stored]:
        if query.providers == (provider,):
            return open_store.store.scan(query)
        return open_store.store.scan(query._replace(providers=(provider,)))

    def _run(self, open_store: OpenStore, catalog: Catalog, lanes: list[Iterator[Stored]]) -> None:
        from kojikey import wiring

        proxies = wiring.proxies(self.context.terminal)
        if self.total > FEW:
            # Thousands of requests leave few cycles behind, and looking for them took a tenth of the time.
            gc.set_threshold(100_000, 50, 100)
        if self._has_bar():
            self.progress.show(self.tally, at_once=True)
            asyncio.run(self._verify(open_store, catalog, lanes, proxies))
            return
        what = "asking the providers" + (f" about {self.total} keys" if self.total > FEW else "")
        with self.context.terminal.status(what):
            asyncio.run(self._verify(open_store, catalog, lanes, proxies))

    async def _verify(
        self, open_store: OpenStore, catalog: Catalog, lanes: list[Iterator[Stored]], proxies: Proxies
    ) -> None:
        call = self.context.call
        traffic = traffic_of(self.context, tell=self._tell)
        concurrency = concurrency_of(self.context)
        shared = traffic if self.total > 1 or traffic.rate else None
        async with open_probe(self.context, catalog, proxies, tell=self._tell, traffic=shared) as probe:
            models, capabilities = call.texts("model"), call.texts("capability")
            if models or capabilities:
                probe = with_overrides(probe, models=models, capabilities=capabilities)
            ticking, task = asyncio.ensure_future(self._tick()), asyncio.current_task()
            self.stop = task.cancel if task else self.stop
            try:
                await verify(
                    open_store, *lanes, probe=probe, emit=self._take, concurrency=concurrency,
                    take_turn=traffic.take_turn, keep=keep_none if models or capabilities else keep_outcomes,
                )  # fmt: skip
            finally:
                ticking.cancel()

    async def _tick(self) -> None:
        """Keep the bar alive while no result comes."""
        while True:
            await asyncio.sleep(0.5)
            self.progress.show(self.tally)

    def _tell(self, text: str) -> None:
        self.progress.clear()
        self.context.terminal.warn(text)

    def _take(self, item: Item) -> None:
        if not isinstance(item, Unopened):
            item = next_steps.of_saved(item, self.context.terminal)
        self.tally.add(item)
        if isinstance(item, Unopened) and self.tally.unopened <= UNOPENED_TOLD:
            self._tell(f"{item.account}/{item.provider} was not tested: {item.error}")
        if self.total <= FEW:
            self.items.append(item)
        reports = self.live if self.total <= FEW else [*self.live, *self.held]
        if reports and self._has_bar() and sys.stdout.isatty():
            self.progress.clear()
        for sink in reports:
            self._add(sink, item)
        self.progress.show(self.tally)

    def _add(self, sink: Report, item: Item) -> None:
        """Hand a result to a report. Where standard output is lost, no further test begins; what is done is kept."""
        try:
            sink.add(item)
        except OSError as error:
            self.lost = lost_output(error)
            self.stop()

    # --- the end ---

    def _end(self, error: KojikeyError | None, *, is_interrupted: bool) -> int:
        for item in sorted(self.items, key=lambda item: (item.account, item.provider)):
            for sink in self.held:
                self._add(sink, item)
        ending = self._ending(error, is_interrupted=is_interrupted)
        if self.tally.unopened > UNOPENED_TOLD:
            more = self.tally.unopened - UNOPENED_TOLD
            self.context.terminal.warn(f"{more} more were not tested, because their records do not open")
        for sink in self.live + self.held:
            for problem in self._ended(sink, ending):
                self.context.terminal.warn(problem)
                ending = _worsened(ending, problem)
        if ending.error and (error or is_interrupted or self.lost):
            say(f"kojikey: {ending.error['message']}")
            if ending.error["hint"]:
                say(f"  {ending.error['hint']}")
        if not error:
            self._tell_left_out()
        return int(ending.code)

    def _ended(self, sink: Report, ending: RunEnd) -> tuple[str, ...]:
        """Finish a report; return what went wrong with it. That nobody reads it is no fault: all is done by now."""
        try:
            sink.end(ending)
        except BrokenPipeError as error:
            lost_output(error)
        except ReportFailedError as error:
            return error.problems
        except OSError as error:
            return (lost_output(error),)
        return ()

    def _tell_left_out(self) -> None:
        if not self.total and not self.left_out:
            self.context.terminal.note(Hint("there are no keys to test; ", next_step("add", "PROVIDER"), " adds one"))
        if self.left_out:
            names = [
                f"--{name.replace('_', '-')}" for name in ("shard", "not_tested_since") if self.context.call.text(name)
            ]
            keys = "1 key was" if self.left_out == 1 else f"{self.left_out} keys were"
            self.context.terminal.note(f"{keys} left out by {' and '.join(names)}")

    def _ending(self, error: KojikeyError | None, *, is_interrupted: bool) -> RunEnd:
        tally = self.tally
        left = max(0, self.total - tally.finished)
        code, told = exit_of(tally.summary, self.fail_on), None
        if is_interrupted:
            code = Exit.INTERRUPTED
            message = f"interrupted: {tally.finished} of {self.total} keys done, {tally.recorded} outcomes recorded"
            hint = f"to go on: the same command with --not-tested-since {self.since}" if left else None
            told = {"code": code.word, "message": message, "hint": hint}
        elif error is not None:
            code = code_of(error)
            told = error_fields(error)
            if self.total > 1:
                done = f"{tally.finished} of {self.total} keys were done, {tally.recorded} outcomes recorded"
                told["message"] = f"{error}; {done}"
            if left and tally.recorded:
                told["hint"] = f"{hint_of(error)}; then go on with --not-tested-since {self.since}"
        elif self.lost and left:
            code = Exit.STORE_UNAVAILABLE
            message = f"{self.lost}: {tally.finished} of {self.total} keys done, {tally.recorded} outcomes recorded"
            hint = f"to go on: the same command with --not-tested-since {self.since}"
            told = {"code": code.word, "message": message, "hint": hint}
        elif tally.first_unopened is not None:
            code = code if code is Exit.KEY_FAILED else code_of(tally.first_unopened.error)
            told = error_fields(tally.first_unopened.error)
        return RunEnd(
            tally, code, self.began_at, time.monotonic() - self.began, self.fail_on, left, told, self.left_out
        )


def _worsened(ending: RunEnd, problem: str) -> RunEnd:
    """Return the ending of a run that went well but for a report."""
    if ending.code is not Exit.OK:
        return ending
    code = Exit.STORE_UNAVAILABLE
    return replace(ending, code=code, error={"code": code.word, "message": problem, "hint": None})


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (ValueError, AttributeError):
        return False


def traffic_of(context: Context, *, tell: Callable[[str], None]) -> Traffic:
    """Return the pace of a run.

    Raises:
        UsageError: --rate makes no sense.
    """
    rate = context.call.number("rate")
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise UsageError(
            "--rate takes requests a second and provider, more than 0",
            hint="--rate 5 for five a second; without it as fast as --concurrency allows",
            effect=Effect.NOTHING_DONE,
        )
    return Traffic(rate=rate, tell=tell)


def concurrency_of(context: Context) -> int:
    """Return how many keys are tested at once; a test makes one request at a time.

    Raises:
        UsageError: --concurrency makes no sense.
    """
    given = context.call.number("concurrency")
    if given is not None and not 1 <= given <= MOST_CONCURRENCY:
        raise UsageError(
            f"--concurrency takes a number from 1 to {MOST_CONCURRENCY}",
            hint=f"--concurrency {CONCURRENCY} is the default; --concurrency 1 asks about one key after the other",
            effect=Effect.NOTHING_DONE,
        )
    return CONCURRENCY if given is None else int(given)


def exit_of(summary: Summary, fail_on: str) -> Exit:
    """Return the exit code of a run: 3 where a key failed, else 4 where one could not be judged, else 0.

    ``fail_on`` names the mildest outcome that counts as a failed key; what it leaves out does not fail the run,
    except that keys which could not be judged still exit 4.
    """
    counted = {"rejected": summary.rejected}
    if fail_on in ("limited", "indeterminate"):
        counted["limited"] = summary.limited
    if fail_on == "indeterminate":
        counted["indeterminate"] = summary.indeterminate
    if any(counted.values()):
        return Exit.KEY_FAILED
    return Exit.INDETERMINATE if summary.indeterminate else Exit.OK
