"""The memory of where audit trails ended: it only moves on, is written whole or not at all, and hides no rollback."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kojikey.config.known_trails import KnownTrailFile
from kojikey.model.errors import AuditBroken, FileUnwritable, RecordChanged
from kojikey.model.trail_end import TrailEnd
from kojikey.operations.audit import audit_verification
from kojikey.operations.results import AuditResult
from support.faulty import Crash, FaultyStore
from support.sample_store import ACCOUNT, ADAPTERS, THIRD, SampleStore

DYING = str(Path(__file__).parents[1] / "stores" / "dying.py")
OTHER, STORE, TIME = "other", "a store", "2026-11-23T04:47:00Z"
EARLY, LATE = TrailEnd(3, "a" * 64, TIME), TrailEnd(5, "b" * 64, "")


@pytest.fixture
def sample_store(tmp_path: Path) -> SampleStore:
    """Return a store with two accounts."""
    sample_store = SampleStore.made(ADAPTERS["sqlite"](tmp_path))
    for account in (ACCOUNT, OTHER):
        sample_store.add(account=account)
    return sample_store


def memory(folder: Path, store_id: str = STORE) -> KnownTrailFile:
    return KnownTrailFile(str(folder / "data"), store_id, None)


def remembered(folder: Path, store_id: str = STORE) -> dict[str, TrailEnd | None]:
    with closing(memory(folder, store_id)) as known:
        return {account: known.recall(account) for account in known.accounts()}


def remember(folder: Path, account: str, end: TrailEnd, store_id: str = STORE) -> None:
    with closing(memory(folder, store_id)) as known:
        known.remember(account, end)


# the file


@pytest.mark.parametrize("order", [(EARLY, LATE), (LATE, EARLY)])
def test_the_later_of_two_ends_stays_in_whichever_order_they_are_written(
    tmp_path: Path, order: tuple[TrailEnd, TrailEnd]
) -> None:
    for end in order:
        remember(tmp_path, ACCOUNT, end)
    assert remembered(tmp_path) == {ACCOUNT: LATE}


def test_of_two_concurrent_processes_the_later_end_stays(tmp_path: Path) -> None:
    with closing(memory(tmp_path)) as one, closing(memory(tmp_path)) as other:
        assert one.recall(ACCOUNT) is other.recall(ACCOUNT) is None
        one.remember(ACCOUNT, LATE)
        other.remember(ACCOUNT, EARLY)
        other.remember(OTHER, EARLY)
    assert remembered(tmp_path) == {ACCOUNT: LATE, OTHER: EARLY}


def test_accepting_a_rollback_replaces_an_end_by_an_earlier_one_or_forgets_it(tmp_path: Path) -> None:
    remember(tmp_path, ACCOUNT, LATE)
    with closing(memory(tmp_path)) as known:
        known.replace(ACCOUNT, EARLY)
        assert known.recall(ACCOUNT) == EARLY
        known.replace(ACCOUNT, None)
        assert known.recall(ACCOUNT) is None


def test_accounts_without_another_error_are_accepted_as_they_are(tmp_path: Path) -> None:
    back, gone, also = (AuditBroken(account, 5, "is missing") for account in ("back", "gone", "also"))
    changed = RecordChanged("account/also")
    found = AuditResult(
        (), verified=("fine",), last_events={"fine": 9}, unsigned=1, lost=2,
        broken={"back": (back,), "gone": (gone,), "also": (also, changed), "": (changed,)},
        rolled_back={"back": EARLY, "gone": None, "also": EARLY},
    )  # fmt: skip
    for account in ("back", "gone", "also"):
        remember(tmp_path, account, LATE)
    with closing(memory(tmp_path)) as known:
        accepted = audit_verification.accept(known, found)
    assert remembered(tmp_path) == {"back": EARLY, "also": LATE}
    assert (accepted.accepted, accepted.verified) == (("back", "gone"), ("back", "fine"))
    assert accepted.last_events == {"fine": 9, "back": EARLY.seq}
    assert accepted.broken == {"also": (also, changed), "": (changed,)}
    assert accepted.rolled_back == {"also": EARLY}
    assert (accepted.unsigned, accepted.lost) == (1, 2)


def test_each_store_has_its_own_remembered_ends(tmp_path: Path) -> None:
    hostile = "../../\x1b[31m\ud800" + "x" * 5000
    for store_id, end in ((STORE, EARLY), (hostile, LATE)):
        remember(tmp_path, ACCOUNT, end, store_id)
    assert remembered(tmp_path) == {ACCOUNT: EARLY}
    assert remembered(tmp_path, hostile) == {ACCOUNT: LATE}
    assert [path.parent for path in tmp_path.rglob("*.db")] == [tmp_path / "data" / "known-trails"] * 2


def test_without_an_end_to_remember_no_file_is_written(tmp_path: Path) -> None:
    assert remembered(tmp_path) == {}
    assert not (tmp_path / "data").exists()


def test_an_end_that_is_remembered_already_is_not_written_again(tmp_path: Path) -> None:
    remember(tmp_path, ACCOUNT, EARLY)
    said: list[str] = []
    known = KnownTrailFile(str(tmp_path / "data"), STORE, said.append)
    with closing(known), closing(sqlite3.connect(known.path, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM trails").fetchall() == [(1,)]
        end = known.recall(ACCOUNT)
        assert end == EARLY
        before = Path(known.path).stat().st_mtime_ns
        known.remember(ACCOUNT, end)
        known.close()
        assert (said, Path(known.path).stat().st_mtime_ns) == ([], before)


def test_a_batch_of_ends_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    said: list[str] = []
    known = KnownTrailFile(str(tmp_path / "data"), STORE, said.append)
    known.remember(ACCOUNT, EARLY)
    known.remember(OTHER, TrailEnd(3, [], ""))  # type: ignore[arg-type]
    known.close()
    assert len(said) == 1
    assert remembered(tmp_path) == {}


def test_an_end_that_cannot_be_replaced_is_an_error_and_stays(tmp_path: Path) -> None:
    remember(tmp_path, ACCOUNT, LATE)
    with closing(memory(tmp_path)) as known:
        with pytest.raises(FileUnwritable):
            known.replace(ACCOUNT, TrailEnd(3, [], ""))  # type: ignore[arg-type]
        assert known.recall(ACCOUNT) == LATE


def test_an_empty_file_left_by_a_killed_process_is_used(tmp_path: Path) -> None:
    path = Path(memory(tmp_path).path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert remembered(tmp_path) == {}
    remember(tmp_path, ACCOUNT, EARLY)
    assert remembered(tmp_path) == {ACCOUNT: EARLY}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_process_killed_at_any_step_has_written_all_ends_or_none(tmp_path: Path, is_there: bool) -> None:
    seen = set()
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        if is_there:
            remember(folder, ACCOUNT, EARLY)
        died = subprocess.run(
            [sys.executable, DYING, "remember", str(folder / "data"), str(step)], capture_output=True, check=False
        )
        assert died.returncode in {0, -signal.SIGKILL}, died.stderr.decode()
        ends = remembered(folder)
        assert ends.get(ACCOUNT) == (EARLY if is_there else None)
        seen.add(len(ends) - is_there)
        assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / "data").rglob("*"))
        if died.returncode == 0:
            break
        remember(folder, OTHER, EARLY)  # what is left does not hinder the next
        assert OTHER in remembered(folder)
    assert seen == {0, 1000}
    assert step > 5


# verifying with it


def verify(sample_store: SampleStore, known: KnownTrailFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Verify all accounts; return those that are whole, and those that were rolled back."""
    result = audit_verification.verify(sample_store.open_store(), account=None, known=known)
    return result.verified, tuple(result.rolled_back)


