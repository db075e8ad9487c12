"""Chooses the commands that a verdict suggests: for a saved key, an unsaved key, or a step of a rotation."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from kojikey.cli.output.terminal import Terminal
from kojikey.model.next_step import Hint, NextCommand, finish_or_discard, next_step, with_commands
from kojikey.model.verdict import Verdict
from kojikey.operations.results import ChangeResult, TestResult


class Advice(NamedTuple):
    """The command that replaces a key, and the command that tests it again.

    The hint of a provider definition assumes a saved key: it names ``rotate`` and ``test``.
    """

    replace_key: Hint
    test_again: Hint

    def applied_to(self, verdict: Verdict, terminal: Terminal, *, account: str | None = None) -> Verdict:
        """Return the verdict with these commands in its hint, completed for an account and this store."""
        hint = with_commands(verdict.hint, self._substitute)
        return replace(verdict, hint=terminal.completed(hint, account=account))

    def _substitute(self, step: NextCommand) -> str | NextCommand:
        return {"rotate": self.replace_key, "test": self.test_again}.get(step.command, step)


def for_unsaved(provider: str, *, has_key: bool) -> Advice:
    """Return the advice for a key that was tested and not saved, or not moved to the base URL of the test."""
    return Advice(next_step("rotate" if has_key else "add", provider), Hint("the same command"))


def for_step(provider: str, step: str) -> Advice:
    """Return the advice for a key after a step of a rotation that changed nothing."""
    again = next_step("rotate", provider, "--resume" if step == "rotate" else f"--{step}")
    return Advice(next_step("rotate", provider), again)


def for_saved(provider: str) -> Advice:
    """Return the advice for a key that is in use."""
    return Advice(next_step("rotate", provider), next_step("test", provider))


def with_advice(result: ChangeResult, advice: Advice, terminal: Terminal) -> ChangeResult:
    """Return the result of a change; the hint of its verdict suggests the commands that fit the state after it."""
    if result.verdict is None:
        return result
    if result.action == "retired":  # the provider was meant to refuse the old key, so there is nothing to do
        return replace(result, verdict=replace(result.verdict, hint=""))
    if result.is_unknown_mint:  # no other key is needed, and none can be saved until this one is finished or discarded
        hint = terminal.completed(finish_or_discard(result.provider), account=result.account)
        return replace(result, verdict=replace(result.verdict, hint=hint))
    if result.action in ("added", "rotated", "rolled_back", "changed"):
        advice = for_saved(result.provider)
    return replace(result, verdict=advice.applied_to(result.verdict, terminal, account=result.account))


def with_completed_hint(result: TestResult, terminal: Terminal) -> TestResult:
    """Return the result of a saved key's test; the commands in its hint name the key's account and this store."""
    if not isinstance(result.verdict.hint, Hint):
        return result
    hint = terminal.completed(result.verdict.hint, account=result.account)
    return replace(result, verdict=replace(result.verdict, hint=hint))
