"""The protocol for creating a key at the provider, as a pure state machine: the next step, and the state after it.

The intent is saved before the request is sent. So after a crash at any point kojikey knows the name of a key that may
exist and whose value is lost: it searches for that key, deletes it, and requests another one with a new name. The key
in use changes in one step alone, in which the new key becomes current.

Owns: the order of the steps. Must not: carry out a step (:mod:`.mint_run` does), or know a store or a provider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Goal(StrEnum):
    """The state that a run is to reach."""

    MINT = "mint"  # a new key is in use; nothing was unfinished before
    RESUME = "resume"  # a new key is in use, whatever an earlier run left
    ABORT = "abort"  # there is no new key


class Saved(StrEnum):
    """The part of the new key that the store has. A crash loses everything else."""

    NOTHING = "nothing"
    INTENT = "intent"  # its name; the request may have been sent
    STAGED = "staged"  # its value and its id


class Step(StrEnum):
    """The steps of a run. All but CREATE are safe to repeat, so CREATE is made only for an intent of this run."""

    INTEND = "intend"  # save a name with a new token
    CREATE = "create"  # request a key of that name from the provider
    STAGE = "stage"  # save its value and id, and drop the intent
    TRY = "try"  # test it, and make it current if the outcome allows that
    SEARCH = "search"  # search at the provider for a key of the saved name
    DELETE = "delete"  # delete the key that was found, created or staged
    FORGET = "forget"  # drop the intent, or the staged version
    END = "end"


class Outcome(StrEnum):
    """The result of a step."""

    DONE = "done"
    FOUND = "found"  # SEARCH found a key
    REFUSED = "refused"  # the step was not carried out
    LOST = "lost"  # it is not known whether the step was carried out
    OVERTAKEN = "overtaken"  # another process changed the key meanwhile


class Known(StrEnum):
    """The key at the provider that this run knows and the store does not."""

    NOTHING = "nothing"
    NEW = "new"  # created by this run, with its value
    ORPHAN = "orphan"  # found by its name; its value is lost


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one run. ``saved`` describes the store; all else is known to this run alone.

    ``is_fresh``: this run saved the intent, and has not sent the request. ``is_cleared``: the provider lists no key of
    the saved name any more. ``is_overtaken``: another process continues the mint. ``is_over``: no step is left.
    """

    goal: Goal
    saved: Saved = Saved.NOTHING
    is_fresh: bool = False
    known: Known = Known.NOTHING
    is_cleared: bool = False
    is_overtaken: bool = False
    is_over: bool = False


def next_step(progress: Progress) -> Step:
    """Return the next step."""
    if progress.is_over:
        return Step.END
    if progress.is_overtaken:
        return Step.DELETE  # no store has the key that this run created
    if progress.saved is Saved.NOTHING:
        return Step.INTEND if progress.goal is Goal.MINT else Step.END
    if progress.saved is Saved.STAGED:
        if progress.goal is not Goal.ABORT:
            return Step.TRY
        return Step.FORGET if progress.is_cleared else Step.DELETE
    return _with_intent(progress)


def _with_intent(progress: Progress) -> Step:
    if progress.is_fresh:
        return Step.CREATE
    if progress.known is not Known.NOTHING:
        return Step.STAGE if progress.known is Known.NEW else Step.DELETE
    if not progress.is_cleared:
        return Step.SEARCH
    return Step.FORGET if progress.goal is Goal.ABORT else Step.INTEND


def after(progress: Progress, step: Step, outcome: Outcome) -> Progress:
    """Return the state of a run after a step."""
    if outcome is Outcome.OVERTAKEN:
        has_orphan = step is Step.STAGE
        return replace(progress, is_overtaken=has_orphan, is_over=not has_orphan)
    if step is Step.CREATE and outcome is Outcome.REFUSED:
        # No key was created, so there is none to search for.
        return replace(progress, goal=Goal.ABORT, is_fresh=False, is_cleared=True)
    if outcome in (Outcome.REFUSED, Outcome.LOST):
        return replace(progress, is_over=True)
    return _after_success(progress, step, outcome)


def _after_success(progress: Progress, step: Step, outcome: Outcome) -> Progress:
    match step:
        case Step.INTEND:
            return Progress(progress.goal, Saved.INTENT, is_fresh=True)
        case Step.CREATE:
            return replace(progress, is_fresh=False, known=Known.NEW)
        case Step.STAGE:
            return Progress(progress.goal, Saved.STAGED)
        case Step.SEARCH if outcome is Outcome.FOUND:
            return replace(progress, known=Known.ORPHAN)
        case Step.SEARCH:
            return replace(progress, is_cleared=True)
        case Step.DELETE:
            return replace(progress, known=Known.NOTHING, is_cleared=True, is_over=progress.is_overtaken)
        case Step.FORGET:
            return Progress(progress.goal, is_over=True)
        case _:
            return replace(progress, is_over=True)
