"""``kojikey store grant`` and ``store revoke``: let database roles see and change an account's keys, or no longer."""

from __future__ import annotations

from kojikey.cli.command import Argument, Call, Command
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import STORE_OPTIONS
from kojikey.model.account import checked_account
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.operations.store_admin.granting import GrantResult


NAME = Argument("name", "ACCOUNT", "the account", complete="account")
ROLE = Argument("role", "ROLE", "the name of the role in the database")


def grant(call: Call) -> int:
    """Run ``kojikey store grant`` and return the exit code."""
    from kojikey import wiring
    from kojikey.operations.store_admin import granting

    context = context_of(call)
    account, role = _account_and_role(call)
    open_store = wiring.open_existing(context.settings, context.person)
    result = granting.grant(open_store, account=account, role=role)
    what = "sees and changes" if result.action == "granted" else "had already: it sees and changes"
    return _show(context, result, f"the role {role} {what} the keys of account {account}")


def revoke(call: Call) -> int:
    """Run ``kojikey store revoke`` and return the exit code."""
    from kojikey import wiring
    from kojikey.operations.store_admin import granting

    context = context_of(call)
    account, role = _account_and_role(call)
    open_store = wiring.open_existing(context.settings, context.person)
    result = granting.revoke(open_store, account=account, role=role)
    done = "lost its grant" if result.action == "revoked" else "had no grant"
    sees = "still sees" if result.through else "does not see"
    line = f"the role {role} {done}: it {sees} account {account}"
    if result.through:
        line += f", as a member of {', '.join(result.through)}"
    return _show(context, result, line)


def _account_and_role(call: Call) -> tuple[str, str]:
    account, role = checked_account(call[NAME]), call[ROLE]
    if not role or len(role.encode()) > 63 or not role.isprintable():  # PostgreSQL's NAMEDATALEN
        raise UsageError(
            "that is not the name of a role (it is not repeated here)",
            hint="\\du in psql lists the roles of a database",
            effect=Effect.NOTHING_CHANGED,
        )
    return account, role


def _show(context: Context, result: GrantResult, line: str) -> int:
    from kojikey.cli.output import documents

    if result.trace == "unsigned":
        context.terminal.warn("the key-encryption key is not available, so the audit event is unsigned")
    elif result.trace == "none":
        context.terminal.warn(
            Hint(
                f"the audit trail of account {result.account} was changed outside kojikey and takes no event, "
                "so no event was added for this; ",
                next_step("audit", "--verify", "--account", result.account),
                " says more",
            )
        )
    if context.terminal.json:
        fields: Document = {"account": result.account, "role": result.role, "action": result.action}
        fields["audit_signed"] = result.trace == "signed"
        if result.through is not None:
            fields["still_through"] = list(result.through)
        return documents.write(context.call.command.name, 0, [fields])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(line)
    if result.action == "revoked" and not context.terminal.quiet:
        page.line("it may have kept what it has read: rotate the keys if it should not use them", indent=2)
    return 0


COMMANDS = (
    Command(
        "store grant",
        "let a database role see and change an account's keys (PostgreSQL)",
        grant,
        options=STORE_OPTIONS,
        arguments=(NAME, ROLE),
        description="The server enforces this by row-level security: the role sees nothing of accounts that it was not "
        "granted. Works without the key-encryption key; the audit event is then unsigned.",
        examples=("kojikey store grant acme acme_support --store team",),
    ),
    Command(
        "store revoke",
        "take a database role's access to an account away (PostgreSQL)",
        revoke,
        options=STORE_OPTIONS,
        arguments=(NAME, ROLE),
        examples=("kojikey store revoke acme acme_support --store team",),
    ),
)
