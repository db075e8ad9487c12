"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

from support.played_providers import eleven, google, net

__all__ = ["eleven", "google", "net"]
