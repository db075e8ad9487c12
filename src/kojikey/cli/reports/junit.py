"""The JUnit report: a test case for each key. Valid by the schemas of Ant (JUnitReport) and of Jenkins.

A failed key is a ``failure``, a key that could not be judged an ``error``, and a limited key that ``--fail-on``
accepts is ``skipped``.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

from kojikey.cli.reports.base import Rows, RunEnd
from kojikey.model.ref import Document

# Characters that XML 1.0 does not allow, not even escaped: https://www.w3.org/TR/xml/#charsets
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
})  # fmt: skip


def junit(ending: RunEnd, rows: Rows) -> Iterator[str]:
    """Yield the XML document in pieces."""
    counts = {"failure": 0, "error": 0, "skipped": 0}
    tests = 0
    for row in rows():
        tests += 1
        element = _element(row)
        if element:
            counts[element] += 1
    suite = {
        "name": "kojikey test", "package": "kojikey", "id": "0", "timestamp": ending.began_at.removesuffix("Z"),
        "hostname": socket.gethostname() or "localhost", "tests": str(tests), "failures": str(counts["failure"]),
        "errors": str(counts["error"]), "skipped": str(counts["skipped"]), "time": f"{ending.seconds:.3f}",
    }  # fmt: skip
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    yield f"<testsuite{_attributes(suite)}>\n<properties>\n"
    for name, value in (("exit_code", str(int(ending.code))), ("fail_on", ending.fail_on), ("left", str(ending.left))):
        yield f"<property{_attributes({'name': name, 'value': value})}/>\n"
    yield "</properties>\n"
    for row in rows():
        yield _case(row)
    error = ending.error.message if ending.error else ""
    yield f"<system-out></system-out>\n<system-err>{escaped(error)}</system-err>\n</testsuite>\n</testsuites>\n"


def _element(row: Document) -> str | None:
    """Return the element of a case that did not pass; None for a valid key."""
    if row["outcome"] == "valid":
        return None
    if row["outcome"] == "unopened":
        return "error"
    if row["is_failure"]:
        return "failure"
    return "error" if row["outcome"] == "indeterminate" else "skipped"


def _case(row: Document) -> str:
    seconds = f"{row.get('latency_ms', 0) / 1000:.3f}"
    case = _attributes({"name": row["account"], "classname": f"kojikey.{row['provider']}", "time": seconds})
    element = _element(row)
    if element is None:
        return f"<testcase{case}/>\n"
    if element == "skipped":
        return f"<testcase{case}><skipped{_attributes({'message': row['detail']})}/></testcase>\n"
    attributes = _attributes({"type": row["reason"], "message": row["detail"]})
    text = escaped("\n".join(filter(None, (row["detail"], row["hint"], row.get("manage_url")))))
    return f"<testcase{case}><{element}{attributes}>{text}</{element}></testcase>\n"


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{escaped(value)}"' for name, value in values.items())


def escaped(text: str) -> str:
    """Return the text escaped for XML, also in attributes; characters that XML does not allow are replaced."""
    return _FORBIDDEN.sub("\ufffd", text).translate(_ESCAPES)
