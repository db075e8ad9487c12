"""Shared parts of the tests of commands that save keys: one reason for each outcome but valid, and audited actions.

Must not: assert what a command does.
"""

from __future__ import annotations

import re

from support.program import Program

LIMITED, REJECTED, INDETERMINATE = "missing_permission", "invalid_key", "redirected"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def actions(kojikey: Program) -> list[str]:
    return [event["action"] for event in kojikey("audit", "--json").results]
