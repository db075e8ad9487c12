"""The end of a run over many keys: its exit code and its ``error``, from the results and the cause of a stop.

Must not: write anything.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from kojikey.cli.exits import Exit, code_of
from kojikey.cli.output.failure import Failure
from kojikey.cli.reports.base import RunEnd, Tally
from kojikey.model.errors import KojikeyError
from kojikey.model.next_step import Hint
from kojikey.model.verdict import is_failure
from kojikey.operations.results import Summary


class Stop(Struct, frozen=True):
    """The cause of a stop before the end of a run, if any. ``lost`` is the message about a failed standard output."""

    error: KojikeyError | None = None
    is_interrupted: bool = False
    lost: str = ""


class RunFacts(Struct, frozen=True):
    """Facts about a run other than its results. ``since`` is the ``--not-tested-since`` that continues it.

    ``total`` is the number of all keys if ``is_counted``, else a lower limit.
    """

    total: int
    is_counted: bool
    fail_on: str
    since: str
    began_at: str
    seconds: float
    left_out: int

    @property
    def count(self) -> str:
        """The number of keys as text."""
        return str(self.total) if self.is_counted else f"at least {self.total}"


def end_of(tally: Tally, facts: RunFacts, stop: Stop) -> RunEnd:
    """Return the end of a run."""
    left = max(0, facts.total - tally.finished)
    code, error = _code_and_error(tally, facts, stop, left)
    return RunEnd(tally, code, facts.began_at, facts.seconds, facts.fail_on, left, error, facts.left_out)


def _code_and_error(tally: Tally, facts: RunFacts, stop: Stop, left: int) -> tuple[Exit, Failure | None]:
    code = exit_of(tally.summary, facts.fail_on)
    to_continue = f"to continue: run the same command with --not-tested-since {facts.since}"
    if stop.is_interrupted:
        return _stopped(Exit.INTERRUPTED, f"interrupted: {_done(tally, facts)}", to_continue if left else None)
    if stop.error is not None:
        return code_of(stop.error), _failed(stop.error, tally, facts, left)
    if stop.lost and left:
        return _stopped(Exit.STORE_UNAVAILABLE, f"{stop.lost}: {_done(tally, facts)}", to_continue)
    if tally.first_unopened is not None:
        error = tally.first_unopened.error
        return code if code is Exit.KEY_FAILED else code_of(error), Failure.of(error)
    return code, None


def _done(tally: Tally, facts: RunFacts) -> str:
    return f"{tally.finished} of {facts.count} keys done, {tally.recorded} outcomes recorded"


def _stopped(code: Exit, message: str, hint: str | None) -> tuple[Exit, Failure]:
    return code, Failure(code, message, hint)


def _failed(error: KojikeyError, tally: Tally, facts: RunFacts, left: int) -> Failure:
    failure = Failure.of_run(error, _done(tally, facts)) if facts.total > 1 else Failure.of(error)
    if left and tally.recorded:
        goes_on = f"; then continue with --not-tested-since {facts.since}"
        failure = failure._replace(hint=Hint(failure.hint or "", goes_on))
    return failure


def with_report_failure(ending: RunEnd, problem: str) -> RunEnd:
    """Return the end of a run after a report failed; the code of a key that failed has precedence."""
    if ending.code is not Exit.OK:
        return ending
    failure = Failure(Exit.STORE_UNAVAILABLE, problem)
    return replace(ending, code=failure.code, error=failure)


def exit_of(summary: Summary, fail_on: str) -> Exit:
    """Return the exit code of a run: 3 if a key failed, else 4 if one could not be judged, else 0.

    ``fail_on`` is the mildest outcome that counts as a failed key. Indeterminate keys exit 4 if it excludes them.
    """
    counts = summary.by_outcome()
    if any(count and is_failure(outcome, fail_on) for outcome, count in counts.items()):
        return Exit.KEY_FAILED
    return Exit.INDETERMINATE if summary.indeterminate else Exit.OK
