"""The interface of a report, and its input: results as they arrive, then the end of the run."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct, field

from kojikey.cli.exits import Exit
from kojikey.cli.output.failure import Failure
from kojikey.model.next_step import Hint, NextCommand, next_step, with_commands
from kojikey.model.ref import Document
from kojikey.model.verdict import Outcome
from kojikey.operations.results import Summary, TestResult
from kojikey.operations.testing_keys import Unopened

Item = TestResult | Unopened

Rows = Callable[[], Iterator[Document]]
"""Returns all results in the order of account and provider; it may be called several times."""

STDOUT = "-"
"""The file name that stands for standard output, which then has the report alone."""

ACCOUNTS_NAMED = 10
"""How many accounts of a group are named; reports have a row for every key."""


class Group(Struct):
    """The keys of one provider with one reason. ``first`` is the result of the first key; hints are taken from it.

    ``accounts`` are the sorted accounts of the first :data:`ACCOUNTS_NAMED` keys. ``complete`` adds the store of this
    command line to a suggested command.
    """

    outcome: Outcome
    reason: str
    provider: str
    first: TestResult
    count: int = 0
    accounts: list[str] = field(default_factory=list)
    complete: Callable[[str], str] = str

    @property
    def unnamed(self) -> int:
        """The number of keys whose accounts are not in ``accounts``."""
        return self.count - len(self.accounts)

    @property
    def step(self) -> str:
        """The most useful next step for all keys of the group."""
        return self.complete(_next_step_for(self))


class Tally(Struct):
    """The counts of a run so far. Its size depends on the number of reasons, not of keys."""

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    unopened: int = 0
    first_unopened: Unopened | None = None
    recorded: int = 0
    complete: Callable[[str], str] = str
    """Adds the store of this command line to a suggested command."""

    def add(self, item: Item) -> None:
        """Count a result."""
        if isinstance(item, Unopened):
            self.unopened += 1
            self.first_unopened = self.first_unopened or item
            return
        verdict = item.verdict
        self.counts[verdict.outcome] += 1
        self.recorded += item.recorded
        if verdict.outcome is not Outcome.VALID:
            key = (verdict.reason.value, item.provider)
            if key not in self.groups:
                self.groups[key] = Group(
                    verdict.outcome, verdict.reason.value, item.provider, item, complete=self.complete
                )  # fmt: skip
            group = self.groups[key]
            group.count += 1
            if len(group.accounts) < ACCOUNTS_NAMED:
                insort(group.accounts, item.account)

    @property
    def summary(self) -> Summary:
        """The number of keys with each outcome."""
        return Summary(**{outcome.value: count for outcome, count in self.counts.items()})

    @property
    def finished(self) -> int:
        """The number of keys with a result, those whose records do not open included."""
        return sum(self.counts.values()) + self.unopened

    @property
    def failed(self) -> int:
        """The number of keys that are limited or rejected."""
        return self.counts[Outcome.LIMITED] + self.counts[Outcome.REJECTED]

    def worst_first(self) -> list[Group]:
        """Return the groups: rejected, limited, indeterminate; large groups first within each."""
        order = (Outcome.REJECTED, Outcome.LIMITED, Outcome.INDETERMINATE)
        return sorted(
            self.groups.values(),
            key=lambda group: (order.index(group.outcome), -group.count, group.reason, group.provider),
        )


class RunEnd(Struct, frozen=True):
    """The end of a run. ``error`` is the failure that stopped it, ``left`` the number of keys that were not tested.

    ``left_out`` is the number of keys that the options excluded: keys of another shard, and keys tested lately.
    """

    tally: Tally
    code: Exit
    began_at: str
    seconds: float
    fail_on: str
    left: int = 0
    error: Failure | None = None
    left_out: int = 0


class ReportFailedError(Exception):
    """Some reports could not be written; ``problems`` has a sentence about each. The other reports were written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Report(Protocol):
    """A report that receives the results of a run one by one."""

    def add(self, item: Item) -> None:
        """Add a result."""

    def end(self, ending: RunEnd) -> None:
        """Finish the report.

        Raises:
            ReportFailedError: a file could not be written. OSError: standard output could not be written.
        """


def _next_step_for(group: Group) -> str:
    first, provider = group.first, group.provider
    hint = with_commands(first.verdict.hint, _for_all_accounts) if group.count > 1 else first.verdict.hint
    if group.outcome is Outcome.REJECTED:
        if group.count == 1:
            rotate = next_step("rotate", provider, account=first.account)
            return Hint(f"create a new key at {first.verdict.manage_url or provider}, then ", rotate)
        return Hint("create new keys, then rotate them all at once: ", next_step("rotate", "--batch", "FILE"))
    test = next_step("test", provider, account=first.account)
    if group.outcome is Outcome.LIMITED:
        return hint or first.verdict.manage_url or test
    return _FOR_INDETERMINATE.get(group.reason) or hint or test


def _for_all_accounts(step: NextCommand) -> NextCommand:
    """Return a command of one account's hint; ``test`` is for the keys of all accounts."""
    if step.command != "test":
        return step
    words = list(step.words)
    if "--account" in words:
        at = words.index("--account")
        del words[at : at + 2]
    return NextCommand(step.command, (*words[:1], "--all-accounts", *words[1:]))


_FOR_INDETERMINATE = {
    "rate_limited": "run it again later, more slowly: --rate 5 (requests per second to each provider)",
    "provider_unavailable": "no key is known to be bad: run it again later",
    "unreachable": Hint("check the network and HTTPS_PROXY (", next_step("doctor"), "), then run it again"),
    "timeout": "run it again later, or with more time: --timeout 30",
}
