"""``kojikey store policy``: the IAM policy that holds an account's owner to the account (DynamoDB, AWS KMS)."""

from __future__ import annotations

from typing import Any

from kojikey.cli.context import context_of
from kojikey.cli.parsing.command import JSON, NO_COLOR, NO_INPUT, QUIET, STORE, Argument, Call, Command
from kojikey.model.account import checked_account
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document


def policy(call: Call) -> int:
    """Carry out ``kojikey store policy``."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.cli.output.failure import write_json
    from kojikey.stores.dynamodb.store import DynamoStore

    context = context_of(call)
    account = checked_account(call.text("name") or "")
    open_store = wiring.open_existing(context.settings, context.person)
    store = open_store.store
    if not isinstance(store, DynamoStore):
        raise UsageError(
            f"{store.place} is not in DynamoDB, and IAM policies are for that",
            hint=Hint("PostgreSQL has ", next_step("store grant"), "; a file belongs to whoever owns it"),
        )
    made = owner_policy(store.arn(), open_store.header, account)
    if context.terminal.json:
        return documents.write("store policy", 0, [{"account": account, "policy": made}])
    write_json(made)
    return 0


def owner_policy(table_arn: str, header: Document, account: str) -> dict[str, Any]:
    """Return the policy for the table and, where the store's KEK is in KMS, for the account's data key."""
    from kojikey.stores.dynamodb.table import iam_policy

    made = iam_policy(table_arn, account)
    specs = [spec for spec in (header["kek"], header.get("next_kek")) if spec and spec["source"] == "awskms"]
    if specs:
        from kojikey.sealing.kek.awskms import iam_statement

        arns = sorted({spec["key"] for spec in specs})
        made["Statement"].append(iam_statement(arns, store=header["store_id"], account=account))
    return made


COMMANDS = (
    Command(
        "store policy",
        "print the IAM policy that holds an account's owner to the account (DynamoDB)",
        policy,
        options=(STORE, JSON, NO_INPUT, QUIET, NO_COLOR),
        argument=Argument("name", "ACCOUNT", "the account", required=True, complete="account"),
        description="For an IAM role or user: it sees and changes that account's partition alone, and where the "
        "KEK is in AWS KMS it opens that account's data key alone. AWS holds it to that, not kojikey.",
        examples=("kojikey store policy acme --store team",),
    ),
)
