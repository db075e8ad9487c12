"""Documents that were changed, moved or replaced in the store's file do not open, and are not mistaken for others."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import CannotOpen, KojikeyError, RecordChanged, StoreVersion
from kojikey.model.ref import HEADER, Document, account_ref, key_ref
from kojikey.operations import checking, listing, removing, resolving, revealing, scanning
from kojikey.operations.audit import auditing
from kojikey.operations.key_settings import KeySettings, SettingsChange
from kojikey.operations.minting import due_rotations
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import (
    accounts,
    copying,
    creating,
    describing,
    diagnosing,
    recipients,
    rekeying,
    unlocking,
)
from kojikey.stores.memory import MemoryStore, SharedMemory
from kojikey.stores.sqlite.store import SqliteStore
from support import rotation
from support.sample_store import (
    ACCOUNT,
    ADAPTERS,
    BASE_URL,
    NEW,
    OLD,
    PROVIDER,
    THIRD,
    FakeTester,
    Held,
    SampleStore,
    no,
    refuse,
)

OTHER = "other"


@pytest.fixture
def sample_store(tmp_path: Path) -> SampleStore:
    """Return a vault with a key that has three versions, and another account."""
    return SampleStore.filled(tmp_path, prepared)


def prepared(sample_store: SampleStore) -> SampleStore:
    sample_store.add(test=FakeTester())
    sample_store.rotate(test=FakeTester())
    sample_store.stage(THIRD)
    sample_store.add(THIRD, account=OTHER)
    return sample_store


@pytest.fixture
def path(sample_store: SampleStore, tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


def sql(path: Path, statement: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def changed(path: Path, table: str, change: Callable[[Document], object]) -> None:
    """Change the document of the account's key, of the account, or the header."""
    where = "" if table == "header" else f" WHERE account = '{ACCOUNT}'"
    ((text,),) = sql(path, f"SELECT document FROM {table}{where}")
    document = json.loads(text)
    change(document)
    sql(path, f"UPDATE {table} SET document = ?{where}", json.dumps(document))


DUE, LABEL = due_rotations.DuePolicy(is_minting=True), SettingsChange(KeySettings(label="production"))
WANTED = checking.Wanted([PROVIDER], checking.Limits(timedelta(1), timedelta(1)), datetime.now(UTC))
USES: dict[str, Callable[[SampleStore], object]] = {
    "resolve": lambda v: resolving.resolve(v.open_store(), account=ACCOUNT, provider=PROVIDER),
    "reveal": lambda v: revealing.reveal(v.open_store(), account=ACCOUNT, provider=PROVIDER),
    "rollback": lambda v: rotation.rollback(v.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no),
    "resume": lambda v: rotation.resume(
        v.open_store(), account=ACCOUNT, provider=PROVIDER, test=FakeTester(), approve=no
    ),
    "abort": lambda v: rotation.abort(v.open_store(), account=ACCOUNT, provider=PROVIDER),
    "rotate": lambda v: v.rotate("sk_fourth_key_0123456789"),
    "add": lambda v: v.add(provider="google_gemini"),
    "list": lambda v: list(listing.list_all_keys(v.opener(), damaged=refuse)),
    "list of one": lambda v: list(
        listing.list_keys(v.opener(), account=ACCOUNT, providers=(PROVIDER,), damaged=refuse)
    ),
    "history": lambda v: listing.history(v.opener(), account=ACCOUNT, provider=PROVIDER),
    "accounts": lambda v: list(accounts.list_accounts(v.opener(), damaged=refuse)),
    "info": lambda v: describing.info(v.opener(), v.opener().open().document),
    "rekey": lambda v: rekeying.rekey(v.open_store(), source="env:NEW_KEK", new_inputs=v.inputs()),
    "verify": lambda v: v.verify(),
    "doctor": lambda v: list(diagnosing.diagnose(v.open_store())),
    "remove": lambda v: removing.remove(v.open_store(), account=ACCOUNT, provider=PROVIDER),
}
MORE_USES: dict[str, Callable[[SampleStore], object]] = {
    **USES,
    "copy": lambda v: list(copying.copy(v.open_store(), elsewhere(), accounts=(), dry_run=False)),
    "due": lambda v: list(due_rotations.due_keys(v.open_store(), DUE, account=None, damaged=refuse)),
    "check": lambda v: list(checking.check_all(v.open_store(), WANTED, damaged=refuse)),
    "check one": lambda v: checking.check(v.open_store(), WANTED, account=ACCOUNT),
    "scan": lambda v: scanning.known_keys(v.open_store(), account=None, damaged=refuse),
    "set": lambda v: rotation.change_settings(
        v.open_store(), LABEL, account=ACCOUNT, provider=PROVIDER, test=None, approve=no
    ),
    "disable": lambda v: accounts.set_disabled(v.open_store(), account=ACCOUNT, disabled=True),
    "rotate here": lambda v: copying.rotate_here(v.open_store(), damaged=refuse),
    "recipients": lambda v: recipients.list_recipients(v.open_store(), v.inputs()),
    "kek": lambda v: creating.difference(v.opener(), v.opener().open().document, source="env", inputs=v.inputs()),
    "unlock": lambda v: unlocking.ensure_unlockable(v.open_store()),
    "audit": lambda v: auditing.events(v.opener(), account=None),
    "remove account": lambda v: accounts.remove_account(v.open_store(), account=ACCOUNT),
}
"""Tried with the first values of ODD only: they take longer."""


