"""Runs kojikey where only its own dependencies can be imported: ``only_dependencies.py REQUIREMENTS ARGUMENT…``.

REQUIREMENTS is the JSON list of pyproject. Modules of all other installed packages are absent.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata


def needed(requirement: str, seen: dict[str, set[str]]) -> None:
    """Add a requirement and all that it needs to ``seen``: package to extras."""
    name, extras = re.findall(r"^([\w.-]+)(?:\[([\w,]+)\])?", requirement)[0]
    key, wanted = normal(name), set(extras.split(",")) - {""}
    if key in seen and wanted <= seen[key]:
        return
    seen.setdefault(key, set()).update(wanted)
    try:
        inner = metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return  # it is for another system or version of Python
    for each in inner:
        text, _, marker = each.partition(";")
        extra = re.findall(r"extra == .([\w-]+).", marker)
        if not extra or extra[0] in wanted:
            needed(text.strip(), seen)


def normal(name: str) -> str:
    """Return the name of a package in its one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Absent:
    """Finds nothing for the modules of packages that are not needed."""

    def __init__(self, modules: set[str]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(requirements: str, arguments: list[str]) -> int:
    """Run a command line."""
    seen: dict[str, set[str]] = {"kojikey": set()}
    for requirement in json.loads(requirements):
        needed(requirement, seen)
    owners = metadata.packages_distributions()
    absent = {module for module, names in owners.items() if not {normal(name) for name in names} & set(seen)}
    sys.meta_path.insert(0, Absent(absent))
    from kojikey.__main__ import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
