"""The time limit of a request, from the option ``--timeout``."""

from __future__ import annotations

from kojikey.cli.command import Call
from kojikey.cli.options import TIMEOUT
from kojikey.model.errors import Effect, UsageError

TIMEOUT_S = 10.0
"""Seconds to wait for each request by default."""


def timeout_of(call: Call) -> float:
    """Return the seconds to wait for each request.

    Raises:
        UsageError: the option is not a positive number, or more than an hour.
    """
    seconds = call.get(TIMEOUT)
    if seconds is None:
        return TIMEOUT_S
    if not 0 < seconds <= 3600:
        raise UsageError(
            "--timeout takes seconds, more than 0 and at most 3600",
            hint=f"--timeout {TIMEOUT_S:g} is the default",
            effect=Effect.NOTHING_DONE,
        )
    return seconds
