"""The one loop that repeats a change after somebody else's change came first.

Owns: how often, and after which conflicts. Must not: read a store, or know what a change means.
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
    """Make a change with what was read first, and while it loses the race for one of ``refs`` with what is read again.

    Raises:
        ChangedMeanwhile: another document than those changed, or it lost too often. Also what ``again`` raises.
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