def elsewhere() -> OpenStore:
    memory = SharedMemory()
    return SampleStore.made(lambda: MemoryStore(memory)).open_store()


def of_version(index: int, member: str, value: object) -> Callable[[Document], object]:
    return lambda document: document["versions"][index].update({member: value})


# what is sealed


@pytest.mark.parametrize("use", ["resolve", "reveal"])
@pytest.mark.parametrize(
    "change",
    [
        of_version(1, "base_url", "https://evil.example.com"),
        of_version(1, "base_url", BASE_URL + "/"),
        of_version(1, "number", 1),
        of_version(1, "number", 3),
        lambda document: document["versions"][1].update(sealed=document["versions"][0]["sealed"]),
        lambda document: document["versions"][1].update(sealed=document["versions"][1]["sealed"][:-1]),
        lambda document: document.update(provider="google_gemini"),
        lambda document: document.update(account=OTHER),
    ],
)
def test_a_changed_version_does_not_open(
    sample_store: SampleStore, path: Path, use: str, change: Callable[[Document], object]
) -> None:
    changed(path, "keys", change)
    if use == "resolve":
        document = json.loads(sql(path, "SELECT document FROM keys WHERE account = ?", ACCOUNT)[0][0])
        if (document["account"], document["provider"]) != (ACCOUNT, PROVIDER):
            return  # what is sealed decides, and that was not touched: see the next tests
    with pytest.raises(CannotOpen):
        USES[use](sample_store)


@pytest.mark.parametrize("use", ["resolve", "reveal"])
def test_the_key_of_another_account_does_not_open_in_its_place(sample_store: SampleStore, path: Path, use: str) -> None:
    ((text,),) = sql(path, "SELECT document FROM keys WHERE account = ?", OTHER)
    for document in (text, text.replace(f'"account":"{OTHER}"', f'"account":"{ACCOUNT}"')):
        sql(path, "UPDATE keys SET document = ? WHERE account = ?", document, ACCOUNT)
        with pytest.raises(CannotOpen):
            USES[use](sample_store)


@pytest.mark.parametrize("move", ["account = 'third'", "provider = 'google_gemini'", "account = 'third', slot = 0"])
def test_a_key_moved_to_another_place_does_not_open(sample_store: SampleStore, path: Path, move: str) -> None:
    sql(path, f"UPDATE keys SET {move} WHERE account = ?", ACCOUNT)
    ((account, provider),) = sql(path, "SELECT account, provider FROM keys WHERE account != ?", OTHER)
    for use in (resolving.resolve, revealing.reveal):
        with pytest.raises(CannotOpen):
            use(sample_store.open_store(), account=account, provider=provider)
    with pytest.raises(RecordChanged):
        list(listing.list_all_keys(sample_store.opener(), damaged=refuse))


