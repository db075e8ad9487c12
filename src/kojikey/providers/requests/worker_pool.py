"""Tests keys in worker processes: a :class:`.Prober` for many cores.

Owns: the worker processes, the choice of the worker for a test, and the tests of a worker that dies. Must not: know a
store, or open a key.

The process of the run has the store. It opens each key and sends the plaintext to a worker through an anonymous pipe,
never in an argument or a variable. Sealed versions would save that process a tenth of its work, but then every worker
would need the KEK or the data keys, which open every key in the store. A worker has only the keys that it tests, and
only during the test. It does not inherit the store's connections or credentials: it is a new program (``-P``, no fork)
whose environment has only the variables that Python, TLS and proxies need.

The process of the run decides on rate, pauses and circuit breakers for all workers. If a worker dies, another one makes
its tests. If no worker can be started, this process makes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kojikey.model import timestamps
from kojikey.model.bugs import BugElsewhere
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.verdict import Reason, Verdict
from kojikey.providers.requests.channel import Channel
from kojikey.providers.requests.probe_request import ProbeRequest
from kojikey.providers.requests.proxies import VARIABLES
from kojikey.providers.requests.traffic import Traffic
from kojikey.providers.requests.worker_messages import (
    LONGEST,
    Message,
    Settings,
    circuit_message,
    decoded,
    request_message,
    seen_of,
    verdict_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.providers.requests.probe import Prober

PROGRAM = ("-P", "-m", "kojikey.providers.requests.worker")
_TICK_S = 5.0  # the interval at which workers are pinged
_MOST_SILENT = 6  # pings without an answer, after which a worker is ended: it was stopped, or hangs
_PATIENCE_S = 2.0  # for workers to end by themselves at the end of a run
_TRIES = 2  # of a key whose worker died: a key that kills two workers would also kill this process
_MOST_FAILED_STARTS = 3  # in a row, after which no more workers are started
_KEPT = frozenset([
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR",
    "USERPROFILE", "APPDATA", "LOCALAPPDATA", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", *VARIABLES,
])  # fmt: skip
_KEPT_BEGINNINGS = ("PYTHON", "LC_", "LD_", "DYLD_", "SSL", "OPENSSL_", "NIX_SSL_", "COVERAGE_")


class _EndedError(Exception):
    """A worker ended before its test was finished."""


class WorkerPool:
    """Tests keys in other processes: ``async with WorkerPool(4, ...) as pool``. Has the interface of a prober."""

    def __init__(
        self,
        jobs: int,
        *,
        timeout: float,
        traffic: Traffic,
        folder: str,
        warn: Callable[[str], None],
        environ: Mapping[str, str],
    ) -> None:
        """``folder`` has the user's definitions of providers. ``warn`` is called if no worker can be started.

        ``traffic`` is the run's. The caller has reserved the slot of a test's first request.
        """
        self._jobs, self._traffic, self._warn = jobs, traffic, warn
        self._settings = Settings(folder, timeout, traffic.rate)
        self._environ = worker_environment(environ)
        self._workers: list[_Worker] = []
        self._listening: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._failed_starts = 0
        self._prober: Prober | None = None
        self._count = 0
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> WorkerPool:
        self._ticking = asyncio.ensure_future(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        for worker in self._workers:
            worker.end()
        if self._listening:
            await asyncio.wait(self._listening, timeout=_PATIENCE_S)
        for worker in self._workers:
            worker.kill()
        await asyncio.gather(*self._listening)
        if self._prober is not None:
            await self._prober.__aexit__()

    async def test(self, request: ProbeRequest) -> Verdict:
        """Test one key and return the verdict, as :meth:`.Prober.test` does, with its errors.

        Raises:
            BugElsewhere: a bug in a worker.
        """
        tries = 0
        while tries < _TRIES:
            worker = await self._least_busy()
            if worker is None:
                return await self._in_this_process(request)
            with contextlib.suppress(_EndedError):
                return await self._made_by(worker, request)
            if worker.is_ready:  # it had begun the test and used the slot that the caller reserved
                tries += 1
                await asyncio.sleep(self._traffic.reserve_next(request.definition.id))
        again = next_step("test", request.definition.id)
        return Verdict(
            Reason.UNKNOWN, None, detail="the process that tested the key ended, and so did a second one",
            hint=Hint("the key was not judged; ", again, " tries again"), attempts=0, tested_at=timestamps.now(),
        )  # fmt: skip

    async def _made_by(self, worker: _Worker, request: ProbeRequest) -> Verdict:
        self._count += 1
        provider, base_url = request.definition.id, request.base_url or request.definition.base_url
        trouble = self._traffic.trouble(provider, base_url)
        is_trial = bool(trouble and trouble.reason) and self._traffic.skipped(provider, base_url) is None
        try:
            return await worker.test(self._count, request_message(self._count, request, is_trial=is_trial))
        finally:
            if is_trial:
                self._traffic.end_trial(provider, base_url)

    async def _in_this_process(self, request: ProbeRequest) -> Verdict:
        if self._prober is None:
            from kojikey.providers.requests.probe import Prober

            self._prober = await Prober(timeout=self._settings.timeout, traffic=self._traffic).__aenter__()
        return await self._prober.test(request)

    # --- the workers ---

    async def _least_busy(self) -> _Worker | None:
        """Return the worker with the fewest tests, None if there is none and none can be started."""
        async with self._starting:
            self._workers = [worker for worker in self._workers if not worker.is_ended]
            while len(self._workers) < self._jobs and self._failed_starts < _MOST_FAILED_STARTS:
                await self._start()
            return min(self._workers, key=lambda worker: len(worker.tests), default=None)

    async def _start(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable or "", *PROGRAM, env=self._environ, limit=LONGEST, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError):  # RuntimeError: no thread can be started to wait for the process
            self._failed_starts = _MOST_FAILED_STARTS
            self._warn_of_failure()
            return
        worker = _Worker(process, self._take)
        worker.channel.send(self._settings._asdict())
        for provider, base_url, trouble in self._traffic.troubles():
            worker.channel.send(circuit_message(provider, base_url, trouble))
        self._workers.append(worker)
        listening = asyncio.ensure_future(self._listen(worker))
        self._listening.add(listening)
        listening.add_done_callback(self._listening.discard)

    async def _listen(self, worker: _Worker) -> None:
        await worker.listen()
        self._failed_starts = 0 if worker.is_ready else self._failed_starts + 1
        if self._failed_starts == _MOST_FAILED_STARTS:
            self._warn_of_failure()
        await worker.process.wait()

    def _warn_of_failure(self) -> None:
        self._warn("the worker processes of --jobs cannot be started; the keys are tested in one process")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._check_workers()

    def _check_workers(self) -> None:
        """End each worker that no longer answers, so that others make its tests; ping the others."""
        for worker in self._workers:
            worker.silent_ticks += 1
            if worker.silent_ticks > _MOST_SILENT:
                worker.end()
                worker.kill()
            else:
                worker.channel.send({"ping": worker.silent_ticks})

    def _take(self, worker: _Worker, message: Message) -> None:
        """Handle a message that is not about one test."""
        if "turn" in message:
            wait = self._traffic.reserve_next(str(message["provider"]))
            worker.channel.send({"turn": message["turn"], "at": self._traffic.clock() + wait})
        elif "saw" in message:
            provider, base_url = message["saw"]
            before = self._traffic.trouble(provider, base_url)
            self._traffic.observe(provider, base_url, seen_of(message))
            after = self._traffic.trouble(provider, base_url)
            if after != before:
                for other in self._workers:
                    other.channel.send(circuit_message(provider, base_url, after))


@dataclass(slots=True)
class _Worker:
    """A worker process and its tests.

    ``silent_ticks``: the pings since its last message; ``is_ready``: it has sent a message.
    """

    process: asyncio.subprocess.Process
    take: Callable[[_Worker, Message], None]
    tests: dict[int, asyncio.Future[Verdict]] = field(default_factory=dict)
    silent_ticks: int = 0
    is_ready: bool = False
    is_ended: bool = False
    channel: Channel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = Channel(self._write)

    async def test(self, number: int, message: Message) -> Verdict:
        """Send a test to the worker and return its verdict. Raises _EndedError if the worker ends before."""
        if self.is_ended:
            raise _EndedError
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.tests[number] = answer
        self.channel.send(message)
        try:
            return await answer
        finally:
            self.tests.pop(number, None)

    def _write(self, lines: bytes) -> None:
        pipe = self.process.stdin
        if pipe is not None and not self.is_ended and not pipe.is_closing():
            pipe.write(lines)

    async def listen(self) -> None:
        """Handle the worker's messages until it ends; a message of another form ends it."""
        try:
            while self.process.stdout is not None and (line := await self.process.stdout.readline()):
                message = decoded(line)
                self.silent_ticks, self.is_ready = 0, True
                self._heard(message)
        except (ValueError, KeyError, TypeError):
            pass
        self.end()

    def kill(self) -> None:
        """Kill the process unless it has ended."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def _heard(self, message: Message) -> None:
        if "test" not in message:
            if "pong" not in message:
                self.take(self, message)
            return
        answer = self.tests.get(message["test"])
        if answer is None or answer.done():
            return
        try:
            answer.set_result(verdict_of(message))
        except (UsageError, BugElsewhere) as error:
            answer.set_exception(error)

    def end(self) -> None:
        """Close the pipe to the process, which ends it at once, and fail its tests, so that others make them."""
        self.is_ended = True
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.transport.abort()
        for answer in self.tests.values():
            if not answer.done():
                answer.set_exception(_EndedError())


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker needs, without credentials of stores, KEKs and keys of programs."""
    names = (name for name in environ if name in _KEPT or name.upper() in _KEPT or name.startswith(_KEPT_BEGINNINGS))
    return {name: environ[name] for name in names}
