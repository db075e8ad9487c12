"""What a verdict suggests to type, for the place where it was found.

A provider's definition speaks of a saved key: a new one comes by ``kojikey rotate``, and ``kojikey test`` tries again.
A key that is not saved, or not in use, is replaced and tried again by other commands, which only the caller knows.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from kojikey.cli.output.terminal import Terminal
from kojikey.model.verdict import Verdict
from kojikey.operations.results import ChangeResult, TestResult

_THIS_COMMAND = "the same command"


class Advice(NamedTuple):
    """What replaces the key, and what asks about it again."""

    replaces: str
    again: str

    def about(self, verdict: Verdict, terminal: Terminal, *, account: str | None = None) -> Verdict:
        """Return the verdict with a hint that is right here, for an account and this store."""
        hint = re.sub(r"kojikey rotate [a-z][\w-]*\b(?! --)", self.replaces, verdict.hint)
        hint = re.sub(r"kojikey test [a-z][\w-]*\b(?! --)", self.again, hint)
        return replace(verdict, hint=terminal.completed(hint, account=account))


def for_unsaved(provider: str, *, has_key: bool) -> Advice:
    """Return the advice about a key that was tested and not saved."""
    return Advice(f"kojikey {'rotate' if has_key else 'add'} {provider}", _THIS_COMMAND)


def for_step(provider: str, step: str) -> Advice:
    """Return the advice about a key that a step of a rotation left where it was."""
    rotate = f"kojikey rotate {provider}"
    return Advice(rotate, f"{rotate} --{'resume' if step == 'rotate' else step}")


def for_saved(provider: str) -> Advice:
    """Return the advice about a key that is in use now."""
    return Advice(f"kojikey rotate {provider}", f"kojikey test {provider}")


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
    hint = terminal.completed(result.verdict.hint, account=result.account)
    return result if hint == result.verdict.hint else replace(result, verdict=replace(result.verdict, hint=hint))