def test_an_account_moved_to_another_place_does_not_open(sample_store: SampleStore, path: Path) -> None:
    sql(path, "DELETE FROM accounts WHERE account = ?", OTHER)
    sql(path, "UPDATE accounts SET account = ? WHERE account = ?", OTHER, ACCOUNT)
    with pytest.raises(RecordChanged):
        sample_store.held(OTHER)
    with pytest.raises(RecordChanged):
        sample_store.verify()
    changed_document = json.loads(sql(path, "SELECT document FROM accounts")[0][0]) | {"account": OTHER}
    sql(path, "UPDATE accounts SET document = ?", json.dumps(changed_document))
    with pytest.raises(CannotOpen):
        sample_store.held(OTHER)


def test_a_missing_account_whose_keys_exist_counts_as_removed_outside_kojikey(
    sample_store: SampleStore, path: Path
) -> None:
    sql(path, "DELETE FROM accounts WHERE account = ?", ACCOUNT)
    for name in ("resolve", "reveal", "resume", "add", "verify"):
        with pytest.raises(CannotOpen):
            USES[name](sample_store)
    assert sql(path, "SELECT count(*) FROM accounts WHERE account = ?", ACCOUNT) == [(0,)]


def test_a_key_without_a_current_version_is_an_error_and_not_the_built_in_allocation(
    sample_store: SampleStore, path: Path
) -> None:
    for change in (of_version(1, "stage", "previous"), lambda document: document.update(versions=[])):
        changed(path, "keys", change)
        with pytest.raises(RecordChanged):
            USES["resolve"](sample_store)


def test_no_program_gets_models_that_a_terminal_would_obey(sample_store: SampleStore, path: Path) -> None:
    changed(path, "keys", lambda document: document.update(models=["gemini-2.5-pro", "\x1b[2J"]))
    with pytest.raises(RecordChanged):
        USES["resolve"](sample_store)


