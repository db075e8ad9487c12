"""``audit --verify`` names every record that ``run`` would refuse, in every stage and every account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.model.errors import AuditBroken, CannotOpen, KekMissing, RecordChanged, WrongKek
from kojikey.model.key import Stage
from kojikey.model.ref import Document
from kojikey.operations import removing
from kojikey.operations.audit import audit_verification, auditing
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.results import AuditResult
from kojikey.operations.store_admin import accounts
from kojikey.operations.store_admin.copying import CopyResult, copy
from kojikey.stores.memory import MemoryStore, SharedMemory
from support import rotation
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, SampleStore, no, yes
from support.trail import File

OTHER, LAST, FOURTH = "globex", "zeta", "sk_fourth_key_0123456789"


@pytest.fixture
def sample_store(tmp_path: Path) -> SampleStore:
    """Return a vault with three accounts; the first one's key has a version in every stage."""
    return SampleStore.filled(tmp_path, fill)


def fill(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    sample_store.stage(THIRD)
    for account in (OTHER, LAST):
        sample_store.add(account=account)
    sample_store.verify()


@pytest.fixture
def file(sample_store: SampleStore, tmp_path: Path) -> File:
    return File(tmp_path / "keys.db")


def document(file: File, account: str = ACCOUNT) -> Document:
    ((text,),) = file.do("SELECT document FROM keys WHERE account = ?", account)
    loaded: Document = json.loads(text)
    return loaded


def put(file: File, changed: Document, account: str = ACCOUNT) -> None:
    file.do("UPDATE keys SET document = ? WHERE account = ?", json.dumps(changed), account)


def version(found: Document, stage: str) -> Document:
    chosen: Document = next(version for version in found["versions"] if version["stage"] == stage)
    return chosen


def verified(sample_store: SampleStore, account: str | None = None) -> AuditResult:
    return audit_verification.verify(sample_store.open_store(), account=account)


def said(result: AuditResult, account: str = ACCOUNT) -> list[str]:
    return [str(error) for error in result.broken[account]]


DAMAGES: dict[str, Callable[[Document], object]] = {
    "base URL": lambda version: version.update(base_url="https://elsewhere.example"),
    "end of the sealed text": lambda version: version.update(sealed=version["sealed"][:-6] + "AAAAAA"),
    "header of the sealed text": lambda version: version.update(sealed="e30" + version["sealed"][3:]),
    "no sealed text": lambda version: version.update(sealed=""),
    "number": lambda version: version.update(number=version["number"] + 10),
    "fingerprint": lambda version: version.update(fingerprint="0" * 12),
    "what is shown of it": lambda version: version.update(tail="XXXX"),
}


@pytest.mark.parametrize("stage", ["current", "previous", "staged"])
@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_changed_record_is_named(sample_store: SampleStore, file: File, damage: str, stage: str) -> None:
    changed = document(file)
    DAMAGES[damage](version(changed, stage))
    changed["next_version"] = 99
    put(file, changed)
    for account in (None, ACCOUNT):
        result = verified(sample_store, account)
        assert any(f"{ACCOUNT}/{PROVIDER} version" in text or "audit" in text for text in said(result)), said(result)
        assert ACCOUNT not in result.verified
    assert verified(sample_store).verified == (OTHER, LAST)


def test_every_record_that_does_not_open_is_named(sample_store: SampleStore, file: File) -> None:
    for account in (ACCOUNT, LAST):
        changed = document(file, account)
        for one in changed["versions"]:
            DAMAGES["base URL"](one)
        put(file, changed, account)
    result = verified(sample_store)
    assert [text.partition(" belongs to")[0] for text in said(result)] == [
        f"the sealed record {ACCOUNT}/{PROVIDER} version {number}" for number in (1, 2, 3)
    ]
    assert len(said(result, LAST)) == 1
    assert result.verified == (OTHER,)


def test_records_that_do_not_open_are_named_even_if_the_trail_is_broken(sample_store: SampleStore, file: File) -> None:
    file.drop(2)
    changed = document(file)
    DAMAGES["base URL"](version(changed, "staged"))
    put(file, changed)
    first, second = verified(sample_store).broken[ACCOUNT]
    assert (isinstance(first, AuditBroken), isinstance(second, RecordChanged)) == (True, True)
    assert str(second).startswith(f"the sealed record {ACCOUNT}/{PROVIDER} version 3")


def test_a_malformed_key_document_is_named_once(sample_store: SampleStore, file: File) -> None:
    file.do("UPDATE keys SET document = '{' WHERE account = ?", ACCOUNT)
    assert len(verified(sample_store).broken[ACCOUNT]) == 1


# a broken account holds up no other


BREAKS: dict[str, str] = {
    "an event before the first": "INSERT INTO events SELECT account, 0, document FROM events WHERE account = 'acme'"
    " AND seq = 1",
    "an event is gone": "DELETE FROM events WHERE account = 'acme' AND seq = 1",
    "the account is no JSON": "UPDATE accounts SET document = '{' WHERE account = 'acme'",
    "the account is gone": "DELETE FROM accounts WHERE account = 'acme'",
    "its data key is damaged": "UPDATE accounts SET document = json_set(document, '$.wrapped', 'x')"
    " WHERE account = 'acme'",
    "its data key is another's": "UPDATE accounts SET document = json_set(document, '$.wrapped', (SELECT"
    " json_extract(document, '$.wrapped') FROM accounts WHERE account = 'zeta')) WHERE account = 'acme'",
}


@pytest.mark.parametrize("damage", sorted(BREAKS))
def test_a_broken_account_does_not_stop_the_others_from_being_verified(
    sample_store: SampleStore, file: File, damage: str
) -> None:
    file.do(BREAKS[damage])
    file.drop(1, LAST)
    result = verified(sample_store)
    assert set(result.broken) == {ACCOUNT, LAST}
    assert result.verified == (OTHER,)


def test_without_the_kek_no_account_is_reported_as_broken(sample_store: SampleStore) -> None:
    for environ, error in (({}, KekMissing), ({"KOJIKEY_KEK": sample_store.environ["NEW_KEK"]}, WrongKek)):
        with pytest.raises(error):
            audit_verification.verify(sample_store.open_store(environ=environ), account=None)


# genuine versions that the trail does not know


def test_an_old_version_restored_as_previous_is_found_and_a_rollback_refuses_it(
    sample_store: SampleStore, file: File
) -> None:
    old = version(document(file), "previous")
    sample_store.rotate_staged()
    sample_store.rotate(FOURTH)
    changed = document(file)
    changed["versions"] = [old, version(changed, "current")]
    put(file, changed)
    assert [text for text in said(verified(sample_store)) if f"the previous version of the {PROVIDER} key" in text]
    for test in (None, FakeTester()):
        with pytest.raises(AuditBroken, match="nothing was changed") as raised:
            rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=test, approve=yes)
        assert raised.value.hint == f"kojikey audit --verify --account {ACCOUNT}"
    assert sample_store.held() == Held(FOURTH, previous=OLD)


