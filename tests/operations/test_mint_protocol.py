"""The protocol of minting over every state and every fault: one key in use, and no orphan of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import pytest

from kojikey.operations.minting.mint_protocol import Goal, Known, Outcome, Progress, Saved, Step, after, next_step
from support.each import each

MOST_STEPS = 12
MOST_NAMES = 3  # that are chosen in one history


@dataclass(frozen=True)
class World:
    """The store and the provider. ``made`` are the names of our keys there; the store has the others."""

    saved: Saved = Saved.NOTHING
    name: str = ""  # of the intent, or of the staged key
    current: str = "old"
    previous: str = ""
    unfound: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset({"old"})
    count: int = 0  # of names that were chosen


@dataclass(frozen=True)
class Branch:
    """One thing that can happen at a step: the world after it, and what the run hears (None: it was killed)."""

    world: World
    outcome: Outcome | None
    is_fault: bool = True


def branches(step: Step, world: World, progress: Progress, mine: str) -> Iterator[Branch]:
    """Yield all that can happen at a step; ``mine`` is the name that this run asked for."""
    yield Branch(world, None)  # killed before it
    yield Branch(world, Outcome.LOST)
    for done in effects(step, world, progress, mine):
        yield done
        yield replace(done, outcome=None, is_fault=True)  # killed after it
        if step in (Step.CREATE, Step.DELETE):
            yield replace(done, outcome=Outcome.LOST, is_fault=True)
    if step in (Step.CREATE, Step.SEARCH, Step.DELETE):
        yield Branch(world, Outcome.REFUSED)
    if step in (Step.INTEND, Step.STAGE) and world.saved is Saved.INTENT:
        # another process aborted meanwhile, and found nothing yet
        other = replace(world, saved=Saved.NOTHING, name="", unfound=world.unfound | {world.name})
        yield Branch(other, Outcome.OVERTAKEN)


def effects(step: Step, world: World, progress: Progress, mine: str) -> Iterator[Branch]:
    """Yield what a step does where it is done; a search can miss a key that is there."""
    match step:
        case Step.INTEND:
            left = {world.name} if world.saved is Saved.INTENT and world.name not in ("", mine) else set()
            fresh = f"new{world.count + 1}"
            yield Branch(
                replace(world, saved=Saved.INTENT, name=fresh, unfound=world.unfound | left, count=world.count + 1),
                Outcome.DONE, is_fault=False,
            )  # fmt: skip
        case Step.CREATE:
            yield Branch(replace(world, made=world.made | {mine}), Outcome.DONE, is_fault=False)
        case Step.STAGE:
            yield Branch(replace(world, saved=Saved.STAGED), Outcome.DONE, is_fault=False)
        case Step.TRY:
            promoted = replace(world, saved=Saved.NOTHING, name="", current=world.name, previous=world.current)
            is_there = world.name in world.made  # else an abort was killed after it deleted the key
            if is_there:
                yield Branch(promoted, Outcome.DONE, is_fault=False)
            yield Branch(world, Outcome.DONE, is_fault=is_there)  # refused, it stays staged
        case Step.SEARCH:
            if world.name in world.made:
                yield Branch(world, Outcome.FOUND, is_fault=False)
            yield Branch(world, Outcome.DONE, is_fault=world.name in world.made)
        case Step.DELETE:
            which = mine if progress.is_overtaken else world.name
            yield Branch(replace(world, made=world.made - {which}), Outcome.DONE, is_fault=False)
        case Step.FORGET:
            left = {world.name} if world.saved is Saved.INTENT else set()
            yield Branch(
                replace(world, saved=Saved.NOTHING, name="", unfound=world.unfound | left), Outcome.DONE, is_fault=False
            )


def histories(world: World, progress: Progress, faults: int, mine: str = "", steps: int = 0) -> Iterator[World]:
    """Yield the world after every run that begins so and meets at most so many faults."""
    assert steps < MOST_STEPS, "a run ends"
    step = next_step(progress)
    if step is Step.END:
        yield world
        return
    for branch in branches(step, world, progress, mine):
        check(branch.world, world)
        left = faults - branch.is_fault
        if left < 0:
            continue
        if branch.outcome is None:
            yield branch.world
            continue
        asked = branch.world.name if step is Step.INTEND and branch.outcome is Outcome.DONE else mine
        yield from histories(branch.world, after(progress, step, branch.outcome), left, asked, steps + 1)


def check(now: World, before: World) -> None:
    """At every moment the key in use exists, and only promoting the new one changes which it is."""
    assert now.current in now.made
    assert now.current == before.current or (now.current, now.previous) == (before.name, before.current)


def begun(world: World, goal: Goal) -> Progress:
    return Progress(goal, world.saved)


def settled(world: World) -> frozenset[str]:
    """Return the keys of ours that no version in the store stands for, after the names are looked for again."""
    staged = {world.name} if world.saved is Saved.STAGED else set()
    return world.made - world.unfound - {world.current, world.previous} - staged


@pytest.mark.parametrize("goal", [Goal.RESUME, Goal.ABORT])
def test_after_any_history_a_clean_run_leaves_one_current_key_and_no_orphan(goal: Goal) -> None:
    seen = latest = set(histories(World(), Progress(Goal.MINT), 2))
    while (
        latest := {
            end
            for world, next_goal in product(latest, (Goal.RESUME, Goal.ABORT, Goal.MINT))
            if world.count < MOST_NAMES and (next_goal is not Goal.MINT or (not world.previous and not world.name))
            for end in histories(world, begun(world, next_goal), 2)
        }
        - seen
    ):
        seen |= latest
    assert len(seen) > MOST_NAMES * 20
    for world in seen:
        for end in set(histories(world, begun(world, goal), 0)):
            is_dead = end.saved is Saved.STAGED and end.name not in end.made  # and waits for --abort
            assert end.saved is Saved.NOTHING or (goal is Goal.RESUME and is_dead)
            assert settled(end) == frozenset()


def test_a_run_without_faults_mints_one_key() -> None:
    (end,) = set(histories(World(), Progress(Goal.MINT), 0))
    assert (end.current, end.previous, end.made) == ("new1", "old", frozenset({"old", "new1"}))


def test_a_key_is_requested_only_directly_after_its_intent_was_saved() -> None:
    for goal, saved, is_fresh, known, is_cleared in product(Goal, Saved, (False, True), Known, (False, True)):
        progress = Progress(goal, saved, is_fresh, known, is_cleared)
        if next_step(progress) is Step.CREATE:
            assert is_fresh
            assert saved is Saved.INTENT


def test_every_state_has_a_next_step_and_every_outcome_a_next_state() -> None:
    states = [
        Progress(*state)
        for state in product(Goal, Saved, (False, True), Known, (False, True), (False, True), (False, True))
    ]
    for progress in states:
        step = next_step(progress)
        for outcome in Outcome:
            assert isinstance(next_step(after(progress, step, outcome)), Step)


def test_a_new_key_whose_value_is_known_is_staged_without_a_deletion() -> None:
    progress = Progress(Goal.MINT, Saved.INTENT, known=Known.NEW)
    assert next_step(progress) is Step.STAGE
    assert next_step(after(progress, Step.STAGE, Outcome.OVERTAKEN)) is Step.DELETE


MINTING, RESUMING, ABORTING = (Progress(goal, Saved.INTENT) for goal in Goal)
FRESH, CREATED = replace(MINTING, is_fresh=True), replace(MINTING, known=Known.NEW)
OVERTAKEN = replace(CREATED, is_overtaken=True)
STEPS = [
    (Progress(Goal.MINT), Step.INTEND),
    (Progress(Goal.RESUME), Step.END),
    (Progress(Goal.ABORT), Step.END),
    (FRESH, Step.CREATE),
    (CREATED, Step.STAGE),
    (OVERTAKEN, Step.DELETE),
    (MINTING, Step.SEARCH),
    (RESUMING, Step.SEARCH),
    (ABORTING, Step.SEARCH),
    (replace(RESUMING, known=Known.ORPHAN), Step.DELETE),
    (replace(ABORTING, known=Known.ORPHAN), Step.DELETE),
    (replace(RESUMING, is_cleared=True), Step.INTEND),
    (replace(ABORTING, is_cleared=True), Step.FORGET),
    (Progress(Goal.MINT, Saved.STAGED), Step.TRY),
    (Progress(Goal.RESUME, Saved.STAGED), Step.TRY),
    (Progress(Goal.ABORT, Saved.STAGED), Step.DELETE),
    (Progress(Goal.ABORT, Saved.STAGED, is_cleared=True), Step.FORGET),
    (replace(FRESH, is_over=True), Step.END),
    (replace(OVERTAKEN, is_over=True), Step.END),
]
CHANGES = [
    (Progress(Goal.MINT), Step.INTEND, Outcome.DONE, FRESH),
    (replace(RESUMING, is_cleared=True), Step.INTEND, Outcome.DONE, replace(RESUMING, is_fresh=True)),
    (FRESH, Step.CREATE, Outcome.DONE, CREATED),
    (FRESH, Step.CREATE, Outcome.REFUSED, replace(ABORTING, is_cleared=True)),
    (FRESH, Step.CREATE, Outcome.LOST, replace(FRESH, is_over=True)),
    (CREATED, Step.STAGE, Outcome.DONE, Progress(Goal.MINT, Saved.STAGED)),
    (CREATED, Step.STAGE, Outcome.OVERTAKEN, OVERTAKEN),
    (OVERTAKEN, Step.DELETE, Outcome.DONE, replace(OVERTAKEN, known=Known.NOTHING, is_cleared=True, is_over=True)),
    (MINTING, Step.INTEND, Outcome.OVERTAKEN, replace(MINTING, is_over=True)),
    (RESUMING, Step.SEARCH, Outcome.FOUND, replace(RESUMING, known=Known.ORPHAN)),
    (RESUMING, Step.SEARCH, Outcome.DONE, replace(RESUMING, is_cleared=True)),
    (replace(RESUMING, known=Known.ORPHAN), Step.DELETE, Outcome.DONE, replace(RESUMING, is_cleared=True)),
    (replace(ABORTING, is_cleared=True), Step.FORGET, Outcome.DONE, Progress(Goal.ABORT, is_over=True)),
    (Progress(Goal.MINT, Saved.STAGED), Step.TRY, Outcome.DONE, Progress(Goal.MINT, Saved.STAGED, is_over=True)),
]


@each(("progress", "step"), STEPS)
def test_each_state_has_this_next_step(progress: Progress, step: Step) -> None:
    assert next_step(progress) is step


@each(("before", "step", "outcome", "changed"), CHANGES)
def test_each_step_leads_to_this_state(before: Progress, step: Step, outcome: Outcome, changed: Progress) -> None:
    assert after(before, step, outcome) == changed


def test_a_run_ends_at_the_first_step_that_was_refused_or_whose_outcome_is_unknown() -> None:
    for (progress, step), outcome in product(STEPS, (Outcome.REFUSED, Outcome.LOST)):
        if (step, outcome) != (Step.CREATE, Outcome.REFUSED):
            assert after(progress, step, outcome) == replace(progress, is_over=True)
