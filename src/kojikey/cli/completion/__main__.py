"""Writes the completion scripts that are checked in: ``python -m kojikey.cli.completion --all FOLDER``."""

from __future__ import annotations

import os
import sys

from kojikey.cli.completion.shells import SHELLS


def main(arguments: list[str]) -> int:
    """Write all scripts to a folder, and return the exit code."""
    if len(arguments) != 2 or arguments[0] != "--all":
        print(__doc__, file=sys.stderr)
        return 2
    folder = arguments[1]
    os.makedirs(folder, exist_ok=True)
    for shell in SHELLS.values():
        with open(os.path.join(folder, shell.file), "w", encoding="utf-8", newline="\n") as file:
            file.write(shell.script())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
