"""Makes the modules beside these tests, and those of the tests of operations, importable."""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(__file__)
sys.path[:0] = [_HERE, os.path.join(os.path.dirname(_HERE), "operations")]
