"""The tasks of ``rotate --due`` for one key: each is carried out once, and an error ends those of this key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from msgspec import structs

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile, StoreUnreachable
from kojikey.model.key import Key
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, MintUnfinished
from kojikey.model.minting import MintIntent
from kojikey.model.timestamps import now, parsed, stamp
from kojikey.model.verdict import Reason
from kojikey.operations import removing
from kojikey.operations.minting import due_rotations
from kojikey.operations.minting.due_rotations import DueKey, DueResult, Task, TaskTools
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.minting.provider_ids import proved_intent
from kojikey.operations.minting.retiring import Revoker
from kojikey.operations.open_store import OpenStore
from support import rotation
from support.faulty import Once
from support.keys_at_provider import PARENT, REFUSED, UNSENT, KeysAtProvider, change, give_ids
from support.sample_store import (
    ACCOUNT,
    NEW,
    OLD,
    PROVIDER,
    THIRD,
    FakeTester,
    Held,
    SampleStore,
    no,
)

GRACE = timedelta(hours=5)


class CreatesNothing(KeysAtProvider):
    """A provider whose API only deletes keys."""

    ability = replace(KeysAtProvider.ability, creates=False)


@dataclass
class Run:
    """One run over the only key of a store, whose previous and current version exist at the provider."""

    store: SampleStore
    keys: KeysAtProvider = field(default_factory=KeysAtProvider)
    test: FakeTester = field(default_factory=lambda: FakeTester(Reason.REVOKED))
    new: FakeTester = field(default_factory=FakeTester)

    def __post_init__(self) -> None:
        self.keys.put("id-old", OLD)
        self.keys.put("id-new", NEW)

    def tools(self) -> TaskTools:
        minter = Minter(self.keys, self.new, no, lambda _: False, lambda *_: None, lambda _: None, "https://page")
        return TaskTools(self.test, minter, Revoker(self.keys, lambda *_: True, self.test, self.test))

    def __call__(self, *tasks: Task, listed: Key | None = None, tools: TaskTools | None = None) -> list[DueResult]:
        key = listed or self.key
        due = DueKey(key, tasks, bool(key.unfound))
        work = due_rotations.carry_out(self.store.open_store(), due, tools or self.tools(), grace=GRACE)
        return asyncio.run(work)

    @property
    def key(self) -> Key:
        key = self.store.key()
        assert key is not None
        return key


@pytest.fixture
def run() -> Run:
    sample_store = SampleStore.rotated()
    give_ids(sample_store, {1: "id-old", 2: "id-new"})
    return Run(sample_store)


def said(results: list[DueResult]) -> list[tuple[Task, str | None, type[BaseException] | None]]:
    """Return for each result its task, its action, and the kind of its error."""
    return [
        (each.task, each.result.action if each.result else None, type(each.error) if each.error else None)
        for each in results
    ]


def test_the_previous_key_is_retired_before_a_new_one_is_created(run: Run) -> None:
    listed = run.key
    results = run(Task.RETIRE, Task.MINT)
    assert said(results) == [(Task.RETIRE, "retired", None), (Task.MINT, "rotated", None)]
    assert {each.key for each in results} == {listed}
    held = run.store.held()
    assert held is not None
    assert held.previous == NEW
    assert set(run.keys.values.values()) == {held.current, NEW}


def test_the_result_says_when_the_grace_of_the_previous_key_is_over(run: Run) -> None:
    _, minted = run(Task.RETIRE, Task.MINT)
    assert minted.result is not None
    assert minted.result.at_provider is not None
    assert run.key.rotated_at is not None
    assert minted.result.at_provider.revoke_after == stamp(parsed(run.key.rotated_at) + GRACE)


def test_no_key_is_created_while_the_previous_one_of_known_id_works(run: Run) -> None:
    run.test.reason = Reason.OK
    assert said(run(Task.RETIRE, Task.MINT)) == [(Task.RETIRE, None, None)]
    assert run.store.held() == Held(NEW, None, OLD)


def test_a_previous_key_without_an_id_that_works_does_not_hold_up_a_new_one(run: Run) -> None:
    give_ids(run.store, {2: "id-new"})
    change(run.store, versions=tuple(structs.replace(each, at_provider=None) for each in run.key.versions))
    run.keys.keys.pop("id-old")
    run.test.reason = Reason.OK
    assert said(run(Task.RETIRE, Task.MINT)) == [(Task.RETIRE, None, None), (Task.MINT, "rotated", None)]


def test_without_an_api_the_previous_key_is_tested_and_the_new_one_only_reported(run: Run) -> None:
    tools = TaskTools(run.test)
    assert said(run(Task.RETIRE, Task.MINT, tools=tools)) == [(Task.RETIRE, "retired", None), (Task.MINT, None, None)]
    assert [value for value, _ in run.test.asked] == [OLD]
    assert run.store.held() == Held(NEW)
    assert run.keys.requests == []


def test_where_no_key_can_be_created_it_is_only_reported(run: Run) -> None:
    run.keys = CreatesNothing()
    for task in (Task.MINT, Task.RESUME):
        change(run.store, minting=intent(run) if task is Task.RESUME else None)
        assert said(run(task)) == [(task, None, None)]
    assert run.keys.requests == []


def test_a_key_that_a_person_staged_is_reported_and_not_changed(run: Run) -> None:
    change(run.store, versions=(run.key.current,))
    run.store.stage(THIRD)
    assert said(run(Task.FINISH_BY_HAND, tools=TaskTools(run.test))) == [(Task.FINISH_BY_HAND, None, None)]
    assert said(run(Task.FINISH_BY_HAND)) == [(Task.FINISH_BY_HAND, None, AlreadyStaged)]
    assert run.store.held() == Held(NEW, THIRD)


def test_an_error_is_reported_with_its_task_and_ends_the_tasks_of_the_key(run: Run) -> None:
    run.keys.before["delete"] = REFUSED
    (result,) = run(Task.RETIRE, Task.MINT)
    assert (result.key, result.task, result.result) == (run.key, Task.RETIRE, None)
    assert isinstance(result.error, ManagementRefused)
    assert run.store.held() == Held(NEW, None, OLD)


# what another process did since the key was read


def test_nothing_is_done_for_a_key_that_was_removed(run: Run) -> None:
    listed = run.key
    removing.remove(run.store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert run(Task.RETIRE, Task.MINT, Task.RESUME, listed=listed) == []


def test_a_task_that_another_process_carried_out_is_left_out(run: Run) -> None:
    listed = run.key
    assert said(run(Task.RETIRE, Task.MINT)) != []
    requests = list(run.keys.requests)
    assert run(Task.RETIRE, Task.MINT, listed=listed) == []
    assert run.keys.requests == requests


def test_a_mint_that_another_process_finished_is_left_out(run: Run) -> None:
    assert run(Task.RESUME) == []


def test_a_mint_that_another_process_began_is_reported_as_unfinished(run: Run) -> None:
    listed = run.key
    change(run.store, minting=intent(run))
    (result,) = run(Task.MINT, listed=listed)
    assert isinstance(result.error, MintUnfinished)
    assert (result.error.account, result.error.provider) == (ACCOUNT, PROVIDER)


def retire_in_another_process(run: Run) -> None:
    rotation.retire(run.store.open_store(), account=ACCOUNT, provider=PROVIDER, test=FakeTester(Reason.REVOKED))


def remove_in_another_process(run: Run) -> None:
    removing.remove(run.store.open_store(), account=ACCOUNT, provider=PROVIDER)


@pytest.mark.parametrize("other", [retire_in_another_process, remove_in_another_process])
def test_a_previous_version_that_is_dropped_during_its_test_is_no_error(run: Run, other: Callable[[Run], None]) -> None:
    run.test.meanwhile = Once(lambda: other(run))
    assert run(Task.RETIRE) == []


def test_a_previous_version_that_is_rolled_back_during_its_test_is_not_dropped(run: Run) -> None:
    run.test.meanwhile = Once(
        lambda: rotation.rollback(run.store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    )
    assert run(Task.RETIRE, tools=TaskTools(run.test)) == []
    assert run.store.held() == Held(OLD, None, NEW)


def test_a_conflict_is_reported_where_the_store_cannot_be_read_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise StoreUnreachable("here", "is away")

    def meanwhile() -> None:
        retire_in_another_process(run)
        monkeypatch.setattr(OpenStore, "find_key", unreachable)

    run.test.meanwhile = Once(meanwhile)
    assert said(run(Task.RETIRE, tools=TaskTools(run.test))) == [(Task.RETIRE, None, ChangedMeanwhile)]


# mints of earlier runs, and lost keys


def intent(run: Run, name: str = "kojikey acme v3 0a1b2c3d") -> MintIntent:
    plain = MintIntent(name, "0a1b2c3d", now(), PARENT, "", None, None, None, False, "")
    return proved_intent(run.store.open_store().sealer(ACCOUNT), PROVIDER, plain)


def test_the_mint_of_an_earlier_run_is_finished(run: Run) -> None:
    change(run.store, minting=intent(run), versions=(run.key.current,))
    lost = run.keys.put("id-lost", "sk_lost_0123456789", name=intent(run).name)
    assert said(run(Task.RESUME)) == [(Task.RESUME, "rotated", None)]
    assert lost.key_id not in run.keys.keys
    assert run.key.minting is None


def test_a_lost_key_is_searched_for_and_deleted_also_where_nothing_else_is_due(run: Run) -> None:
    change(run.store, unfound=(intent(run),))
    run.keys.put("id-lost", "sk_lost_0123456789", name=intent(run).name)
    assert run() == []
    assert run.keys.values == {"id-old": OLD, "id-new": NEW}
    assert run.key.unfound == ()


def test_a_lost_key_that_cannot_be_searched_for_is_reported_and_ends_the_tasks(run: Run) -> None:
    change(run.store, unfound=(intent(run),))
    run.keys.before["list"] = UNSENT
    assert said(run()) == [(Task.RESUME, None, ManagementUnavailable)]
    assert said(run(Task.RETIRE, Task.MINT)) == [(Task.RETIRE, None, ManagementUnavailable)]
    assert run.store.held() == Held(NEW, None, OLD)


def test_without_an_api_lost_keys_are_not_searched_for(run: Run) -> None:
    change(run.store, unfound=(intent(run),))
    assert run(tools=TaskTools(run.test)) == []


def test_only_a_test_is_needed_to_retire_a_previous_key_of_unknown_id(run: Run) -> None:
    known = run.key
    unknown = structs.replace(known, versions=tuple(structs.replace(v, at_provider=None) for v in known.versions))
    assert DueKey(unknown, (Task.RETIRE,)).needs_test_alone
    for due in (
        DueKey(known, (Task.RETIRE,)), DueKey(unknown, (Task.RETIRE,), is_lost_looked_for=True),
        DueKey(unknown, (Task.RETIRE, Task.MINT)), DueKey(unknown, (Task.MINT,)),
    ):  # fmt: skip
        assert not due.needs_test_alone
    assert (DueKey(known, ()).first, DueKey(known, (Task.MINT,)).first) == (Task.RESUME, Task.MINT)
