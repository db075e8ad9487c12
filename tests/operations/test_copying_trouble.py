"""Copies that are killed, fail, or meet changed records: nothing is lost, half done, or signed again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from kojikey.model.errors import (
    AuditBroken,
    CannotOpen,
    ChangedMeanwhile,
    KekMissing,
    RecordChanged,
    StoreFull,
    WrongKek,
)
from kojikey.model.ref import account_ref, key_ref
from kojikey.operations import removing
from kojikey.operations.key_records import key_of
from kojikey.operations.store_admin import accounts
from kojikey.operations.store_admin.copying import copy, rotate_here
from kojikey.stores.base import Change
from support.copies import EMBEDDED, GEMINI, OTHER, PLACES, Make, copied, everything, fill, same, written
from support.exhaustive import exhaustive_except
from support.faulty import Crash, FaultyStore, Once
from support.sample_store import ACCOUNT, OLD, PROVIDER, Held, SampleStore

# interrupted


CRASHES = [(place, after) for place in sorted(PLACES) for after in (False, True)]
ON_SERVERS = [("dynamodb", True), ("postgresql", False)]


@pytest.mark.parametrize(
    ("place", "after"), exhaustive_except(CRASHES, [*(case for case in CRASHES if case[0] in EMBEDDED), *ON_SERVERS])
)
def test_a_copy_killed_at_any_commit_is_finished_by_the_next(
    one: SampleStore, make: Make, place: str, after: bool
) -> None:
    fill(one)
    accounts.set_disabled(one.open_store(), account=OTHER, disabled=True)
    whole = make(place)
    copied(one, whole)
    before = everything(one)
    died = 0
    for at in itertools.count(1):
        target = make(place)
        faulty = FaultyStore(target.opener(), Crash(), at=at, after=after)
        try:
            copied(one, target, into=faulty)
        except Crash:
            died += 1
        else:
            break
        target.verify()  # what is there is whole
        copied(one, target)
        same(one, target)
        for account in (ACCOUNT, OTHER):
            assert [written(e) for e in target.events(account)] == [
                {**written(e), **{name: mine[name] for name in ("time", "fingerprint", "others") if name in mine}}
                for e, mine in zip(whole.events(account), target.events(account), strict=True)
            ]
    assert died == 6  # the events of two accounts, disabling one, three keys
    assert everything(one) == before


def test_a_store_that_is_full_keeps_what_was_copied(one: SampleStore, two: SampleStore) -> None:
    fill(one)
    faulty = FaultyStore(two.opener(), StoreFull("here", "is full"), at=3)
    with pytest.raises(StoreFull):
        copied(one, two, into=faulty)
    two.verify()
    copied(one, two)
    same(one, two)


def test_long_trails_are_copied_in_several_commits(one: SampleStore, two: SampleStore) -> None:
    one.add()
    for number in range(130):
        accounts.set_disabled(one.open_store(), account=ACCOUNT, disabled=number % 2 == 0)
    for reached in (50, 100, 131):  # each goes on where the last one stopped
        with pytest.raises(Crash):
            copied(one, two, into=FaultyStore(two.opener(), Crash(), at=1, after=True))
        assert len(two.events()) == reached
    copied(one, two)
    assert [event["origin"]["seq"] for event in two.events()[:131]] == list(range(1, 132))
    assert two.actions()[131:] == ["copied"]
    two.verify()


# what was changed outside kojikey


def tampered_event(sample_store: SampleStore) -> None:
    store = sample_store.opener()
    stored = store.read(account_ref(ACCOUNT))
    assert stored is not None
    audit = {**stored.document["audit"], "seq": stored.document["audit"]["seq"] + 1}
    forged = {**list(store.events(ACCOUNT))[-1], "seq": audit["seq"]}
    store.commit((Change(stored.ref, {**stored.document, "audit": audit}, stored.revision),), (forged,))


def tampered_key(sample_store: SampleStore, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the account's second key: by then the first one could have been copied."""
    stored = sample_store.opener().read(key_ref(ACCOUNT, GEMINI))
    assert stored is not None
    change(stored.document)
    sample_store.opener().commit((Change(stored.ref, stored.document, stored.revision),))


