"""The result of add, rotate, resume, rollback and retire for each outcome of a test, as in the contract."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Verdict
from kojikey.operations.results import ChangeResult
from support import rotation
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, FakeTester, Held, SampleStore, no, yes

ONE_OF_EACH = {
    Outcome.VALID: Reason.OK,
    Outcome.LIMITED: Reason.MISSING_PERMISSION,
    Outcome.REJECTED: Reason.INVALID_KEY,
    Outcome.INDETERMINATE: Reason.UNREACHABLE,
}


class Case(NamedTuple):
    """An outcome (None: no test), whether it is approved where somebody asks, and whether the key is used."""

    outcome: Outcome | None
    approved: bool
    used: bool


TABLE = (
    Case(None, approved=False, used=True),
    Case(Outcome.VALID, approved=False, used=True),
    Case(Outcome.VALID, approved=True, used=True),
    Case(Outcome.LIMITED, approved=False, used=False),
    Case(Outcome.LIMITED, approved=True, used=True),
    Case(Outcome.REJECTED, approved=False, used=False),
    Case(Outcome.REJECTED, approved=True, used=False),
    Case(Outcome.INDETERMINATE, approved=False, used=False),
    Case(Outcome.INDETERMINATE, approved=True, used=True),
)


@pytest.fixture(params=TABLE, ids=lambda case: f"{case.outcome}-{'approved' if case.approved else 'not'}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def said_by(case: Case) -> FakeTester | None:
    return FakeTester(ONE_OF_EACH[case.outcome]) if case.outcome else None


class Asked:
    """Answers, and remembers what it was asked."""

    def __init__(self, case: Case) -> None:
        self.answer, self.about = case.approved, list[Outcome]()

    def __call__(self, verdict: Verdict) -> bool:
        self.about.append(verdict.outcome)
        return self.answer


def outcome_of(result: ChangeResult) -> Outcome | None:
    return result.verdict.outcome if result.verdict else None


def test_add_saves_only_keys_that_may_be_used(sample_store: SampleStore, case: Case) -> None:
    asked = Asked(case)
    result = sample_store.add(test=said_by(case), approve=asked)
    assert (result.action, result.version) == (("added", 1) if case.used else (None, None))
    assert outcome_of(result) == case.outcome
    assert sample_store.held() == (Held(OLD) if case.used else None)
    assert sample_store.actions() == (["added"] if case.used else [])
    assert asked.about == ([case.outcome] if case.outcome in (Outcome.LIMITED, Outcome.INDETERMINATE) else [])


@pytest.mark.parametrize("way", ["rotate", "resume"])
def test_the_outcome_decides_whether_a_rotation_promotes_discards_or_stays_staged(
    sample_store: SampleStore, case: Case, way: str
) -> None:
    sample_store.add()
    asked = Asked(case)
    if way == "rotate":
        result = sample_store.rotate(test=said_by(case), approve=asked)
    else:
        sample_store.stage()
        open_store = sample_store.open_store()
        result = rotation.resume(open_store, account=ACCOUNT, provider=PROVIDER, test=said_by(case), approve=asked)
    if case.used:
        action, held = "rotated", Held(NEW, None, OLD)
    elif case.outcome is Outcome.REJECTED:
        action, held = "aborted", Held(OLD)
    else:
        action, held = "staged", Held(OLD, NEW)
    assert (result.action, result.version, outcome_of(result)) == (action, 2, case.outcome)
    assert sample_store.held() == held
    assert asked.about == ([case.outcome] if case.outcome in (Outcome.LIMITED, Outcome.INDETERMINATE) else [])
    sample_store.verify()


def test_a_rollback_makes_the_previous_version_current_only_if_it_may_be_used(
    sample_store: SampleStore, case: Case
) -> None:
    sample_store.add()
    sample_store.rotate()
    result = rotation.rollback(
        sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=said_by(case), approve=Asked(case)
    )
    assert (result.action, result.version) == ("rolled_back" if case.used else None, 1)
    assert sample_store.held() == (Held(OLD, None, NEW) if case.used else Held(NEW, None, OLD))


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_retire_drops_the_previous_version_only_once_it_is_rejected(sample_store: SampleStore, reason: Reason) -> None:
    sample_store.add()
    sample_store.rotate()
    result = rotation.retire(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=FakeTester(reason))
    rejected = OUTCOME_OF[reason] is Outcome.REJECTED
    assert (result.action, result.version, outcome_of(result)) == (
        "retired" if rejected else None, 1, OUTCOME_OF[reason],
    )  # fmt: skip
    assert sample_store.held() == (Held(NEW) if rejected else Held(NEW, None, OLD))
    assert sample_store.actions()[-1] == ("retired" if rejected else "tested")


@pytest.mark.parametrize("reason", [r for r in Reason if OUTCOME_OF[r] is Outcome.REJECTED], ids=str)
def test_a_person_is_never_asked_to_use_a_rejected_key(sample_store: SampleStore, reason: Reason) -> None:
    assert sample_store.add(test=FakeTester(reason), approve=yes).action is None
    sample_store.add()
    assert sample_store.rotate(test=FakeTester(reason), approve=yes).action == "aborted"


@pytest.mark.parametrize("reason", [r for r in Reason if OUTCOME_OF[r] is Outcome.INDETERMINATE], ids=str)
def test_an_indeterminate_outcome_never_discards_a_key(sample_store: SampleStore, reason: Reason) -> None:
    sample_store.add()
    assert sample_store.rotate(test=FakeTester(reason), approve=no).action == "staged"
    assert sample_store.held() == Held(OLD, NEW)
