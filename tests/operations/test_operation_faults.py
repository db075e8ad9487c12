"""Any failure at any step leaves a key as before or as after the step, and running the operation again finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from kojikey.model.errors import ChangedMeanwhile, KeyExists, KeyNotFound, KojikeyError, StoreFull, VersionNotFound
from kojikey.model.key import Stage
from kojikey.model.ref import Ref, account_ref, key_ref
from kojikey.model.verdict import Reason
from kojikey.operations import outcomes, removing, revealing
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import accounts, creating, rekeying
from kojikey.stores.base import Store
from support import rotation
from support.faulty import Crash, FaultyStore
from support.sample_store import (
    ACCOUNT,
    ADAPTERS,
    FIRST_KEK,
    KEKS,
    MOMENTS,
    NEW,
    OLD,
    PROVIDER,
    SECOND_KEK,
    FakeTester,
    Held,
    SampleStore,
    no,
    verdict,
)

Act = Callable[[SampleStore, OpenStore], object]


@dataclass(frozen=True)
class Operation:
    """An operation, what the store is like before it, the states it may leave, and the one it ends in when finished."""

    name: str
    prepare: Callable[[SampleStore], object]
    act: Act
    states: tuple[Held | None, ...]
    finish: Act | None = None  # where it is not just to run it again
    done: tuple[type[KojikeyError], ...] = ()  # what running it again says where it was done already
    environ: tuple[tuple[str, str], ...] = tuple(KEKS.items())


def _rotated(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()


def _staged(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()


def _rotation(reason: Reason) -> Act:
    def act(sample_store: SampleStore, open_store: OpenStore) -> None:
        sample_store.rotate(open_store=open_store, test=FakeTester(reason))

    return act


def _resumption(reason: Reason) -> Act:
    def act(_: SampleStore, open_store: OpenStore) -> None:
        rotation.resume(open_store, account=ACCOUNT, provider=PROVIDER, test=FakeTester(reason), approve=no)

    return act


def _finished_rotation(reason: Reason) -> Act:
    """Do what the message says: resume where something is staged, rotate again where nothing changed."""

    def act(sample_store: SampleStore, open_store: OpenStore) -> None:
        key = sample_store.key()
        assert key is not None
        if key.version(Stage.STAGED):
            _resumption(reason)(sample_store, open_store)
        else:
            _rotation(reason)(sample_store, open_store)

    return act


def _keep(_: SampleStore, open_store: OpenStore) -> None:
    stored = open_store.find_key(ACCOUNT, PROVIDER)
    assert stored is not None
    outcomes.keep_outcome(open_store, stored, 1, verdict(Reason.BILLING))


def _step(step: Callable[..., object], **more: object) -> Act:
    return lambda _, open_store: step(open_store, account=ACCOUNT, provider=PROVIDER, **more)


OPERATIONS = (
    Operation(
        "add",
        lambda _: None,
        lambda v, c: v.add(open_store=c, test=FakeTester()),
        (None, Held(OLD)),
        done=(KeyExists,),
    ),
    Operation(
        "add a second key of the account",
        lambda v: v.add(provider="google_gemini"),
        lambda v, c: v.add(open_store=c),
        (None, Held(OLD)),
        done=(KeyExists,),
    ),
    Operation(
        "rotate to a good key",
        SampleStore.add,
        _rotation(Reason.OK),
        (Held(OLD), Held(OLD, NEW), Held(NEW, None, OLD)),
        finish=_finished_rotation(Reason.OK),
    ),
    Operation(
        "rotate to a rejected key",
        SampleStore.add,
        _rotation(Reason.INVALID_KEY),
        (Held(OLD), Held(OLD, NEW), Held(OLD)),
        finish=_finished_rotation(Reason.INVALID_KEY),
    ),
    Operation(
        "rotate to a key that cannot be judged",
        SampleStore.add,
        _rotation(Reason.TIMEOUT),
        (Held(OLD), Held(OLD, NEW)),
        finish=_finished_rotation(Reason.TIMEOUT),
    ),
    Operation(
        "rotate a third time",
        _rotated,
        lambda v, c: v.rotate(OLD, open_store=c, test=FakeTester()),
        (Held(NEW, None, OLD), Held(NEW, OLD, OLD), Held(OLD, None, NEW)),
        finish=lambda v, c: (
            _resumption(Reason.OK)(v, c)
            if (found := v.held()) and found.staged
            else v.rotate(OLD, open_store=c, test=FakeTester())
        ),
    ),
    Operation(
        "resume",
        _staged,
        _resumption(Reason.OK),
        (Held(OLD, NEW), Held(NEW, None, OLD)),
        done=(VersionNotFound,),
    ),
    Operation(
        "resume with a rejected key",
        _staged,
        _resumption(Reason.REVOKED),
        (Held(OLD, NEW), Held(OLD)),
        done=(VersionNotFound,),
    ),
    Operation("abort", _staged, _step(rotation.abort), (Held(OLD, NEW), Held(OLD)), done=(VersionNotFound,)),
    Operation(
        "roll back",
        _rotated,
        _step(rotation.rollback, test=FakeTester(), approve=no),
        (Held(NEW, None, OLD), Held(OLD, None, NEW)),
        finish=lambda v, c: (
            _step(rotation.rollback, test=None, approve=no)(v, c) if (found := v.held()) and found.current == NEW else 0
        ),
    ),
    Operation(
        "retire a dead key",
        _rotated,
        _step(rotation.retire, test=FakeTester(Reason.INVALID_KEY)),
        (Held(NEW, None, OLD), Held(NEW)),
        done=(VersionNotFound,),
    ),
    Operation(
        "retire a key that works",
        _rotated,
        _step(rotation.retire, test=FakeTester()),
        (Held(NEW, None, OLD),),
    ),
    Operation("remove", _rotated, _step(removing.remove), (Held(NEW, None, OLD), None), done=(KeyNotFound,)),
    Operation(
        "remove without the KEK",
        _rotated,
        _step(removing.remove),
        (Held(NEW, None, OLD), None),
        done=(KeyNotFound,),
        environ=(),
    ),
    Operation("test", SampleStore.add, _keep, (Held(OLD),)),
    Operation("reveal", SampleStore.add, _step(revealing.reveal), (Held(OLD),)),
    Operation(
        "disable the account",
        SampleStore.add,
        lambda _, c: accounts.set_disabled(c, account=ACCOUNT, disabled=True),
        (Held(OLD),),
    ),
)


@pytest.fixture(params=OPERATIONS, ids=[operation.name.replace(" ", "-") for operation in OPERATIONS])
def operation(request: pytest.FixtureRequest) -> Operation:
    found: Operation = request.param
    return found


@pytest.fixture(params=["crash", "error"])
def error(request: pytest.FixtureRequest) -> BaseException:
    return Crash() if request.param == "crash" else StoreFull("there", "has no room left; the change was not made")


def run(operation: Operation, sample_store: SampleStore, store: Store) -> None:
    operation.act(sample_store, sample_store.open_store(store, environ=dict(operation.environ)))


def faults(
    operation: Operation, folder: Path, adapter: str, error: BaseException, *, after: bool, reads: bool
) -> Iterator[SampleStore]:
    """Yield the vault after a fault at the first step, at the second, and so on to the last."""
    for step in count(1):
        place = folder / str(step)
        place.mkdir()
        sample_store = prepared(operation, adapter, place)
        store = FaultyStore(sample_store.opener(), error, at=step, after=after, reads=reads)
        with suppress(Crash, StoreFull):
            run(operation, sample_store, store)
        if not store.fired:
            assert step > 1, "the operation took no step, and this test showed nothing"
            return
        yield sample_store


def prepared(operation: Operation, adapter: str, place: Path) -> SampleStore:
    if adapter == "sqlite":
        return SampleStore.filled(place, operation.prepare)
    sample_store = SampleStore.made(ADAPTERS[adapter](place))
    operation.prepare(sample_store)
    return sample_store


@pytest.mark.parametrize("after", [False, True], ids=["before-the-commit", "after-the-commit"])
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_a_fault_at_any_commit_leaves_the_old_or_the_new_state(
    operation: Operation, adapter: str, error: BaseException, after: bool, tmp_path: Path
) -> None:
    reached = []
    for sample_store in faults(operation, tmp_path, adapter, error, after=after, reads=False):
        held = sample_store.held()
        assert held in operation.states
        reached.append(operation.states.index(held))
        sample_store.verify()
    if len(set(operation.states)) == len(operation.states):
        assert reached == sorted(reached)
    assert after or reached[0] == 0


@pytest.mark.parametrize("after", [False, True], ids=["before-the-commit", "after-the-commit"])
def test_a_failed_operation_is_finished_by_running_it_again(
    operation: Operation, error: BaseException, after: bool, tmp_path: Path
) -> None:
    for sample_store in faults(operation, tmp_path, "memory", error, after=after, reads=False):
        finish = operation.finish or operation.act
        try:
            finish(sample_store, sample_store.open_store(environ=dict(operation.environ)))
        except operation.done:
            assert after
        assert sample_store.held() == operation.states[-1]
        sample_store.verify()


def test_a_fault_at_any_read_leaves_no_half_made_change(
    operation: Operation, error: BaseException, tmp_path: Path
) -> None:
    for sample_store in faults(operation, tmp_path, "memory", error, after=False, reads=True):
        assert sample_store.held() in operation.states
        sample_store.verify()


def test_a_lost_race_for_the_audit_trail_is_repeated(operation: Operation, tmp_path: Path) -> None:
    lost = ChangedMeanwhile(account_ref(ACCOUNT))
    for sample_store in faults(operation, tmp_path, "memory", lost, after=False, reads=False):
        assert sample_store.held() == operation.states[-1]
        sample_store.verify()


@pytest.mark.parametrize("name", ["resume", "abort", "roll back", "retire a dead key", "test", "rotate to a good key"])
def test_a_test_recorded_meanwhile_does_not_stop_a_step(name: str, tmp_path: Path) -> None:
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    lost = ChangedMeanwhile(key_ref(ACCOUNT, PROVIDER))
    for sample_store in faults(operation, tmp_path, "memory", lost, after=False, reads=False):
        assert sample_store.held() == operation.states[-1]


@pytest.mark.parametrize("ref", [account_ref(ACCOUNT), Ref("header")], ids=str)
def test_losing_every_race_is_a_conflict_and_changes_nothing(sample_store: SampleStore, ref: Ref) -> None:
    class Contended(FaultyStore):
        def _commit(self, changes: object, events: object) -> tuple[str, ...]:
            raise ChangedMeanwhile(ref)

    with pytest.raises(ChangedMeanwhile):
        sample_store.add(open_store=sample_store.open_store(Contended(sample_store.opener(), Crash())))
    assert sample_store.held() is None
    assert sample_store.events() == []


# making a store


def sources(folder: Path) -> dict[str, str]:
    return {"env": "env", "file": f"file:{folder / 'kek'}"}


@pytest.mark.parametrize("source", ["env", "file"])
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_after_a_failed_creation_the_store_can_be_created_or_exists_and_opens(
    source: str, adapter: str, after: bool, error: BaseException, tmp_path: Path
) -> None:
    sample_store = SampleStore(ADAPTERS[adapter](tmp_path))
    made_from = sources(tmp_path)[source]
    with pytest.raises((Crash, StoreFull)):
        creating.create(
            FaultyStore(sample_store.opener(), error, at=1, after=after), source=made_from, inputs=sample_store.inputs()
        )
    if not after:
        creating.create(sample_store.opener(), source=made_from, inputs=sample_store.inputs())
    header = sample_store.opener().open().document
    assert creating.difference(sample_store.opener(), header, source=made_from) is None
    sample_store.add()
    assert sample_store.held() == Held(OLD)


# re-keying


def rekey(sample_store: SampleStore, store: Store | None = None) -> None:
    rekeying.rekey(sample_store.open_store(store), source="env:NEW_KEK", new_inputs=sample_store.inputs())


@pytest.mark.parametrize("after", [False, True], ids=["before-the-commit", "after-the-commit"])
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_a_fault_at_any_commit_of_a_rekeying_leaves_every_key_readable_and_the_next_one_finishes(
    adapter: str, after: bool, error: BaseException, tmp_path: Path
) -> None:
    names = ("one", "two", "three")
    for step in range(1, 6):  # announced, three accounts, concluded
        (tmp_path / str(step)).mkdir()
        sample_store = SampleStore.made(ADAPTERS[adapter](tmp_path / str(step)))
        for name in names:
            sample_store.add(account=name)
        with pytest.raises((Crash, StoreFull)):
            rekey(sample_store, FaultyStore(sample_store.opener(), error, at=step, after=after))
        assert [sample_store.held(name) for name in names] == [Held(OLD)] * 3
        sample_store.verify()
        sample_store.add(account="four")
        rekey(sample_store)
        sample_store.environ = dict(SECOND_KEK)
        assert [sample_store.held(name) for name in (*names, "four")] == [Held(OLD)] * 4
        assert [sample_store.actions(name).count("rekeyed") for name in names] == [1] * 3
        sample_store.verify()
        sample_store.environ = dict(FIRST_KEK)
        with pytest.raises(KojikeyError):
            sample_store.held("one")


def test_a_rekeying_has_as_many_commits_as_the_tests_kill(sample_store: SampleStore) -> None:
    for name in ("one", "two", "three"):
        sample_store.add(account=name)
    store = FaultyStore(sample_store.opener(), Crash())
    rekey(sample_store, store)
    assert store.steps == 5


def test_an_outcome_is_saved_with_the_time_of_the_test(sample_store: SampleStore) -> None:
    sample_store.add(test=FakeTester(at=MOMENTS[1]))
    key = sample_store.key()
    assert key is not None
    assert key.current.last_test is not None
    assert key.current.last_test.tested_at == MOMENTS[1]
