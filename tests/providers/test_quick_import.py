"""httpcore2 is imported without the module that it only asks for its version, and nothing of that is left behind."""

from __future__ import annotations

import subprocess
import sys

QUICK = """
import sys
from kojikey.providers.requests.quick_import import import_httpcore
{before}
import_httpcore()
print("zipfile" in sys.modules, "importlib.metadata" in sys.modules)
import httpcore2
from importlib.metadata import version
assert httpcore2.AsyncHTTPConnection
assert version("httpcore2").startswith("2.")
import_httpcore()
assert sys.modules["importlib.metadata"].entry_points
"""


def ran(before: str) -> str:
    code = QUICK.format(before=before)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_not_needed_is_not_imported_and_can_be_imported_later() -> None:
    assert ran("pass") == "False False"


def test_a_module_that_is_there_already_is_left_alone() -> None:
    assert ran("import importlib.metadata") == "True True"
