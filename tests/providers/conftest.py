"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

from support.event_loops import each_loop
from support.played_providers import eleven, google, net

__all__ = ["each_loop", "eleven", "google", "net"]
