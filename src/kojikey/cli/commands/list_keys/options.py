"""The options of ``kojikey list``, which its modules read."""

from __future__ import annotations

from kojikey.cli.command import Choice, Flag

FAILING = Flag("--failing", help="only keys that were rejected or limited when last tested, or have expired")
DUE = Flag("--due", help="only keys that are due for rotation, or expire within 14 days")
UNTESTED = "untested"
OUTCOME = Choice(
    "--outcome", choices=("valid", "limited", "rejected", "indeterminate", UNTESTED),
    help="only keys with this last outcome: valid, limited, rejected, indeterminate or untested", metavar="OUTCOME",
)  # fmt: skip
SORT = Choice(
    "--sort", choices=("age", "account", "provider", "tested"),
    help="by age (oldest first), account, provider or tested (longest ago first)", metavar="ORDER",
)  # fmt: skip
CSV = Flag("--csv", help="print one line per key, for a spreadsheet")