def test_an_old_version_restored_as_staged_is_found_and_not_promoted(sample_store: SampleStore, file: File) -> None:
    staged = version(document(file), "staged")
    rotation.abort(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    changed = document(file)
    changed["versions"].append(staged)
    put(file, changed)
    assert "no event says where it is from" in said(verified(sample_store))[0]
    with pytest.raises(AuditBroken, match="the staged version"):
        rotation.resume(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.key() is not None
    rotation.abort(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)  # the way out
    sample_store.verify()


@pytest.mark.parametrize("stage", ["previous", "staged"])
def test_a_version_removed_outside_kojikey_is_reported_as_missing(
    sample_store: SampleStore, file: File, stage: str
) -> None:
    changed = document(file)
    changed["versions"].remove(version(changed, stage))
    put(file, changed)
    assert f"the {stage} version of the {PROVIDER} key was removed outside kojikey" in said(verified(sample_store))[0]


def test_a_version_of_a_removed_key_with_the_same_number_is_found(sample_store: SampleStore, file: File) -> None:
    old = document(file, OTHER)["versions"][0]
    removing.remove(sample_store.open_store(), account=OTHER, provider=PROVIDER)
    sample_store.add(NEW, account=OTHER)
    sample_store.rotate(THIRD, account=OTHER)
    changed = document(file, OTHER)
    current, previous = version(changed, "current"), version(changed, "previous")
    changed["versions"] = [{**previous, "sealed": old["sealed"]}, current]  # number and fingerprint as the trail says
    put(file, changed, OTHER)
    assert verified(sample_store).broken.keys() == {OTHER}
    with pytest.raises(RecordChanged):
        rotation.rollback(sample_store.open_store(), account=OTHER, provider=PROVIDER, test=None, approve=no)


def test_with_a_broken_trail_no_version_is_accepted(sample_store: SampleStore, file: File) -> None:
    file.drop(1)
    with pytest.raises(AuditBroken):
        rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.held() == Held(NEW, THIRD, OLD)


def test_every_stage_of_a_copied_key_agrees_with_the_events(sample_store: SampleStore) -> None:
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))
    list(copy(sample_store.open_store(), there.open_store(), accounts=(), dry_run=False))
    there.verify()
    rotation.rollback(there.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    rotation.resume(there.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert there.held() == Held(THIRD, previous=OLD)
    there.verify()


def test_a_key_copied_by_an_earlier_release_verifies(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))
    with monkeypatch.context() as earlier:
        earlier.setattr(
            "kojikey.operations.store_admin.copying._copied_event",
            lambda key: EventDraft("copied", key.provider, key.current.number, key.current.fingerprint),
        )
        list(copy(sample_store.open_store(), there.open_store(), accounts=(), dry_run=False))
    there.verify()
    rotation.rollback(there.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert there.held() == Held(OLD, THIRD, NEW)
    there.verify()


# what later commands write


@pytest.mark.parametrize("action", ["changed", "revealed", "minted", "revoked_at_provider", "recipient_removed"])
def test_an_event_of_every_action_is_listed_and_verified(sample_store: SampleStore, action: str) -> None:
    provider = None if action == "recipient_removed" else PROVIDER
    Ledger(sample_store.open_store()).record(ACCOUNT, lambda _: Plan((), (EventDraft(action, provider),)))
    assert [event["action"] for event in auditing.events(sample_store.opener(), account=ACCOUNT).events][-1] == action
    sample_store.verify()
    rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    sample_store.verify()


@pytest.mark.parametrize("told", [("staged", "minted"), ("minted",)], ids="+".join)
def test_a_minted_version_counts_as_staged_by_the_events(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch, told: tuple[str, ...]
) -> None:
    def record(plan: Plan) -> Plan:
        (staged,) = plan.drafts
        return plan._replace(drafts=tuple(staged._replace(action=action) for action in told))

    sample_store.rotate_staged()
    open_store = sample_store.open_store()
    signed = Ledger.record
    with monkeypatch.context() as minting:
        minting.setattr(
            Ledger,
            "record",
            lambda ledger, account, plan: signed(ledger, account, lambda sealer: record(plan(sealer))),
        )
        with pytest.raises(KeyboardInterrupt):
            sample_store.rotate(FOURTH, open_store=open_store, test=FakeTester(meanwhile=interrupted))
    sample_store.verify()
    rotation.resume(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.held() == Held(FOURTH, previous=THIRD)
    sample_store.verify()


def interrupted() -> None:
    raise KeyboardInterrupt


# copying goes on after a damaged account


def copied(source: SampleStore, target: SampleStore, *names: str) -> tuple[list[CopyResult], list[str]]:
    damaged: list[CannotOpen] = []
    found = copy(source.open_store(), target.open_store(), accounts=names, dry_run=False, damaged=damaged.append)
    return list(found), [str(error) for error in damaged]


@pytest.mark.parametrize("damage", sorted(BREAKS))
def test_a_copy_of_all_accounts_continues_after_a_damaged_one(
    sample_store: SampleStore, file: File, damage: str
) -> None:
    file.do(BREAKS[damage])
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))
    results, damaged = copied(sample_store, there)
    assert [(result.account, result.action) for result in results] == [(OTHER, "copied"), (LAST, "copied")]
    assert len(damaged) == 1
    assert ACCOUNT in damaged[0]
    assert there.events(ACCOUNT) == []
    assert there.verify().verified == (OTHER, LAST)


def test_an_account_damaged_in_the_other_store_is_left_unchanged_and_the_others_are_copied(
    sample_store: SampleStore, file: File
) -> None:
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))
    there.add(account=LAST)
    copied(there, sample_store)
    file.drop(1, OTHER)
    there.add(NEW, account=OTHER)
    there.add(account="omega")
    results, damaged = copied(there, sample_store)
    assert {result.account: result.action for result in results} == {LAST: "already", "omega": "copied"}
    assert [text.partition(":")[0] for text in damaged] == [f"in {sample_store.opener().place}"]