def test_a_copy_of_the_file_under_another_name_is_the_same_store(
    sample_store: SampleStore, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    copied = SampleStore(lambda: SqliteStore(str(copy)))
    assert copied.held() == sample_store.held() == Held(NEW, THIRD, OLD)
    assert copied.verify() == sample_store.verify()


def test_a_key_of_another_store_does_not_open(sample_store: SampleStore, path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = SampleStore.made(ADAPTERS["sqlite"](tmp_path / "elsewhere"))
    elsewhere.add(OLD)
    for table in ("accounts", "keys"):
        ((text,),) = sql(tmp_path / "elsewhere" / "keys.db", f"SELECT document FROM {table}")
        sql(path, f"UPDATE {table} SET document = ? WHERE account = ?", text, ACCOUNT)
        with pytest.raises(CannotOpen):
            USES["resolve"](sample_store)


# what is not sealed, and may be anything

MISSING = object()
ODD: tuple[object, ...] = (
    MISSING,
    None,
    True,
    -1,
    1.5,
    "",
    "\x1b[31m",
    "x" * 70,
    [],
    [1],
    {},
    {"a": 1},
    "2026-13-45T99:00:00Z",
)
MEMBERS = {
    "keys": (
        "account", "provider", "next_version", "created_at", "label", "models", "capabilities", "rotate_after_days",
        "rotated_at", "versions", "tested_at",
    ),
    "versions": (
        "number", "stage", "sealed", "tail", "fingerprint", "base_url", "created_at", "promoted_at", "expires_at",
        "pending", "last_test",
    ),
    "last_test": ("outcome", "reason", "tested_at", "last_valid_at"),
    "accounts": ("account", "wrapped", "created_at", "audit", "disabled"),
    "audit": ("seq", "mac", "head", "from"),
    "header": ("format", "store_id", "created_at", "kek", "next_kek"),
    "kek": ("source", "name", "kid"),
}  # fmt: skip
INSIDE: dict[str, tuple[str, Callable[[Document], Document]]] = {
    "keys": ("keys", lambda document: document),
    "versions": ("keys", lambda document: document["versions"][1]),
    "last_test": ("keys", lambda document: document["versions"][1]["last_test"]),
    "accounts": ("accounts", lambda document: document),
    "audit": ("accounts", lambda document: document["audit"]),
    "header": ("header", lambda document: document),
    "kek": ("header", lambda document: document["kek"]),
}


def test_every_member_of_a_document_is_tested_below(sample_store: SampleStore, path: Path) -> None:
    for name, (table, inside) in INSIDE.items():
        where = "" if table == "header" else f" WHERE account = '{ACCOUNT}'"
        ((text,),) = sql(path, f"SELECT document FROM {table}{where}")
        assert set(inside(json.loads(text))) <= set(MEMBERS[name]), name


@pytest.mark.parametrize(
    ("part", "member"), [(part, member) for part, members in MEMBERS.items() for member in members]
)
def test_any_value_of_a_member_is_read_or_refused_with_an_error_of_kojikey(
    part: str, member: str, shared_memory: SharedMemory
) -> None:
    sample_store = SampleStore(lambda: MemoryStore(shared_memory))
    table, inside = INSIDE[part]
    ref = {"keys": key_ref(ACCOUNT, PROVIDER), "accounts": account_ref(ACCOUNT), "header": HEADER}[table]
    whole, events = dict(shared_memory.documents), dict(shared_memory.events)
    for value in ODD:
        document = json.loads(whole[ref][0])
        inside(document)[member] = value
        if value is MISSING:
            del inside(document)[member]
        for use in (MORE_USES if value in ODD[:2] else USES).values():
            shared_memory.documents, shared_memory.events = {**whole, ref: (json.dumps(document), "1")}, dict(events)
            said = "".join(refusals(use, sample_store))
            assert "\x1b" not in said
            assert OLD not in said


@pytest.fixture(scope="module")
def template() -> SharedMemory:
    """Return what a prepared vault puts on a shared_memory."""
    shared_memory = SharedMemory()
    prepared(SampleStore.made(lambda: MemoryStore(shared_memory)))
    return shared_memory


@pytest.fixture
def shared_memory(template: SharedMemory) -> SharedMemory:
    shared_memory = SharedMemory()
    shared_memory.documents, shared_memory.events = dict(template.documents), dict(template.events)
    return shared_memory


def refusals(use: Callable[[SampleStore], object], sample_store: SampleStore) -> Iterator[str]:
    """Yield what is said where something is refused; any other error is a bug, and goes through."""
    try:
        use(sample_store)
    except KojikeyError as error:
        yield str(error)


@pytest.mark.parametrize("table", ["keys", "accounts", "header"])
@pytest.mark.parametrize("text", ["", "null", "[]", "{", "{}", '"x"', "[" * 5000])
def test_a_malformed_document_is_an_error_of_kojikey(
    table: str, text: str, sample_store: SampleStore, path: Path
) -> None:
    sql(path, f"UPDATE {table} SET document = ?", text)
    for name in ("resolve", "reveal", "rotate", "list" if table == "keys" else "rekey"):
        with pytest.raises(KojikeyError):
            USES[name](sample_store)


@pytest.mark.parametrize("column", ["account", "provider"])
@pytest.mark.parametrize("value", [b"\xff\xfe", "\x1b[31m", 7, ""])
def test_malformed_names_are_refused(column: str, value: object, sample_store: SampleStore, path: Path) -> None:
    sql(path, f"UPDATE keys SET {column} = ? WHERE account = ?", value, ACCOUNT)
    with pytest.raises(KojikeyError) as caught:
        list(listing.list_all_keys(sample_store.opener(), damaged=refuse))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("seq", [2**53, 2**63 - 1, 2**64, -1])
@pytest.mark.parametrize("member", ["seq", "from"])
def test_a_number_of_events_that_is_too_large_does_not_reach_the_engine(
    sample_store: SampleStore, path: Path, member: str, seq: int
) -> None:
    changed(path, "accounts", lambda document: document["audit"].update({member: seq}))
    for name in ("resume", "add", "verify"):
        with pytest.raises(RecordChanged, match=f"account/{ACCOUNT}"):
            USES[name](sample_store)


@pytest.mark.parametrize("use", ["resolve", "reveal", "rotate", "rekey"])
def test_a_store_of_a_newer_kojikey_is_named_with_its_format(sample_store: SampleStore, path: Path, use: str) -> None:
    sql(path, "UPDATE header SET document = json_set(document, '$.format', 7)")
    with pytest.raises(StoreVersion, match="is of format 7, and this kojikey knows 1 to 1") as caught:
        USES[use](sample_store)
    assert caught.value.hint == "upgrade kojikey"
