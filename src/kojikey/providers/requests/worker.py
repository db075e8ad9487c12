"""A worker process of ``kojikey test --jobs``: makes the tests that it reads from standard input.

It has no store, no KEK, and no settings beside the first line that it reads. Must not: print a traceback, keep a key
after its test, or outlive the process that started it. Standard input ends when that process ends, even if it was
killed; a separate thread waits for that and then ends the worker at once, even if the event loop is busy.

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
from kojikey.providers.requests import fast_loop
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
    """A worker's throttle: the process of the run has the :class:`.Traffic` and decides for all workers.

    The worker reports each request without an answer and each 429 to that process, and other answers only of endpoints
    in trouble. That process announces circuits that open and close.
    """

    def __init__(self, channel: Channel, rate: float | None) -> None:
        self.rate = rate
        self._channel = channel
        self._troubled: dict[Place, Reason | None] = {}
        self._trials: dict[Place, int] = {}
        self._turns: dict[int, asyncio.Future[float]] = {}
        self._asked = 0

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault of a request whose circuit is open, None if the request may be made."""
        place = (provider, base_url)
        reason = self._troubled.get(place)
        if reason is None:
            return None
        if self._trials.pop(place, 0):
            return None
        return not_asked(reason, base_url)

    async def turn(self, provider: str) -> float:
        """Ask for the next slot of a provider, and return the seconds until then."""
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
        """Report an answer or a failure that matters to the other workers."""
        place = (provider, base_url)
        if isinstance(got, Fault) or got.status == TOO_MANY or place in self._troubled:
            self._channel.send(saw_message(provider, base_url, got))
        if not isinstance(got, Fault) and got.status != TOO_MANY:
            self._troubled.pop(place, None)

    def begin(self, message: Message) -> None:
        """Remember that a test may try an endpoint whose circuit is open."""
        if message["is_trial"]:
            self._trials[message["provider"], message["base_url"]] = 1

    def take(self, message: Message) -> None:
        """Handle a message about a circuit, or the answer about a slot."""
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
    """Makes the tests that it receives, all at once."""

    def __init__(
        self, prober: Prober, throttle: SharedThrottle, channel: Channel, definitions: Mapping[str, Definition]
    ):
        self._prober, self._throttle, self._channel, self._definitions = prober, throttle, channel, definitions
        self._tests: set[asyncio.Task[None]] = set()
        self._rest = b""

    def received(self, data: bytes) -> None:
        """Handle the messages in the bytes that were read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                self._take(decoded(line))
        except Exception:  # an ended worker is noticed by the run; one that ignores a message would make it wait
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
        except Exception as error:  # the message says which kind; the text may contain the key
            self._channel.send(failure_message(number, error))
        else:
            self._channel.send(verdict_message(number, verdict))


def _read_on(loop: asyncio.AbstractEventLoop, worker: Worker, first: bytes) -> None:
    """Read until standard input ends, then end the process. Runs in a separate thread."""
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
    """Return the settings in the first line, and the bytes that were read after it."""
    data = b""
    while b"\n" not in data:
        more = _read()
        if not more:
            os._exit(0)
        data += more
    line, _, rest = data.partition(b"\n")
    return Settings(**decoded(line)), rest


def _write(lines: bytes) -> None:
    """Write to the process that started this one; end if it no longer reads."""
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
        channel.send({"pong": 0})  # ready: all modules are imported
        threading.Thread(target=_read_on, args=(loop, worker, rest), daemon=True).start()
        await asyncio.Event().wait()


def main() -> None:
    """Run a worker. A bug ends it silently; the process that started it notices that it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process of the run handles Ctrl-C and ends the workers
    gc.set_threshold(100_000, 50, 100)  # thousands of requests leave few cycles behind
    try:
        fast_loop.run(serve())
    except BaseException:
        os._exit(1)


if __name__ == "__main__":
    main()
