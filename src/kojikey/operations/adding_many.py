"""Adds the keys of a batch: several at a time, each independent of the others, with results in the order of the lines.

Running the same batch again does not change the keys that were added.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable

from kojikey.model.errors import KeyExists
from kojikey.model.secret import Secret
from kojikey.operations import adding
from kojikey.operations.adding import Destination, NewKey
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import (
    EmitLine,
    FailedLine,
    Line,
    PlannedAction,
    PlannedLine,
    RunSettings,
    change_each,
    plan_each,
)
from kojikey.operations.store_calls import StoreCalls


def plan_all(destination: Destination, lines: Iterable[Line | FailedLine], emit: EmitLine) -> None:
    """Emit for each line what adding it would do. Changes nothing and asks no provider.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    before: dict[tuple[str, str], bytes] = {}
    salt = os.urandom(16)

    def planned(line: Line) -> PlannedLine:
        new = line.new
        pair, digest = (new.account, new.provider), _digest(new.secret, salt)
        is_there = _is_there(destination.open_store, new) or pair in before
        if before.setdefault(pair, digest) != digest:
            raise KeyExists(*pair)
        would: PlannedAction = "unchanged" if is_there else "add"
        return PlannedLine(line.number, new.account, new.provider, would, line.tail)

    plan_each(lines, planned, emit)


def _is_there(open_store: OpenStore, new: Replacement) -> bool:
    held = adding.already_held(open_store, account=new.account, provider=new.provider, secret=new.secret)
    return held is not None


def _digest(secret: Secret, salt: bytes) -> bytes:
    """Return a hash by which keys of one batch are compared: a new account has no fingerprints yet."""
    return hashlib.blake2b(secret.reveal().encode(), key=salt, digest_size=16).digest()


async def add_all(
    destination: Destination,
    lines: Iterable[Line | FailedLine],
    settings: RunSettings,
    emit: EmitLine,
    *,
    new_key: Callable[[Replacement], NewKey],
) -> None:
    """Add the key of each line, at most ``concurrency`` at a time; ``emit`` gets the results in the lines' order.

    ``new_key`` fills in the provider's defaults. Two lines for one key are worked on one after the other.

    Raises:
        StoreUnavailable: the store went away. Lines without a result may have been added; run the batch again.
    """

    async def added(line: Replacement, test: Probe | None, in_store: StoreCalls) -> ChangeResult:
        new = new_key(line)
        return await adding.add_or_keep(destination, new, test=test, approve=settings.approve, in_store=in_store)

    await change_each(lines, added, settings, emit)
