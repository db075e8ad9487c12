"""The input of every report: results as they arrive, then how the run ended."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct, field

from kojikey.cli.exits import Exit
from kojikey.cli.output.failure import Failure
from kojikey.model.next_step import Hint, Next, next_step
from kojikey.model.ref import Document
from kojikey.model.verdict import Outcome
from kojikey.operations.results import Summary, TestResult
from kojikey.operations.testing_keys import Unopened

Item = TestResult | Unopened

Rows = Callable[[], Iterator[Document]]
"""Gives all results in order of account and provider, each time that it is called."""

STDOUT = "-"
"""In place of a file's name: the report alone is written to standard output."""

NAMED = 10
"""So many accounts of a group are named; reports have them all."""


class Group(Struct):
    """The keys of one provider that have one reason. ``first`` is the first of them, for its words.

    ``accounts`` are those of the first :data:`NAMED` of them. ``complete`` adds to a suggested command the store that
    this one is about.
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
        """How many keys there are beside those whose accounts are named."""
        return self.count - len(self.accounts)

    @property
    def step(self) -> str:
        """The one most useful thing to do next for all of them."""
        return self.complete(advice_for(self))


class Tally(Struct):
    """What a run found so far, in a size that does not depend on the number of keys."""

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    unopened: int = 0
    first_unopened: Unopened | None = None
    recorded: int = 0
    complete: Callable[[str], str] = str
    """Adds to a suggested command the store that this one is about."""

    def add(self, item: Item) -> None:
        """Count an item."""
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
            if len(group.accounts) < NAMED:
                insort(group.accounts, item.account)

    @property
    def summary(self) -> Summary:
        """The counts, as the contract has them."""
        return Summary(**{outcome.value: count for outcome, count in self.counts.items()})

    @property
    def finished(self) -> int:
        """All items."""
        return sum(self.counts.values()) + self.unopened

    @property
    def failed(self) -> int:
        """Keys that are limited or rejected."""
        return self.counts[Outcome.LIMITED] + self.counts[Outcome.REJECTED]

    def worst_first(self) -> list[Group]:
        """Return the groups, rejected keys first, then by how many they are."""
        order = (Outcome.REJECTED, Outcome.LIMITED, Outcome.INDETERMINATE)
        return sorted(
            self.groups.values(),
            key=lambda group: (order.index(group.outcome), -group.count, group.reason, group.provider),
        )


class RunEnd(Struct, frozen=True):
    """How a run ended. ``error`` is what stopped it; ``left`` counts keys that were not tested.

    ``left_out`` counts those that were never to be: of another shard, or tested lately.
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
    """Reports that could not be written, a sentence for each; the others were."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Report(Protocol):
    """A report under way."""

    def add(self, item: Item) -> None:
        """Take a result."""

    def end(self, ending: RunEnd) -> None:
        """Finish the report. Raises ReportFailedError, or OSError where it is standard output that failed."""


def advice_for(group: Group) -> str:
    """Return what to do next for a group of keys."""
    first, provider = group.first, group.provider
    hint = _for_many(first.verdict.hint) if group.count > 1 else first.verdict.hint
    if group.outcome is Outcome.REJECTED:
        if group.count == 1:
            rotate = next_step("rotate", provider, account=first.account)
            return Hint(f"create a new key at {first.verdict.manage_url or provider}, then ", rotate)
        return Hint("create new keys, then rotate them all at once: ", next_step("rotate", "--batch", "FILE"))
    test = next_step("test", provider, account=first.account)
    if group.outcome is Outcome.LIMITED:
        return hint or first.verdict.manage_url or test
    return _WAIT.get(group.reason) or hint or test


def _for_many(hint: str) -> str:
    """Return a hint about one of several accounts' keys as one about those of all."""
    if not isinstance(hint, Hint):
        return hint
    return Hint(*(_of_all(part) if isinstance(part, Next) and part.command == "test" else part for part in hint.parts))


def _of_all(step: Next) -> Next:
    words = list(step.words)
    if "--account" in words:
        at = words.index("--account")
        del words[at : at + 2]
    return Next(step.command, (*words[:1], "--all-accounts", *words[1:]))


_WAIT = {
    "rate_limited": "run it again later, more slowly: --rate 5 (requests per second to each provider)",
    "provider_unavailable": "no key is known to be bad: run it again later",
    "unreachable": Hint("check the network and HTTPS_PROXY (", next_step("doctor"), "), then run it again"),
    "timeout": "run it again later, or with more time: --timeout 30",
}
