"""Writes completion scripts: ``python -m kojikey.cli.completion bash|zsh|fish|powershell`` or ``--all FOLDER``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from kojikey.cli.completion import bash, fish, powershell, zsh

SCRIPTS: dict[str, tuple[str, Callable[[], str]]] = {
    "bash": ("kojikey.bash", bash.script),
    "zsh": ("_kojikey", zsh.script),
    "fish": ("kojikey.fish", fish.script),
    "powershell": ("kojikey.ps1", powershell.script),
}


def main(arguments: list[str]) -> int:
    """Print one script, or write all of them to a folder."""
    match arguments:
        case [shell] if shell in SCRIPTS:
            sys.stdout.write(SCRIPTS[shell][1]())
        case ["--all", folder]:
            os.makedirs(folder, exist_ok=True)
            for name, script in SCRIPTS.values():
                with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
                    file.write(script())
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
