"""A library is imported without a module that it can do without, and nothing of that is left behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

QUICK = """
import sys
from kojikey.model.quick_import import {function}
{before}
{function}()
print({name!r} in sys.modules, {without!r} in sys.modules)
__import__({without!r})
assert len(dir(sys.modules[{without!r}])) > 15
{function}()
{used}
"""
LIBRARIES = {
    "httpcore": (
        "httpcore2", "importlib.metadata",
        "import httpcore2; assert httpcore2.AsyncHTTPConnection; assert importlib.metadata.version('httpcore2') > '2'",
    ),
    "msgspec": (
        "msgspec", "typing_extensions",
        "import msgspec\nclass A(msgspec.Struct):\n  x: int\nassert msgspec.json.decode(b'{\"x\": 1}', type=A) == A(1)",
    ),
    "typer_rich": (
        "typer.rich_utils", "rich.traceback",
        "from rich.traceback import Traceback\nassert Traceback.extract",
    ),
}  # fmt: skip


def ran(library: str, before: str) -> str:
    name, without, used = LIBRARIES[library]
    code = QUICK.format(function=f"import_{library}", name=name, without=without, used=used, before=before)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_not_needed_is_not_imported_and_can_be_imported_later(library: str) -> None:
    assert ran(library, "import importlib" if library == "httpcore" else "") == "True False"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_module_that_is_there_already_is_left_alone(library: str) -> None:
    assert ran(library, f"import {LIBRARIES[library][1]}") == "True True"
