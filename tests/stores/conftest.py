"""Makes the servers that the tests start importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

from support.servers.postgres import database, postgres

__all__ = ["database", "postgres"]
