"""``--sarif FILE``: the matches of ``kojikey scan`` as SARIF 2.1.0, which code scanning services read.

Owns: the format of the OASIS standard, https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Must not: contain a key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from kojikey.cli.commands.scan.findings import key_of_row, place_of
from kojikey.model.plain_text import printable
from kojikey.model.ref import Document
from kojikey.model.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_KNOWN, _UNKNOWN = "kojikey/key-in-store", "kojikey/key-shape"
_RULES = (
    {
        "id": _KNOWN,
        "name": "KeyOfTheStore",
        "shortDescription": {"text": "A provider key of the kojikey store is here in plain text"},
        "help": {"text": "Rotate the key, then revoke the old one at the provider. Removing the text is not enough."},
        "defaultConfiguration": {"level": "error"},
    },
    {
        "id": _UNKNOWN,
        "name": "KeyShape",
        "shortDescription": {"text": "This has the shape of a provider key that the kojikey store does not know"},
        "help": {"text": "If it is a key, revoke it at the provider. Removing the text is not enough."},
        "defaultConfiguration": {"level": "warning"},
    },
)


def sarif(rows: Iterable[Document], unreadable: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the report in pieces; ``unreadable`` has the printable names of files, and the reasons."""
    driver = {"name": "kojikey", "version": __version__, "rules": _RULES}
    driver["informationUri"] = "https://github.com/kojikey/kojikey"
    notifications = [
        {"level": "error", "message": {"text": f"{printable(name)} was not read: {reason}"}}
        for name, reason in unreadable
    ]
    invocation = {"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}
    yield f'{{"$schema": {json.dumps(SCHEMA)}, "version": "2.1.0", "runs": [{{"tool": '
    yield json.dumps({"driver": driver})
    yield f', "columnKind": "unicodeCodePoints", "invocations": {json.dumps([invocation])}, "results": ['
    separator = "\n"
    for row in rows:
        yield separator + json.dumps(_result(row))
        separator = ",\n"
    yield "\n]}]}\n"


def _result(row: Document) -> Document:
    rule = 0 if row["known"] else 1
    text = f"{key_of_row(row)} {row['masked']} at {place_of(row)} ({row['encoding']}): {row['hint']}"
    result: Document = {
        "ruleId": _RULES[rule]["id"],
        "ruleIndex": rule,
        "level": "error" if row["known"] else "warning",
        "message": {"text": text},
        "partialFingerprints": {"kojikeyPlace/v1": _fingerprint(row)},
        "properties": {name: row[name] for name in ("commit", "object", "provider", "masked", "encoding")},
    }
    return result | ({"locations": [_location(row)]} if row["file"] is not None else {})


def _location(row: Document) -> Document:
    location: Document = {"artifactLocation": {"uri": uri_of(row["file"])}}
    if row["line"] is not None:
        location["region"] = {"startLine": row["line"], "startColumn": row["column"]}
    return {"physicalLocation": location}


def uri_of(path: str) -> str:
    """Return a path as a URI: a relative reference, or a ``file:`` URI for an absolute path."""
    text = quote(path.replace(os.sep, "/"), errors="backslashreplace")
    return f"file://{text}" if os.path.isabs(path) else text


def _fingerprint(row: Document) -> str:
    parts = (row["file"], row["commit"], row["account"], row["provider"], row["masked"], row["encoding"])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
