"""A worker process of ``kojikey test --jobs``: makes the tests that are written to its standard input.

Owns: nothing beyond one test at a time; it has no store, no KEK and no settings but those of the first line it reads.
Must not: print a traceback, keep a key after its test, or outlive the process that started it. Standard input ends when
that process ends, however that was, and the worker ends with it at once: a thread of its own waits for that, so that
it does so whatever the rest of it is doing.

Run as ``python -P -m kojikey.providers.requests.worker``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Mapping

from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Definition
from kojikey.providers.requests.channel import Channel
from kojikey.providers.requests.probe import Prober
from kojikey.providers.requests.traffic import TOO_MANY, not_asked
from kojikey.providers.requests.worker_messages import (
    Message,
    Settings,
    decoded,
    failure_message,
    request_of,
    saw_message,
    trouble_of,
    verdict_message,
)

_STDIN, _STDOUT = 0, 1
_CHUNK = 64 * 1024
Place = tuple[str, str]


class SharedThrottle:
    """The run's :class:`.Traffic`, as a worker knows it: what all workers share is decided in the process of the run.

    The worker reports each request without an answer and each 429 to that process, and other answers only while that
    process is interested in an endpoint. That process announces circuits that open and close.
    """

    def __init__(self, channel: Channel, rate: float | None) -> None:
        self.rate = rate
        self._channel = channel
        self._troubled: dict[Place, Reason | None] = {}
        self._trials: dict[Place, int] = {}
        self._turns: dict[int, asyncio.Future[float]] = {}
        self._asked = 0

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault to use where the circuit is open, None where the request is to be made."""
        place = (provider, base_url)
        reason = self._troubled.get(place)
        if reason is None:
            return None
        if self._trials.pop(place, 0):
            return None
        return not_asked(reason, base_url)

    async def turn(self, provider: str) -> float:
        """Ask for the next turn of a provider, and return the seconds until it comes."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._turns[number] = answer
        self._channel.send({"turn": number, "provider": provider})
        try:
            return max(0.0, await answer - time.monotonic())
        finally:
            del self._turns[number]

    def observe(self, provider: str, base_url: str, got: Answer | Fault) -> None:
        """Tell of an answer or a failure that matters to the other workers."""
        place = (provider, base_url)
        if isinstance(got, Fault) or got.status == TOO_MANY or place in self._troubled:
            self._channel.send(saw_message(provider, base_url, got))
        if not isinstance(got, Fault) and got.status != TOO_MANY:
            self._troubled.pop(place, None)

    def begin(self, message: Message) -> None:
        """Take note that a test may try an endpoint whose circuit is open."""
        if message["is_trial"]:
            self._trials[message["provider"], message["base_url"]] = 1

    def take(self, message: Message) -> None:
        """Take a message about a circuit, or a turn that was asked for."""
        if "turn" in message:
            answer = self._turns.get(message["turn"])
            if answer is not None and not answer.done():
                answer.set_result(message["at"])
            return
        provider, base_url = message["circuit"]
        trouble = trouble_of(message)
        if trouble is None:
            self._troubled.pop((provider, base_url), None)
        else:
            self._troubled[provider, base_url] = trouble.reason


class Worker:
    """Makes tests, as many at once as are asked for."""

    def __init__(
        self, prober: Prober, throttle: SharedThrottle, channel: Channel, definitions: Mapping[str, Definition]
    ):
        self._prober, self._throttle, self._channel, self._definitions = prober, throttle, channel, definitions
        self._tests: set[asyncio.Task[None]] = set()
        self._rest = b""

    def received(self, data: bytes) -> None:
        """Take bytes that were read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                self._take(decoded(line))
        except Exception:  # the process of the run is another release, or broken: its tests are not to wait for ever
            os._exit(1)

    def _take(self, message: Message) -> None:
        if "ping" in message:
            self._channel.send({"pong": message["ping"]})
        elif "test" in message:
            self._throttle.begin(message)
            test = asyncio.ensure_future(self._test(message))
            self._tests.add(test)
            test.add_done_callback(self._tests.discard)
        else:
            self._throttle.take(message)

    async def _test(self, message: Message) -> None:
        number = message["test"]
        try:
            verdict = await self._prober.test(request_of(message, self._definitions))
        except Exception as error:  # told apart by the message; nothing of it may be printed
            self._channel.send(failure_message(number, error))
        else:
            self._channel.send(verdict_message(number, verdict))


def _read_on(loop: asyncio.AbstractEventLoop, worker: Worker, first: bytes) -> None:
    """Read until standard input ends, and end the process then. Runs in a thread of its own."""
    data = first
    while True:
        if data:
            loop.call_soon_threadsafe(worker.received, data)
        data = _read()
        if not data:
            os._exit(0)


def _read() -> bytes:
    try:
        return os.read(_STDIN, _CHUNK)
    except OSError:
        return b""


def _read_settings() -> tuple[Settings, bytes]:
    """Return the first line, and what was read beyond it."""
    data = b""
    while b"\n" not in data:
        more = _read()
        if not more:
            os._exit(0)
        data += more
    line, _, rest = data.partition(b"\n")
    return Settings(**decoded(line)), rest


def _write(lines: bytes) -> None:
    """Write to the process that started this one; end where it reads no more."""
    left = memoryview(lines)
    try:
        while left:
            left = left[os.write(_STDOUT, left) :]
    except OSError:
        os._exit(0)


async def serve() -> None:
    """Make tests until standard input ends."""
    settings, rest = _read_settings()
    channel, loop = Channel(_write), asyncio.get_running_loop()
    throttle = SharedThrottle(channel, settings.rate)
    async with Prober(timeout=settings.timeout, traffic=throttle) as prober:
        worker = Worker(prober, throttle, channel, load_catalog(settings.folder).definitions)
        channel.send({"pong": 0})  # it can work: all has been imported
        threading.Thread(target=_read_on, args=(loop, worker, rest), daemon=True).start()
        await asyncio.Event().wait()


def main() -> None:
    """Run a worker. A bug ends it without a word; the process that started it sees that it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that process ends it
    gc.set_threshold(100_000, 50, 100)  # as in a run: thousands of requests leave few cycles behind
    try:
        asyncio.run(serve())
    except BaseException:
        os._exit(1)


if __name__ == "__main__":
    main()
