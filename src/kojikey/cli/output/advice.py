"""The commands that a verdict suggests, for a saved key, an unsaved one, or a step of a rotation."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from kojikey.cli.output.terminal import Terminal
from kojikey.model.next_step import Hint, Next, next_step
from kojikey.model.verdict import Verdict
from kojikey.operations.results import ChangeResult, TestResult


class Advice(NamedTuple):
    """What replaces a key, and what asks about it again. A definition speaks of a saved one: rotate, and test."""

    replaces: Hint
    again: Hint

    def about(self, verdict: Verdict, terminal: Terminal, *, account: str | None = None) -> Verdict:
        """Return the verdict with a hint that is right here, for an account and this store."""
        if not isinstance(verdict.hint, Hint):
            return verdict
        hint = Hint(*(self._right_here(part) for part in verdict.hint.parts))
        return replace(verdict, hint=terminal.completed(hint, account=account))

    def _right_here(self, part: str | Next) -> str | Next:
        if not isinstance(part, Next):
            return part
        return {"rotate": self.replaces, "test": self.again}.get(part.command, part)


def for_unsaved(provider: str, *, has_key: bool) -> Advice:
    """Return the advice about a key that was tested and not saved."""
    return Advice(next_step("rotate" if has_key else "add", provider), Hint("the same command"))


def for_step(provider: str, step: str) -> Advice:
    """Return the advice about a key that a step of a rotation left where it was."""
    again = next_step("rotate", provider, "--resume" if step == "rotate" else f"--{step}")
    return Advice(next_step("rotate", provider), again)


def for_saved(provider: str) -> Advice:
    """Return the advice about a key that is in use now."""
    return Advice(next_step("rotate", provider), next_step("test", provider))


def advised(result: ChangeResult, advice: Advice, terminal: Terminal) -> ChangeResult:
    """Return the result of a change with a verdict that suggests what is right after it."""
    if result.verdict is None:
        return result
    if result.action == "retired":  # that the provider refuses the old key is what was wanted
        return replace(result, verdict=replace(result.verdict, hint=""))
    if result.action in ("added", "rotated", "rolled_back"):
        advice = for_saved(result.provider)
    return replace(result, verdict=advice.about(result.verdict, terminal, account=result.account))


def of_saved(result: TestResult, terminal: Terminal) -> TestResult:
    """Return what a test of a saved key found, with a hint that is about its account."""
    if not isinstance(result.verdict.hint, Hint):
        return result
    hint = terminal.completed(result.verdict.hint, account=result.account)
    return replace(result, verdict=replace(result.verdict, hint=hint))
