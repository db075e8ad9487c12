"""Makes the modules beside the tests importable (the suite runs with ``--import-mode=importlib``)."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