CHANGES: dict[str, Callable[[SampleStore], object]] = {
    "event": tampered_event,
    "base_url": lambda sample_store: tampered_key(
        sample_store, lambda d: d["versions"][0].update(base_url="https://evil.example")
    ),
    "sealed": lambda sample_store: tampered_key(sample_store, lambda d: d["versions"][0].update(sealed="e30..A.A.A")),
    "number": lambda sample_store: tampered_key(
        sample_store, lambda d: d.update(next_version=9) or d["versions"][0].update(number=7)
    ),
    "form": lambda sample_store: tampered_key(sample_store, lambda d: d.pop("label")),
    "name": lambda sample_store: tampered_key(sample_store, lambda d: d.update(account=OTHER)),
}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_nothing_of_an_account_changed_outside_kojikey_is_copied(
    one: SampleStore, two: SampleStore, change: str, dry_run: bool
) -> None:
    fill(one)
    CHANGES[change](one)
    before = everything(two)
    with pytest.raises((RecordChanged, AuditBroken)):
        copied(one, two, dry_run=dry_run)
    assert everything(two) == before
    copied(one, two, OTHER)  # the other account is not held up
    assert two.held(OTHER) == Held(OLD)


def test_an_account_removed_outside_kojikey_is_reported(one: SampleStore, two: SampleStore) -> None:
    fill(one)
    stored = one.opener().read(account_ref(OTHER))
    assert stored is not None
    one.opener().commit((Change(stored.ref, None, stored.revision),))
    with pytest.raises(RecordChanged, match=OTHER):
        copied(one, two)
    with pytest.raises(RecordChanged, match=OTHER):
        copied(one, two, OTHER)
    assert two.held(OTHER) is None


def test_rotate_here_takes_a_key_that_is_changed_meanwhile_and_names_a_damaged_account(
    one: SampleStore, two: SampleStore
) -> None:
    fill(one)
    copied(one, two)
    stored = two.opener().read(account_ref(OTHER))
    assert stored is not None
    two.opener().commit((Change(stored.ref, None, stored.revision),))

    def change_it() -> None:
        found = two.opener().read(key_ref(ACCOUNT, PROVIDER))
        assert found is not None
        two.opener().commit((Change(found.ref, {**found.document, "label": "night"}, found.revision),))

    meanwhile = Once(change_it)

    class Busy(FaultyStore):
        def _commit(self, changes: Any, events: Any) -> tuple[str, ...]:
            meanwhile()
            return super()._commit(changes, events)

    errors: list[CannotOpen] = []
    assert rotate_here(two.open_store(Busy(two.opener(), Crash())), damaged=errors.append) == 2
    assert [OTHER in str(error) for error in errors] == [True]
    assert {key.account: key.is_copy for key in map(key_of, two.opener().scan())} == {ACCOUNT: False, OTHER: True}
    key = two.key()
    assert key is not None
    assert key.label == "night"
    two.verify(ACCOUNT)


def test_a_copy_that_does_not_read_back_is_an_error(one: SampleStore, two: SampleStore) -> None:
    class Spoiling(FaultyStore):
        def _commit(self, changes: Any, events: Any) -> tuple[str, ...]:
            spoilt = [
                change._replace(document={**change.document, "label": "spoilt"})
                if change.ref.kind == "key" and change.document
                else change
                for change in changes
            ]
            return super()._commit(spoilt, events)

    one.add()
    with pytest.raises(RecordChanged, match="reads back"):
        copied(one, two, into=Spoiling(two.opener(), Crash()))


