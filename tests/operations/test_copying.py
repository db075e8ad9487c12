"""Copying into another store: re-sealed and read back, in order and once, the source untouched."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from kojikey.model.errors import (
    AccountNotFound,
    CannotOpen,
)
from kojikey.model.ref import account_ref, key_ref
from kojikey.operations import outcomes, removing
from kojikey.operations.key_records import key_of
from kojikey.operations.resolving import resolve
from kojikey.operations.store_admin import accounts
from kojikey.operations.store_admin.copying import copy
from kojikey.sealing.audit_chain import unsigned_link
from kojikey.stores.base import Change
from support import rotation
from support.copies import GEMINI, OTHER, ROUTES, SETTINGS, Make, actions, copied, everything, fill, same, written
from support.faulty import Crash, FaultyStore
from support.sample_store import ACCOUNT, ADAPTERS, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, SampleStore, yes

# what a copy is


def test_every_version_and_setting_is_copied_and_sealed_again(source: SampleStore, target: SampleStore) -> None:
    fill(source)
    before = everything(source)
    assert actions(copied(source, target)) == {
        (ACCOUNT, PROVIDER): "copied",
        (ACCOUNT, GEMINI): "copied",
        (OTHER, PROVIDER): "copied",
    }
    assert everything(source) == before
    same(source, target)
    assert target.held() == Held(NEW, staged=THIRD, previous=OLD)
    key = target.key()
    assert key is not None
    assert (key.label, key.models, key.capabilities) == ("night shift", ("eleven_v3",), SETTINGS.capabilities)
    assert [v.pending is not None for v in key.versions] == [False, False, True]
    assert [v.last_test.reason for v in key.versions if v.last_test] == ["ok", "missing_permission", "unreachable"]
    ours = source.key()
    assert ours is not None
    for mine, theirs in zip(ours.versions, key.versions, strict=True):
        assert mine.sealed != theirs.sealed
        assert mine.fingerprint != theirs.fingerprint


def test_nothing_of_the_source_s_sealing_is_in_the_target(one: SampleStore, two: SampleStore) -> None:
    fill(one)
    copied(one, two)
    stored = one.opener().read(account_ref(ACCOUNT))
    key = one.key()
    assert stored is not None
    assert key is not None
    found = str(everything(two))
    for sealed in (stored.document["wrapped"], *(version.sealed for version in key.versions)):
        assert sealed not in found


def test_events_are_copied_in_order_with_their_origin_and_each_key_has_a_copied_event(
    source: SampleStore, target: SampleStore
) -> None:
    fill(source)
    copied(source, target)
    ours, theirs = source.events(), target.events()
    assert [written(event) for event in theirs[: len(ours)]] == [written(event) for event in ours]
    origin = [{"store": source.open_store().store_id, "seq": event["seq"]} for event in ours]
    assert [event["origin"] for event in theirs[: len(ours)]] == origin
    key = target.key()
    assert key is not None
    assert [(e["action"], e["provider"]) for e in theirs[len(ours) :]] == [("copied", PROVIDER), ("copied", GEMINI)]
    assert theirs[len(ours)]["fingerprint"] == key.current.fingerprint
    assert [event["seq"] for event in theirs] == list(range(1, len(ours) + 3))


def test_a_staged_version_that_was_copied_can_be_promoted_there_with_its_settings(
    one: SampleStore, two: SampleStore
) -> None:
    fill(one)
    copied(one, two)
    rotation.resume(two.open_store(), account=ACCOUNT, provider=PROVIDER, test=FakeTester(), approve=yes)
    key = two.key()
    assert key is not None
    assert (two.held(), key.label) == (Held(THIRD, previous=NEW), "day shift")
    assert (key.rotate_after_days, key.models) == (7, ("eleven_v4",))


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
def test_copying_through_several_stores_and_back_changes_only_the_trail(make: Make, route: tuple[str, ...]) -> None:
    stops = [make(place) for place in route]
    first = stops[0]
    fill(first)
    keys, told = list(first.opener().scan()), [written(event) for event in first.events()]
    for here, there in itertools.pairwise(stops):
        assert set(actions(copied(here, there)).values()) == {"copied"}
        same(here, there)
    assert set(actions(copied(stops[-1], first)).values()) == {"already"}
    same(stops[-1], first)
    assert list(first.opener().scan()) == keys
    events = first.events()
    assert [written(event) for event in events[: len(told)]] == told
    came = [(event["origin"]["store"], event["origin"]["seq"]) for event in events[len(told) :]]
    assert len(came) == len(set(came)) == 2 * (len(stops) - 1)  # what was copied at each stop, once

    before = [everything(stop) for stop in stops]
    for here, there in itertools.pairwise([*stops, *stops]):
        copied(here, there)
    for stop, was in zip(stops, before, strict=True):
        new = stop.events()[len([e for e in was["events"] if e["account"] == ACCOUNT]) :]  # type: ignore[attr-defined]
        assert not [e for e in new if e.get("origin", {}).get("store") == first.open_store().store_id]
        origins = [(e["origin"]["store"], e["origin"]["seq"]) for e in stop.events() if "origin" in e]
        assert len(origins) == len(set(origins))
        stop.verify()


# dry runs, repetitions, and what is there already


def test_a_dry_run_has_the_same_results_and_writes_nothing(source: SampleStore, target: SampleStore) -> None:
    fill(source)
    before = everything(source), everything(target)
    results = copied(source, target, dry_run=True)
    assert (everything(source), everything(target)) == before
    assert {place: "copied" for place, action in actions(results).items() if action == "would_copy"} == actions(
        copied(source, target)
    )
    after = everything(target)
    assert set(actions(copied(source, target, dry_run=True)).values()) == {"already"}
    assert everything(target) == after


def test_a_dry_run_changes_no_file_and_a_copy_does_not_change_the_source(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (SampleStore.made(ADAPTERS["sqlite"](tmp_path / name)) for name in "ab")
    fill(one)

    def files(*names: str) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for name in names for path in sorted((tmp_path / name).iterdir())}

    before = files("a", "b")
    copied(one, two, dry_run=True)
    assert files("a", "b") == before
    copied(one, two)
    assert files("a") == {path: content for path, content in before.items() if "/a/" in path}
    assert files("b") != {path: content for path, content in before.items() if "/b/" in path}


def test_repeating_a_copy_changes_nothing(source: SampleStore, target: SampleStore) -> None:
    fill(source)
    copied(source, target)
    before = everything(target)
    assert set(actions(copied(source, target)).values()) == {"already"}
    assert everything(target) == before


def test_repeating_a_copy_copies_new_keys_and_events(source: SampleStore, target: SampleStore) -> None:
    source.add()
    copied(source, target)
    source.rotate()
    source.add(THIRD, provider=GEMINI)
    assert actions(copied(source, target)) == {(ACCOUNT, PROVIDER): "copied", (ACCOUNT, GEMINI): "copied"}
    assert target.held() == Held(NEW, previous=OLD)
    assert target.actions() == ["added", "copied", "staged", "promoted", "added", "copied", "copied"]
    target.verify()


def test_another_key_in_the_target_is_a_conflict_and_is_unchanged(source: SampleStore, target: SampleStore) -> None:
    fill(source)
    target.add("sk_another_key_0123456789")
    before = target.key()
    for dry_run in (True, False):
        found = actions(copied(source, target, dry_run=dry_run))
        assert found.pop((ACCOUNT, PROVIDER)) == "conflict"
        assert set(found.values()) == {"would_copy" if dry_run else "copied"}
    assert target.key() == before
    target.verify()


def test_the_same_key_added_to_the_target_by_hand_is_not_a_conflict(source: SampleStore, target: SampleStore) -> None:
    source.add()
    target.add()
    before = target.key()
    assert actions(copied(source, target)) == {(ACCOUNT, PROVIDER): "already"}
    assert target.key() == before


def test_a_copied_key_that_was_changed_in_the_target_is_not_overwritten(
    source: SampleStore, target: SampleStore
) -> None:
    source.add()
    copied(source, target)
    target.rotate(THIRD)
    source.rotate(NEW)
    assert actions(copied(source, target)) == {(ACCOUNT, PROVIDER): "conflict"}
    assert target.held() == Held(THIRD, previous=OLD)


def test_of_a_key_copied_from_two_stores_the_first_copy_stays(make: Make) -> None:
    first, second, target = (make(place) for place in ("sqlite", "memory", "sqlite"))
    first.add(OLD)
    second.add(NEW)
    copied(first, target)
    assert actions(copied(second, target)) == {(ACCOUNT, PROVIDER): "conflict"}
    assert target.held() == Held(OLD)


def test_only_named_accounts_are_copied(source: SampleStore, target: SampleStore) -> None:
    fill(source)
    source.add(account="initech")
    assert {account for account, _ in actions(copied(source, target, OTHER, OTHER))} == {OTHER}
    assert [stored.ref.account for stored in target.opener().accounts()] == [OTHER]


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_unknown_account_stops_the_copy_before_it_begins(one: SampleStore, two: SampleStore, dry_run: bool) -> None:
    fill(one)
    accounts.remove_account(one.open_store(), account=OTHER)
    before = everything(two)
    for unknown in ("initech", OTHER):
        with pytest.raises(AccountNotFound):
            copied(one, two, ACCOUNT, unknown, dry_run=dry_run)
    assert everything(two) == before


# disabled and removed accounts


def test_a_disabled_account_is_disabled_in_the_target(source: SampleStore, target: SampleStore) -> None:
    source.add()
    accounts.set_disabled(source.open_store(), account=ACCOUNT, disabled=True)
    copied(source, target)
    assert resolve(target.open_store(), account=ACCOUNT, provider=PROVIDER).source == "built_in"
    assert target.actions() == ["added", "disabled", "disabled", "copied"]
    before = everything(target)
    copied(source, target)
    assert everything(target) == before
    accounts.set_disabled(target.open_store(), account=ACCOUNT, disabled=False)
    assert target.held() == Held(OLD)


def test_a_copied_key_of_a_disabled_account_is_never_in_use_in_the_target(one: SampleStore, make: Make) -> None:
    one.add()
    accounts.set_disabled(one.open_store(), account=ACCOUNT, disabled=True)
    for at in itertools.count(1):
        target = make("memory")
        faulty = FaultyStore(target.opener(), Crash(), at=at)
        try:
            copied(one, target, into=faulty)
        except Crash:
            assert resolve(target.open_store(), account=ACCOUNT, provider=PROVIDER).source == "built_in"
            continue
        break
    assert at > 3


def test_a_removed_account_is_left_out(source: SampleStore, target: SampleStore) -> None:
    source.add()
    source.add(account=OTHER)
    accounts.remove_account(source.open_store(), account=ACCOUNT)
    assert set(actions(copied(source, target))) == {(OTHER, PROVIDER)}
    assert target.events() == []


def test_an_account_removed_in_the_target_is_copied_again_and_its_events_once(
    one: SampleStore, two: SampleStore
) -> None:
    one.add()
    copied(one, two)
    accounts.remove_account(two.open_store(), account=ACCOUNT)
    assert actions(copied(one, two)) == {(ACCOUNT, PROVIDER): "copied"}
    assert two.held() == Held(OLD)
    assert two.actions() == ["added", "copied", "removed", "copied"]
    assert two.verify().lost == 3


def test_an_unsigned_or_lost_event_stays_marked_in_the_copy(make: Make) -> None:
    one, two, three = (make(place) for place in ("sqlite", "memory", "sqlite"))
    one.add()
    accounts.remove_account(one.open_store(environ={}), account=ACCOUNT)
    one.add(NEW)
    removing.remove(one.open_store(environ={}), account=ACCOUNT, provider=PROVIDER)
    one.add(THIRD)
    expected = one.verify()
    assert (expected.unsigned, expected.lost) == (2, 2)
    for here, there in ((one, two), (two, three)):
        copied(here, there)
        result = there.verify()
        assert (result.unsigned, result.lost) == (2, 2)


def test_the_origin_of_an_unsigned_event_is_not_believed(one: SampleStore, two: SampleStore) -> None:
    one.add()
    stored = one.opener().read(account_ref(ACCOUNT))
    (first,) = one.opener().events(ACCOUNT)
    assert stored is not None
    forged = {**first, "seq": 2, "action": "removed", "signed": False, "origin": {"store": "elsewhere", "seq": 10**9}}
    forged["provider"] = GEMINI  # of a key that is there it would not be believed
    forged["mac"] = unsigned_link(first["mac"], forged)
    audit = {**stored.document["audit"], "seq": 2, "mac": forged["mac"]}
    one.opener().commit((Change(stored.ref, {**stored.document, "audit": audit}, stored.revision),), (forged,))
    copied(one, two)
    assert two.events()[1]["origin"] == {"store": one.open_store().store_id, "seq": 2, "unsigned": True}


@pytest.mark.parametrize("member", ["provider", "time", "actor"])
def test_an_unsigned_event_without_a_member_is_an_error_of_kojikey(
    one: SampleStore, two: SampleStore, member: str
) -> None:
    one.add()
    stored = one.opener().read(account_ref(ACCOUNT))
    (first,) = one.opener().events(ACCOUNT)
    assert stored is not None
    forged = {**first, "seq": 2, "action": "granted", "signed": False}
    del forged[member]
    forged["mac"] = unsigned_link(first["mac"], forged)
    audit = {**stored.document["audit"], "seq": 2, "mac": forged["mac"]}
    one.opener().commit((Change(stored.ref, {**stored.document, "audit": audit}, stored.revision),), (forged,))
    with pytest.raises(CannotOpen):
        copied(one, two)
    assert list(two.opener().accounts()) == []


# many


def test_keys_are_copied_lazily_as_results_are_read(one: SampleStore, two: SampleStore) -> None:
    for number in range(5):
        one.add(account=f"a{number}")
    results = copy(one.open_store(), two.open_store(), accounts=(), dry_run=False)
    for number in range(5):
        assert next(results).account == f"a{number}"
        assert len(list(two.opener().scan())) == number + 1


def test_memory_does_not_hold_the_data_keys_of_all_accounts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.operations.open_store._REMEMBERED", 8)
    one, two = make("memory"), make("memory")
    for number in range(40):
        one.add(account=f"a{number}")
    here, there = one.open_store(), two.open_store()
    for _ in copy(here, there, accounts=(), dry_run=False):
        for open_store in (here, there):
            assert len(open_store._sealers) <= 9
            assert len(open_store._accounts) <= 8
    assert len(two.verify().verified) == 40


def test_a_newer_test_in_the_source_alone_does_not_copy_a_key_again(one: SampleStore, two: SampleStore) -> None:
    one.add()
    copied(one, two)
    stored = one.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    from support.sample_store import verdict

    outcomes.keep_outcome(one.open_store(), stored, 1, verdict())
    assert actions(copied(one, two)) == {(ACCOUNT, PROVIDER): "already"}
    assert two.actions() == ["added", "copied", "tested"]
    assert key_of(stored).current.last_test is None
