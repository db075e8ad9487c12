"""The only loop that repeats a change when somebody else's change came first.

Owns: how often a change is repeated, and after which conflicts. Must not: read a store, or know what a change means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from kojikey.model.errors import ChangedMeanwhile
from kojikey.model.ref import Ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _State = TypeVar("_State")
    _Result = TypeVar("_Result")

_ATTEMPTS = 25


def retry_on_conflict(
    attempt: Callable[[_State], _Result], first: _State, again: Callable[[], _State], *, refs: Collection[Ref]
) -> _Result:
    """Return the result of ``attempt(first)``; while one of ``refs`` was changed meanwhile, of ``attempt(again())``.

    ``again`` reads the state again.

    Raises:
        ChangedMeanwhile: a document that is not in ``refs`` was changed, or this attempt was the 25th. Also the errors
            of ``attempt`` and ``again``.
    """
    state = first
    for left in reversed(range(_ATTEMPTS)):
        try:
            return attempt(state)
        except ChangedMeanwhile as lost:
            if lost.ref not in refs or not left:
                raise
        state = again()
    raise AssertionError("the last attempt returns or raises")
