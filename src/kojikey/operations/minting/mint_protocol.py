"""The protocol for creating a key at the provider, as a pure state machine: the next step, and its effect.

The intent is saved before the request is sent, so after a crash at any point kojikey knows the name under which a key
may exist whose value is lost. Such a key is looked for and deleted, and a new one is requested under a new name.
Only the last step changes the key in use: it makes the new one current.

Owns: the order of the steps. Must not: do any of them (:mod:`.mint_run` does), or know a store or a provider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Goal(StrEnum):
    """What the caller wants in the end."""

    MINT = "mint"  # a new key in use, from a clean start
    RESUME = "resume"  # a new key in use, whatever an earlier run left
    ABORT = "abort"  # no new key


class Saved(StrEnum):
    """What the store has of the new key. It is all that outlives a crash."""

    NOTHING = "nothing"
    INTENT = "intent"  # its name: the request may have been sent
    STAGED = "staged"  # its value and its id


class Step(StrEnum):
    """What can be done. Each is safe to repeat but CREATE, which is why it follows on a fresh intent alone."""

    INTEND = "intend"  # save a name, with a new token
    CREATE = "create"  # ask the provider for a key of that name
    STAGE = "stage"  # save its value and id in place of the intent
    TRY = "try"  # test it, and make it current where the outcome allows
    SEARCH = "search"  # look at the provider for a key of the name that was saved
    DELETE = "delete"  # delete what was found, created or staged
    FORGET = "forget"  # drop the intent, or the staged version
    END = "end"


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    FOUND = "found"  # of SEARCH
    REFUSED = "refused"  # it was not done, and never will be
    LOST = "lost"  # it was done or not: nobody knows
    OVERTAKEN = "overtaken"  # another process changed what the step stood on


class AtHand(StrEnum):
    """Which key at the provider a run knows the id of, beside those in the store."""

    NOTHING = "nothing"
    NEW = "new"  # with its value
    ORPHAN = "orphan"  # whose value nobody has


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one run stands. ``saved`` is in the store; the rest is known to this run alone.

    ``is_fresh``: the intent was saved by this run, and its request was not sent. ``is_cleared``: no key of the saved
    name is left that could be seen. ``is_overtaken``: another process goes on with it. ``is_over``: there is nothing
    more to do.
    """

    goal: Goal
    saved: Saved = Saved.NOTHING
    is_fresh: bool = False
    at_hand: AtHand = AtHand.NOTHING
    is_cleared: bool = False
    is_overtaken: bool = False
    is_over: bool = False


def next_step(progress: Progress) -> Step:
    """Return what is done next."""
    if progress.is_over:
        return Step.END
    if progress.is_overtaken:
        return Step.DELETE  # what this run created is nobody's any more
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
    if progress.at_hand is not AtHand.NOTHING:
        return Step.STAGE if progress.at_hand is AtHand.NEW else Step.DELETE
    if not progress.is_cleared:
        return Step.SEARCH
    return Step.FORGET if progress.goal is Goal.ABORT else Step.INTEND


def after(progress: Progress, step: Step, outcome: Outcome) -> Progress:
    """Return where a run stands after a step."""
    if outcome is Outcome.OVERTAKEN:
        has_orphan = step is Step.STAGE
        return replace(progress, is_overtaken=has_orphan, is_over=not has_orphan)
    if step is Step.CREATE and outcome is Outcome.REFUSED:
        # Nothing was made, so there is nothing to look for.
        return replace(progress, goal=Goal.ABORT, is_fresh=False, is_cleared=True)
    if outcome in (Outcome.REFUSED, Outcome.LOST):
        return replace(progress, is_over=True)
    return _after_success(progress, step, outcome)


def _after_success(progress: Progress, step: Step, outcome: Outcome) -> Progress:
    match step:
        case Step.INTEND:
            return Progress(progress.goal, Saved.INTENT, is_fresh=True)
        case Step.CREATE:
            return replace(progress, is_fresh=False, at_hand=AtHand.NEW)
        case Step.STAGE:
            return Progress(progress.goal, Saved.STAGED)
        case Step.SEARCH if outcome is Outcome.FOUND:
            return replace(progress, at_hand=AtHand.ORPHAN)
        case Step.SEARCH:
            return replace(progress, is_cleared=True)
        case Step.DELETE:
            return replace(progress, at_hand=AtHand.NOTHING, is_cleared=True, is_over=progress.is_overtaken)
        case Step.FORGET:
            return Progress(progress.goal, is_over=True)
        case _:
            return replace(progress, is_over=True)