def test_a_verification_that_is_interrupted_keeps_what_it_verified(sample_store: SampleStore, tmp_path: Path) -> None:
    for at in itertools.count(1):
        store = FaultyStore(sample_store.opener(), Crash(), at=at, reads=True)
        with closing(memory(tmp_path, f"store {at}")) as known, suppress(Crash):
            audit_verification.verify(sample_store.open_store(store), account=None, known=known)
        assert set(remembered(tmp_path, f"store {at}")) in [set(), {ACCOUNT}, {ACCOUNT, OTHER}]
        if not store.fired:
            break
    assert set(remembered(tmp_path, f"store {at}")) == {ACCOUNT, OTHER}
    assert {len(remembered(tmp_path, f"store {number}")) for number in range(1, at)} == {0, 1, 2}


@pytest.mark.parametrize("verb", ["read", "events", "scan"])
def test_events_that_another_process_adds_and_remembers_meanwhile_are_not_a_rollback(
    sample_store: SampleStore, tmp_path: Path, verb: str
) -> None:
    open_store = sample_store.open_store()
    act = getattr(open_store.store, verb)
    turns = [THIRD]

    def meanwhile(*arguments: object) -> object:
        found = act(*arguments)
        found = iter(list(found)) if verb != "read" else found
        if turns and arguments and ACCOUNT in str(arguments):
            sample_store.rotate(turns.pop())
            with closing(memory(tmp_path, open_store.store_id)) as theirs:
                assert verify(sample_store, theirs)[0] == (ACCOUNT, OTHER)
        return found

    setattr(open_store.store, verb, meanwhile)
    with closing(memory(tmp_path, open_store.store_id)) as known:
        result = audit_verification.verify(open_store, account=None, known=known)
    assert (result.verified, dict(result.rolled_back), turns) == ((ACCOUNT, OTHER), {}, [])
    end = remembered(tmp_path, open_store.store_id)[ACCOUNT]
    assert end is not None
    assert end.seq == len(sample_store.events())


def test_only_the_end_of_an_account_without_errors_is_remembered(sample_store: SampleStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "keys.db")) as database, database:
        database.execute("UPDATE keys SET document = replace(document, '://', '://x') WHERE account = ?", (OTHER,))
    with closing(memory(tmp_path)) as known:
        assert verify(sample_store, known) == ((ACCOUNT,), ())
    assert set(remembered(tmp_path)) == {ACCOUNT}


def test_accounts_that_a_role_cannot_see_do_not_count_as_missing(
    sample_store: SampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, "elsewhere", EARLY)
    with closing(memory(tmp_path)) as known:
        assert verify(sample_store, known) == ((ACCOUNT, OTHER), ("elsewhere",))
        monkeypatch.setattr("kojikey.stores.sqlite.store.SqliteStore.sees_every_account", lambda _: False)
        assert verify(sample_store, known) == ((ACCOUNT, OTHER), ())


@pytest.mark.parametrize("time", ["soon", "", None, 3, "\x1b[31m"])
def test_an_event_without_a_time_is_remembered_without_one(time: object) -> None:
    end = audit_verification._End(seq=3, mac="a" * 64, time=time).as_remembered()
    assert end == TrailEnd(3, "a" * 64, "")


@pytest.mark.parametrize("link", ["", "a" * 63, "a" * 65, "A" * 64, "\x1b" * 64])
def test_a_malformed_link_is_not_remembered(link: str) -> None:
    assert audit_verification._End(seq=3, mac=link, time=TIME).as_remembered() is None
