"""Makes the servers that the tests start importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), "servers"))

from postgres import database, postgres

__all__ = ["database", "postgres"]
