"""``kojikey check``: reports whether a job has the keys that it needs, from the store alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Call, Command, Text, Texts
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import ALL_ACCOUNTS, COMMON
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.cli.output.stdout import write_line
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.operations.checking import Problem, Requirement

REQUIRE = Texts("--require", help="providers, separated by commas; may be repeated", metavar="P,…", complete="provider")
MAX_AGE = Text("--max-age", help="how old a key may be, for example 90d", metavar="90d")
TESTED_WITHIN = Text("--tested-within", help="how long ago its last test may be, for example 7d", metavar="7d")

_WORDS = {
    "no_key": "no key",
    "disabled": "the account's own keys are disabled",
    "rejected": "the provider rejected it at its last test",
    "limited": "the provider refused something at its last test",
    "expired": "it has expired",
    "too_old": "it is older than --max-age",
    "never_tested": "no test has shown whether it works",
    "tested_too_long_ago": "its last test was longer ago than --tested-within",
}


def check(call: Call) -> int:
    """Run ``kojikey check`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output.long_document import write_long
    from kojikey.model.timestamps import short_span, span, stamp
    from kojikey.operations import checking

    context = context_of(call)
    refuse_account_with_all_accounts(call, "--require", "P")
    providers = _required(call)
    for provider in providers:
        wiring.checked_provider(provider, context.settings)
    max_age, within = call[MAX_AGE], call[TESTED_WITHIN]
    limits = checking.Limits(
        max_age=span(max_age, what="--max-age") if max_age is not None else None,
        tested_within=short_span(within, what="--tested-within") if within is not None else None,
    )
    damage, moment = DamagedRecords(context.terminal), datetime.now(UTC)
    if limits.max_age is not None:
        context.terminal.note(f"--max-age: a key created before {stamp(moment - limits.max_age)} is too old")
    open_store = wiring.open_existing(context.settings, context.person)
    all_accounts, counter = call[ALL_ACCOUNTS], _Counter(damage)
    wanted = checking.Wanted(providers, limits, moment)
    items = counter.counted(
        checking.check_all(open_store, wanted, damaged=damage)
        if all_accounts
        else checking.check(open_store, wanted, account=context.account)
    )
    if context.terminal.json:
        rows = (_fields(item, context) for item in items)
        return write_long("check", rows, lambda: (counter.code, {"summary": counter.summary, "error": damage.error}))
    for item in items:
        if not (item.is_met and all_accounts):
            write_line(_line(item, context, with_account=all_accounts))
    if all_accounts and not context.terminal.quiet:
        write_line(f"{counter.met} of {counter.required} required keys are available")
    return int(counter.code)


class _Counter:
    """Counts the requirements, and those that are met, as they are written; it keeps none in memory."""

    def __init__(self, damage: DamagedRecords) -> None:
        self._damage = damage
        self.required = self.met = 0

    def counted(self, items: Iterable[Requirement]) -> Iterator[Requirement]:
        """Yield the requirements, and count them."""
        for item in items:
            self.required += 1
            self.met += item.is_met
            yield item

    @property
    def summary(self) -> Document:
        """The member ``summary`` of the JSON document."""
        return {"required": self.required, "met": self.met}

    @property
    def code(self) -> Exit:
        """The exit code for the requirements so far."""
        return Exit.KEY_FAILED if self.met < self.required else self._damage.code


def _required(call: Call) -> tuple[str, ...]:
    names = [name.strip() for text in call[REQUIRE] for name in text.split(",")]
    if not names or not all(names):
        raise UsageError(
            "name the keys that are needed", hint=next_step("check", "--require", "google_gemini,elevenlabs")
        )
    return tuple(dict.fromkeys(names))


def _fields(item: Requirement, context: Context) -> Document:
    from kojikey.model.masking import mask
    from kojikey.operations.checking import has_staged

    fields: Document = {"account": item.account, "provider": item.provider, "met": item.is_met}
    fields |= {"reasons": [problem.value for problem in item.problems], "next": _hint(item, context)}
    if item.key is None:
        unknown = dict.fromkeys(("masked", "version", "created_at", "expires_at", "last_test"))
        return fields | unknown | {"staged": False}
    current = item.key.current
    test = current.last_test.as_document() if current.last_test else None
    fields |= {"masked": mask(current.tail), "version": current.number, "created_at": current.created_at}
    return fields | {"expires_at": current.expires_at, "last_test": test, "staged": has_staged(item.key)}


def _line(item: Requirement, context: Context, *, with_account: bool) -> str:
    if item.key is None:
        return f"{item.provider}: no key for account {item.account}; {_hint(item, context)}"
    masked = context.terminal.masked(item.key.current.tail)
    masked = f"{masked} of account {item.account}" if with_account else masked
    if item.is_met:
        from kojikey.operations.checking import last_settled

        settled = last_settled(item.key)
        return f"{item.provider}: {masked} ok" + (f", tested {settled}" if settled else "")
    problems = "; ".join(_WORDS[problem] for problem in item.problems)
    return f"{item.provider}: {masked} {problems}; {_hint(item, context)}"


def _hint(item: Requirement, context: Context) -> str | None:
    """Return the command that solves the first problem of a requirement, None if it is met."""
    if item.is_met:
        return None
    return context.terminal.completed(_solution(item, item.problems[0]), account=item.account)


def _solution(item: Requirement, first: Problem) -> Hint:
    from kojikey.operations.checking import Problem

    if first is Problem.NO_KEY:
        return next_step("add", item.provider)
    if first is Problem.DISABLED:
        return next_step("account enable", item.account)
    if first in (Problem.NEVER_TESTED, Problem.TESTED_TOO_LONG_AGO, Problem.LIMITED):
        return next_step("test", item.provider)
    return next_step("rotate", item.provider)


COMMANDS = (
    Command(
        "check",
        "check, in the store alone, whether an account has the keys that a job needs",
        check,
        options=(
            *COMMON,
            ALL_ACCOUNTS,
            REQUIRE,
            MAX_AGE,
            TESTED_WITHIN,
        ),
        description="Sends no request, opens no key and needs no KEK. Exit 3, with the reason for each provider, where "
        "a key is missing, expired, too old, was refused at its last test, or was not tested recently enough. "
        "Exit 5: there is no such account.",
        examples=(
            "kojikey check --require google_gemini,elevenlabs",
            "kojikey check --require elevenlabs --max-age 90d --tested-within 7d --json",
        ),
    ),
)
