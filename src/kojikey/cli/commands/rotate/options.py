"""The options of ``kojikey rotate``, which its modules read."""

from __future__ import annotations

import re

from kojikey.cli.command import Call, Flag, Identifier, Text, under
from kojikey.cli.options import ADMIN_ACCOUNT, ALL_ACCOUNTS, KEY, YES

RESUME = Flag("--resume", help="test and promote the staged key")
ABORT = Flag("--abort", help="discard the staged key")
ROLLBACK = Flag("--rollback", help="make the previous key current again, after testing it")
RETIRE = Flag("--retire", help="drop the previous key once the provider has stopped accepting it")
FORCE = Flag("--force", help="with --retire: drop it even if the provider still accepts it")
STEPS = (RESUME, ABORT, ROLLBACK, RETIRE)

MINT = Flag("--mint", help="create the new key at the provider, with an admin key")
LIKE = Identifier("--like", help="with --mint: the id of the key to copy the settings from", metavar="KEY-ID")
PARENT = Identifier("--parent", help="with --mint: the project, team or service account of the new key", metavar="ID")
ALLOW_WIDER = Flag("--allow-wider", help="with --mint: even if the new key may be allowed more than the old one")
PROPAGATION = Text(
    "--propagation",
    help="how long to wait until the provider knows a new key, or refuses a deleted one (default 5m)", metavar="5m",
)  # fmt: skip
NO_REVOKE = Flag("--no-revoke", help="with --retire or --abort: delete nothing at the provider")
DUE = Flag("--due", help="for cron: rotate keys that are due, retire replaced keys, finish what was left")
EXPIRING = Text("--expiring", help="with --due: also keys that expire within this span (default 14d)", metavar="14d")
GRACE = Text("--grace", help="with --due: how long a replaced key is kept (default 24h)", metavar="24h")
MINTING = (
    *under(
        "At the provider", MINT, LIKE, PARENT, ADMIN_ACCOUNT, ALLOW_WIDER, PROPAGATION, NO_REVOKE,
        YES.with_help("with --retire or --due: do not ask before a key is deleted at the provider"),
    ),
    *under("On a timer", DUE, ALL_ACCOUNTS.with_help("with --due: the keys of every account"), EXPIRING, GRACE),
)  # fmt: skip


def named_provider(call: Call) -> str:
    """Return the provider of the command line for a hint; ``PROVIDER`` if there is none or it is not an id."""
    typed = call[KEY] or ""
    return typed if re.fullmatch("[a-z][a-z0-9_]{0,31}", typed) else "PROVIDER"
