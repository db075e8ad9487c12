"""One run of ``kojikey test``: from the first key to the last report.

Owns: which report receives which results, and what stops the run (also Ctrl-C, or a store that fails).
Must not: know a report's format, or send a request itself.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kojikey.cli.commands.key_probe import open_probe, with_overrides
from kojikey.cli.commands.test.options import NOT_TESTED_SINCE, SHARD
from kojikey.cli.commands.test.run_end import RunFacts, Stop, end_of, with_report_failure
from kojikey.cli.commands.test.run_options import RunOptions
from kojikey.cli.context import Context
from kojikey.cli.options import HTML
from kojikey.cli.output import advice
from kojikey.cli.output.progress import Progress
from kojikey.cli.output.stdout import takes_more
from kojikey.cli.output.streams import lost_output, silence
from kojikey.cli.reports.base import Item, Report, ReportFailedError, RunEnd, Tally
from kojikey.model.bugs import first_of_ours
from kojikey.model.errors import KojikeyError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.timestamps import now
from kojikey.operations.listing import disabled_accounts
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import keep_none, keep_outcomes
from kojikey.operations.results import TestResult
from kojikey.operations.selecting import Selection
from kojikey.operations.testing_keys import Unopened, run_tests
from kojikey.providers.catalog import Catalog
from kojikey.providers.requests.proxies import Proxies
from kojikey.stores.base import Query, Stored

FEW = 200
"""Up to this number of keys, results are shown in order at the end; for more keys, as they arrive."""

MOST_COUNTED = 5000
"""How many unread keys a stopped run counts; if there are more, its message says ``at least``."""

UNOPENED_NAMED = 10
"""How many keys whose records do not open are named on stderr; reports have all."""


@dataclass(slots=True)
class KeyRun:
    """The state of one run."""

    context: Context
    options: RunOptions
    live: list[Report] = field(default_factory=list)
    """Reports that receive results as they arrive. Those in ``held`` receive few results in order, at the end."""
    held: list[Report] = field(default_factory=list)
    total: int = 0
    is_counted: bool = True
    """Whether ``total`` is the number of all keys, not just of those read so far."""
    left_out: int = 0
    """The number of keys that only ``--shard`` and ``--not-tested-since`` exclude."""
    tally: Tally = field(default_factory=Tally)
    items: list[Item] = field(default_factory=list)
    began_at: str = field(default_factory=now)
    since: str = ""
    """The ``--not-tested-since`` with which another run continues a stopped one."""
    began: float = field(default_factory=time.monotonic)
    lost: str = ""
    """The message about standard output that failed, else ``""``; the run then stops as after Ctrl-C."""
    stop: Callable[[], object] = lambda: None
    progress: Progress = field(default_factory=lambda: Progress(0, is_shown=False))

    def run(self, open_store: OpenStore, catalog: Catalog, query: Query, selection: Selection) -> int:
        """Test the selected keys, write all reports, and return the exit code."""
        self.since, self.left_out = query.not_tested_since or self.began_at, selection.left_out or 0
        if selection.total:
            open_store.ask_now()
        has_page = self.context.call.get(HTML) is not None
        self._prepare(selection.total, disabled_accounts(open_store.store, query.account) if has_page else frozenset())
        self.is_counted = selection.is_counted
        self.progress = Progress(self.total if self.is_counted else None, is_shown=self._has_bar())
        sources = selection.sources if self.is_counted else tuple(map(self._counting, selection.sources))
        error: KojikeyError | None = None
        is_interrupted = False
        try:
            if sources:
                self._test_all(open_store, catalog, sources)
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
            self.progress.clear()
        if is_interrupted or self.lost:
            self._count_rest(sources)
        return self._end(error, is_interrupted=is_interrupted)

    def show(self, result: TestResult) -> int:
        """Write the reports for the result of a key that is not saved, and return the exit code."""
        self._prepare(1)
        self._add_result(result)
        return self._end(None, is_interrupted=False)

    def _prepare(self, total: int, disabled: frozenset[str] = frozenset()) -> None:
        from kojikey.cli.reports.select import select_reports

        self.tally.complete = self.context.terminal.completed
        self.total = total
        self.live, self.held = select_reports(
            self.context, total=total, is_long=total > FEW, fail_on=self.options.fail_on, disabled=disabled
        )

    def _has_bar(self) -> bool:
        return self.total > 1 and self.context.terminal.has_bar

    def _counting(self, keys: Iterator[Stored]) -> Iterator[Stored]:
        """Yield the keys, and raise ``total`` to their number."""
        for number, stored in enumerate(keys, 1):
            self.total = max(self.total, number)
            yield stored
        self.is_counted = True

    def _count_rest(self, sources: Sequence[Iterator[Stored]]) -> None:
        """Count the keys that a stopped run did not read, at most ``MOST_COUNTED`` of each source."""
        with suppress(KojikeyError, KeyboardInterrupt):
            for keys in sources if not self.is_counted else ():
                for _ in islice(keys, MOST_COUNTED):
                    pass

    def _test_all(self, open_store: OpenStore, catalog: Catalog, sources: Sequence[Iterator[Stored]]) -> None:
        from kojikey import wiring

        proxies = wiring.proxies(self.context.terminal.warn)
        run = self._loop_runner()
        if self._has_bar():
            self.progress.show(self.tally, at_once=True)
            run(self._test(open_store, catalog, sources, proxies))
            return
        what = "asking the providers" + (f" about {self._facts().count} keys" if self.total > FEW else "")
        with self.context.terminal.status(what):
            run(self._test(open_store, catalog, sources, proxies))

    def _loop_runner(self) -> Callable[[Coroutine[Any, Any, None]], None]:
        """Return the function that runs a coroutine: on a faster loop if this process itself sends many requests."""
        if self.total <= FEW or self.options.jobs_for(self.total) > 1:
            return asyncio.run
        from kojikey.providers.requests import fast_loop

        return fast_loop.run

    async def _test(
        self, open_store: OpenStore, catalog: Catalog, sources: Sequence[Iterator[Stored]], proxies: Proxies
    ) -> None:
        options = self.options
        traffic = options.traffic(tell=self._warn)
        jobs = options.jobs_for(self.total)
        shared = traffic if self.total > 1 or traffic.rate else None
        async with open_probe(self.context, catalog, proxies, tell=self._warn, traffic=shared, jobs=jobs) as probe:
            if options.has_overrides:
                probe = with_overrides(probe, models=options.models, capabilities=options.capabilities)
            refreshing, task = asyncio.ensure_future(self._refresh_progress()), asyncio.current_task()
            self.stop = task.cancel if task else self.stop
            try:
                await run_tests(
                    open_store, *sources, probe=probe, emit=self._add_result, concurrency=options.concurrency,
                    reserve=traffic.reserve, keep=keep_none if options.has_overrides else keep_outcomes,
                    may_emit=takes_more,
                )  # fmt: skip
            finally:
                refreshing.cancel()

    async def _refresh_progress(self) -> None:
        """Draw the progress bar twice a second, also while no result arrives."""
        while True:
            await asyncio.sleep(0.5)
            self._show_progress()

    def _warn(self, text: str) -> None:
        self.progress.clear()
        self.context.terminal.warn(text)

    def _add_result(self, item: Item) -> None:
        if not isinstance(item, Unopened):
            item = advice.with_completed_hint(item, self.context.terminal)
        self.tally.add(item)
        if isinstance(item, Unopened) and self.tally.unopened <= UNOPENED_NAMED:
            self._warn(f"{item.account}/{item.provider} was not tested: {item.error}")
        if self.total <= FEW:
            self.items.append(item)
        reports = self.live if self.total <= FEW else [*self.live, *self.held]
        if reports and self._has_bar() and sys.stdout.isatty():
            self.progress.clear()
        for report in reports:
            self._send(report, item)
        self._show_progress()

    def _show_progress(self) -> None:
        if self.is_counted:
            self.progress.total = self.total
        self.progress.show(self.tally)

    def _send(self, report: Report, item: Item) -> None:
        """Send a result to a report. If standard output failed, no further test begins; finished ones are recorded."""
        try:
            report.add(item)
        except OSError as error:
            self.lost = lost_output(error)
            self.stop()

    def _end(self, error: KojikeyError | None, *, is_interrupted: bool) -> int:
        for item in sorted(self.items, key=lambda item: (item.account, item.provider)):
            for report in self.held:
                self._send(report, item)
        stop = Stop(error, is_interrupted, self.lost)
        ending = end_of(self.tally, self._facts(), stop)
        if self.tally.unopened > UNOPENED_NAMED:
            more = self.tally.unopened - UNOPENED_NAMED
            self.context.terminal.warn(f"{more} more were not tested, because their records do not open")
        problems: list[str] = []
        for report in self.live + self.held:
            for problem in self._finish(report, ending):
                self.context.terminal.warn(problem)
                problems.append(problem)
                ending = with_report_failure(ending, problem)
        if ending.error and ending.error.message not in problems and (error or is_interrupted or self.lost):
            ending.error.say()
        if not error:
            self._note_left_out()
        return int(ending.code)

    def _facts(self) -> RunFacts:
        seconds = time.monotonic() - self.began
        return RunFacts(
            self.total, self.is_counted, self.options.fail_on, self.since, self.began_at, seconds, self.left_out
        )

    def _finish(self, report: Report, ending: RunEnd) -> tuple[str, ...]:
        """Finish a report, and return the warnings about it. A closed pipe is none: all tests are done by now."""
        try:
            report.end(ending)
        except BrokenPipeError as error:
            lost_output(error)
        except ReportFailedError as error:
            return error.problems
        except OSError as error:
            silence(sys.stdout.fileno())  # so that the failure is not reported again at the end
            return (lost_output(error),)
        return ()

    def _note_left_out(self) -> None:
        if not self.total and not self.left_out:
            self.context.terminal.note(Hint("there are no keys to test; ", next_step("add", "PROVIDER"), " adds one"))
        if self.left_out:
            names = [option.spelling for option in self.context.call.given(SHARD, NOT_TESTED_SINCE)]
            keys = "1 key was" if self.left_out == 1 else f"{self.left_out} keys were"
            self.context.terminal.note(f"{keys} left out by {' and '.join(names)}")
