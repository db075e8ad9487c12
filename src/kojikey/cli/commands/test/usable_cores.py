"""The number of cores that this process may use: in a container, or with a CPU affinity, not all of the machine's.

Must not: fail if the system does not report it; there is at least one core.
"""

from __future__ import annotations

import os

_QUOTA = "/sys/fs/cgroup/cpu.max"  # of the container's own control group: "200000 100000" are two cores, "max" is all


def usable_cores(quota: str = _QUOTA) -> int:
    """Return the number of usable cores. ``quota`` is the path of the file with a container's limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _container_cores(quota) or cores))


def _container_cores(quota: str) -> int | None:
    """Return the number of whole cores that a container may use, at least 1; None if it has no limit."""
    try:
        with open(quota, encoding="ascii") as file:
            most, period = file.read(100).split()
        return max(1, int(most) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
