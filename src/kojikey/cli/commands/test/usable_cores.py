"""How many cores this process may use: fewer than the machine has if pinned to some, or in a container.

Owns: reading that from the system. Must not: fail if the system does not say; there is at least one core.
"""

from __future__ import annotations

import os

_QUOTA = "/sys/fs/cgroup/cpu.max"  # of the container's own control group: "200000 100000" are two cores, "max" is all


def usable_cores(quota: str = _QUOTA) -> int:
    """Return the number of usable cores. ``quota`` is the file with the limit of a container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _allowed(quota) or cores))


def _allowed(quota: str) -> int | None:
    """Return the number of whole cores that a container may use, None where it has no limit."""
    try:
        with open(quota, encoding="ascii") as file:
            most, period = file.read(100).split()
        return max(1, int(most) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