def test_a_copied_key_that_somebody_removes_at_once_is_reported(one: SampleStore, two: SampleStore) -> None:
    class Losing(FaultyStore):
        def _commit(self, changes: Any, events: Any) -> tuple[str, ...]:
            done = super()._commit(changes, events)
            for change in changes:
                if change.ref.kind == "key":
                    removing.remove(two.open_store(), account=ACCOUNT, provider=PROVIDER)
            return done

    one.add()
    with pytest.raises(ChangedMeanwhile):
        copied(one, two, into=Losing(two.opener(), Crash()))


# KEKs


@pytest.mark.parametrize(("environ", "error"), [({}, KekMissing), ({"KOJIKEY_KEK": "Aw" * 21 + "M="}, WrongKek)])
@pytest.mark.parametrize("dry_run", [True, False])
def test_without_the_target_s_kek_nothing_is_copied(
    one: SampleStore, two: SampleStore, environ: dict[str, str], error: type[Exception], dry_run: bool
) -> None:
    fill(one)
    before = everything(two)
    open_store = two.open_store(environ=environ)
    with pytest.raises(error):
        list(copy(one.open_store(), open_store, accounts=(), dry_run=dry_run))
    assert everything(two) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_without_the_source_s_kek_nothing_is_copied(one: SampleStore, two: SampleStore, dry_run: bool) -> None:
    fill(one)
    before = everything(two)
    with pytest.raises(KekMissing):
        list(copy(one.open_store(environ={}), two.open_store(), accounts=(), dry_run=dry_run))
    assert everything(two) == before


# what is there already


def spoil(sample_store: SampleStore, **members: object) -> None:
    stored = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    version = {**stored.document["versions"][0], **members}
    changed = {**stored.document, "versions": [version, *stored.document["versions"][1:]]}
    sample_store.opener().commit((Change(stored.ref, changed, stored.revision),))


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("members", [{"sealed": "e30..A.A.A"}, {"expires_at": "2099-01-01T00:00:00Z"}], ids=str)
def test_a_damaged_copy_does_not_count_as_already_copied(
    one: SampleStore, two: SampleStore, members: dict[str, object], dry_run: bool
) -> None:
    one.add()
    copied(one, two)
    spoil(two, **members)
    with pytest.raises(RecordChanged, match=f"in {two.opener().place}: "):
        copied(one, two, dry_run=dry_run)


def test_a_key_copied_before_a_kill_is_read_back_by_the_next_copy(one: SampleStore, two: SampleStore) -> None:
    one.add()
    with pytest.raises(Crash):
        copied(one, two, into=FaultyStore(two.opener(), Crash(), at=2, after=True))
    spoil(two, created_at="2020-01-01T00:00:00Z")
    with pytest.raises(RecordChanged, match="reads back"):
        copied(one, two)


def test_nothing_is_written_to_an_account_whose_trail_was_changed_outside_kojikey(
    one: SampleStore, two: SampleStore
) -> None:
    fill(one)
    copied(one, two)
    tampered_event(two)
    one.add(account="hooli")
    before = everything(two)
    for dry_run in (True, False):
        with pytest.raises(AuditBroken, match=f"in {two.opener().place}: "):
            copied(one, two, ACCOUNT, dry_run=dry_run)
    assert everything(two) == before
    copied(one, two, "hooli")


def test_the_events_of_a_key_that_is_not_copied_are_not_copied(one: SampleStore, two: SampleStore) -> None:
    one.add()
    one.add(provider=GEMINI)
    two.add("sk_quite_another_key_01")
    results = {result.provider: result.action for result in copied(one, two)}
    assert results == {PROVIDER: "conflict", GEMINI: "copied"}
    assert [(event["action"], event["provider"]) for event in two.events()] == [
        ("added", PROVIDER), ("added", GEMINI), ("copied", GEMINI),
    ]  # fmt: skip
    assert two.verify().verified == (ACCOUNT,)
