"""``kojikey store policy``: prints the IAM policy that limits an account's owner to the account (DynamoDB, AWS KMS)."""

from __future__ import annotations

from kojikey.cli.command import Argument, Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.options import STORE_OPTIONS
from kojikey.model.account import checked_account

NAME = Argument("name", "ACCOUNT", "the account", complete="account")


def policy(call: Call) -> int:
    """Run ``kojikey store policy`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_json
    from kojikey.operations.store_admin.granting import owner_policy

    context = context_of(call)
    account = checked_account(call[NAME])
    open_store = wiring.open_existing(context.settings, context.person)
    document = owner_policy(open_store, account=account)
    if context.terminal.json:
        return documents.write("store policy", 0, [{"account": account, "policy": document}])
    write_json(document)
    return 0


COMMANDS = (
    Command(
        "store policy",
        "print the IAM policy that limits an account's owner to the account (DynamoDB)",
        policy,
        options=STORE_OPTIONS,
        arguments=(NAME,),
        description="For an IAM role or user: it sees and changes that account's partition alone, and where the "
        "KEK is in AWS KMS it opens that account's data key alone. AWS enforces this, not kojikey.",
        examples=("kojikey store policy acme --store team",),
    ),
)