def test_copying_a_damaged_account_by_name_is_an_error(sample_store: SampleStore, file: File) -> None:
    file.drop(1)
    shared_memory = SharedMemory()
    there = SampleStore.made(lambda: MemoryStore(shared_memory))
    with pytest.raises(AuditBroken):
        copied(sample_store, there, ACCOUNT, OTHER)


# disabling


@pytest.mark.parametrize("damage", [name for name in sorted(BREAKS) if "account is no" in name or "data key" in name])
def test_an_account_with_a_damaged_record_can_be_disabled(sample_store: SampleStore, file: File, damage: str) -> None:
    before = file.account()
    file.do(BREAKS[damage])
    assert accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=True) == (
        accounts.SwitchResult(changed=True, recorded=False)
    )
    assert not accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=True).changed
    assert file.account()["disabled"] is True
    file.put_account({**before, "disabled": True})  # restored but for the mark, as the server holds a role to
    assert sample_store.open_store().is_disabled(ACCOUNT)
    sample_store.verify()


def test_an_account_with_a_text_as_event_count_can_be_disabled(sample_store: SampleStore, file: File) -> None:
    file.put_account({**file.account(), "audit": {**file.account()["audit"], "seq": "3"}})
    assert accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=True).changed
    damaged = file.account()
    assert damaged["audit"]["seq"] == "3"  # all else of it stays for who restores it
    with pytest.raises(RecordChanged):
        accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=False)


def test_stages_have_the_names_that_events_of_copies_use() -> None:
    assert {stage.value for stage in Stage} == {"current", "previous", "staged"}
