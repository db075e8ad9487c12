"""Writes the index of the bundled providers: ``src/kojikey/providers/definitions/index.json``.

``python docs/tools/make_index.py`` writes it anew, ``--check`` exits 1 where it is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kojikey.providers.catalog import load_catalog
from kojikey.providers.index import INDEX, entry_of


def main(arguments: list[str]) -> int:
    """Write the index, or check it."""
    if arguments == ["--check"]:
        is_fresh = Path(INDEX).read_text(encoding="utf-8") == generated()
        if not is_fresh:
            print("index.json is stale: python docs/tools/make_index.py", file=sys.stderr)
        return int(not is_fresh)
    Path(INDEX).write_text(generated(), encoding="utf-8")
    return 0


def generated() -> str:
    """Return what the index should be: a line for each provider."""
    catalog = load_catalog(None)
    lines = [f"{json.dumps(name)}: {json.dumps(entry_of(catalog.get(name))._asdict())}" for name in catalog.ids()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
