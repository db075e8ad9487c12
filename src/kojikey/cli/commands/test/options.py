"""The options of ``kojikey test``, which its modules read."""

from __future__ import annotations

from kojikey.cli.command import Choice, Flag, Integer, Text

ALL = Flag("--all", help="every key of the account (the same as naming no provider)")
ALLOW_EMPTY = Flag("--allow-empty", help="exit 0, not 5, if there is no key to test")
JOBS = Integer("--jobs", help="worker processes (default: one per core, for more than 2000 keys)", metavar="N")
SHARD = Text("--shard", help="only the K-th of N parts, so that N machines share the work", metavar="K/N")
NOT_TESTED_SINCE = Text(
    "--not-tested-since",
    help="only keys that were not tested in the last span, for example 24h", metavar="24h",
)  # fmt: skip
FAIL_ON = Choice(
    "--fail-on", choices=("limited", "rejected", "indeterminate"),
    help="the mildest outcome that exits with 3: rejected, limited (the default) or indeterminate", metavar="OUTCOME",
)  # fmt: skip
