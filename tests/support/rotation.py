"""The operations on one key, for tests whose probes return at once.

Owns: running such an operation to its end without an event loop, so that one can run inside another one's test of a
key. Must not: assert what an operation does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from kojikey.operations import adding, changing, rotating
from kojikey.operations.adding import Destination, NewKey
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe
from kojikey.operations.results import ChangeResult

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def at_once(
    operation: Callable[_Parameters, Coroutine[Any, Any, _Result]],
) -> Callable[_Parameters, _Result]:
    """Return an operation that runs to its end without an event loop; nothing in it may wait."""

    def run(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        work = operation(*arguments, **named)
        try:
            work.send(None)
        except StopIteration as end:
            result: _Result = end.value
            return result
        work.close()
        raise AssertionError("the probe of this test did not return at once")

    return run


change_settings = at_once(changing.change_settings)
_add = at_once(adding.add)
rotate = at_once(rotating.rotate)
resume = at_once(rotating.resume)
rollback = at_once(rotating.rollback)
retire = at_once(rotating.retire)
abort = rotating.abort


def add(open_store: OpenStore, new: NewKey, *, test: Probe | None, approve: Approve) -> ChangeResult:
    """Add a key to a store that exists."""
    return _add(Destination(open_store), new, test=test, approve=approve)
