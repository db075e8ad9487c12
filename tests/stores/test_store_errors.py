"""A store raises only KojikeyErrors, whatever its engine raises, and they repeat none of its text."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import (
    KojikeyError,
    StoreCorrupt,
    StoreDenied,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)
from kojikey.model.ref import Document, Ref, key_ref
from kojikey.stores.base import Change, Description, EventRow, Query, Store, Stored
from kojikey.stores.sqlite.errors import translated
from kojikey.stores.sqlite.store import SqliteStore
from support.each import each

KEY = key_ref("acme", "elevenlabs")
CANARY = "CANARY-in-the-text-of-an-engine"
CODES = {
    name: code
    for name, code in vars(sqlite3).items()
    if name.startswith("SQLITE_") and isinstance(code, int) and name.split("_")[1] in {
        "ABORT", "AUTH", "BUSY", "CANTOPEN", "CONSTRAINT", "CORRUPT", "EMPTY", "ERROR", "FORMAT", "FULL", "INTERNAL",
        "INTERRUPT", "IOERR", "LOCKED", "MISMATCH", "MISUSE", "NOLFS", "NOMEM", "NOTADB", "NOTFOUND", "NOTICE", "PERM",
        "PROTOCOL", "RANGE", "READONLY", "SCHEMA", "TOOBIG", "WARNING",
    }
}  # fmt: skip
CLASSES = [
    kind
    for kind in vars(sqlite3).values()
    if isinstance(kind, type) and issubclass(kind, (sqlite3.Error, sqlite3.Warning))
]
VERBS: dict[str, Callable[[Store], object]] = {
    "create": lambda store: store.create({}),
    "open": lambda store: store.open(),
    "header": lambda store: store.header(),
    "read": lambda store: store.read(KEY),
    "read_with_account": lambda store: store.read_with_account("acme", "elevenlabs"),
    "read_accounts": lambda store: store.read_accounts(["acme"]),
    "commit": lambda store: store.commit([Change(KEY, {}, None)]),
    "scan": lambda store: list(store.scan()),
    "pages": lambda store: list(store.pages()),
    "counts": lambda store: store.counts(),
    "accounts": lambda store: list(store.accounts()),
    "events": lambda store: list(store.events()),
    "grants": lambda store: list(store.grants("acme")),
    "upgrade": lambda store: store.upgrade(),
    "role": lambda store: store.role(),
    "sees_every_account": lambda store: store.sees_every_account(),
    "describe": lambda store: store.describe(),
    "revisions": lambda store: store.revisions("acme", "elevenlabs"),
    "close": lambda store: store.close(),
}
OF_ONE_ENGINE = {"is_in_place", "leave_to_parent", "owner_policy"}
"""Verbs that call no engine unless an adapter overrides them; they are tested with that adapter."""


def raised(kind: type[Exception], code: int | None = None) -> Exception:
    error = kind(CANARY)
    if code is not None:
        error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return error


class FailingStore(Store):
    """A store whose engine fails in every call."""

    def __init__(self, error: Exception) -> None:
        self.place, self._error = "nowhere", error

    def _fail(self, *arguments: object) -> Any:
        raise self._error

    def close(self) -> None:
        self._guard(self._fail)

    def _create(self, header: Document) -> None:
        self._fail()

    def _open(self) -> Stored:
        return self._fail()  # type: ignore[no-any-return]

    def _read(self, ref: Ref) -> Stored | None:
        return self._fail()  # type: ignore[no-any-return]

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        return self._fail()  # type: ignore[no-any-return]

    def _scan(self, query: Query) -> Iterator[Stored]:
        yield self._fail()

    def _accounts(self) -> Iterator[Stored]:
        yield self._fail()

    def _events(self, account: str | None) -> Iterator[EventRow]:
        yield self._fail()

    def _grants(self, account: str, inherited_by: str | None) -> Iterator[Stored]:
        yield self._fail()

    def _upgrade(self) -> None:
        self._fail()

    def _role(self) -> str | None:
        return self._fail()  # type: ignore[no-any-return]

    def _sees_every_account(self) -> bool:
        return self._fail()  # type: ignore[no-any-return]

    def _describe(self) -> Description:
        return self._fail()  # type: ignore[no-any-return]

    def _translate(self, error: Exception) -> KojikeyError | None:
        return translated(error, self.place)


def test_the_list_of_verbs_is_complete() -> None:
    public = {name for name in vars(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    assert set(VERBS) | OF_ONE_ENGINE == public


def test_the_list_of_codes_is_complete() -> None:
    assert {code & 0xFF for code in CODES.values()} == set(range(1, 29))
    assert len(CLASSES) >= 10


@each("verb", VERBS.values())
@each("kind", CLASSES)
def test_no_error_of_sqlite_leaves_a_verb(verb: Callable[[Store], object], kind: type[Exception]) -> None:
    for code in (None, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CORRUPT):
        with pytest.raises(StoreUnavailable) as caught:
            verb(FailingStore(raised(kind, code)))
        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@each("verb", VERBS.values())
def test_an_error_of_kojikeys_code_leaves_a_verb_unchanged(verb: Callable[[Store], object]) -> None:
    with pytest.raises(ZeroDivisionError):
        verb(FailingStore(ZeroDivisionError()))


@each("name", CODES)
def test_every_code_of_sqlite_has_a_message_that_says_what_was_not_done(name: str) -> None:
    error = translated(raised(sqlite3.OperationalError, CODES[name]), "the/place")
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith("the store the/place ")
    assert any(word in str(error) for word in ("nothing was changed", "left as it is", "not made", "no change was"))
    assert not str(error).endswith(".")


@each(
    ("name", "kind"),
    [
        ("SQLITE_BUSY", StoreLocked),
        ("SQLITE_BUSY_SNAPSHOT", StoreLocked),
        ("SQLITE_LOCKED", StoreLocked),
        ("SQLITE_IOERR_LOCK", StoreLocked),
        ("SQLITE_FULL", StoreFull),
        ("SQLITE_IOERR_WRITE", StoreFull),
        ("SQLITE_READONLY", StoreReadOnly),
        ("SQLITE_READONLY_DIRECTORY", StoreReadOnly),
        ("SQLITE_READONLY_ROLLBACK", StoreReadOnly),
        ("SQLITE_CANTOPEN", StoreDenied),
        ("SQLITE_PERM", StoreDenied),
        ("SQLITE_CORRUPT", StoreCorrupt),
        ("SQLITE_CORRUPT_INDEX", StoreCorrupt),
        ("SQLITE_NOTADB", StoreCorrupt),
        ("SQLITE_IOERR", StoreCorrupt),
        ("SQLITE_IOERR_READ", StoreCorrupt),
        ("SQLITE_ERROR", StoreCorrupt),
        ("SQLITE_NOMEM", StoreUnavailable),
        ("SQLITE_MISUSE", StoreUnavailable),
    ],
)
def test_each_code_of_sqlite_is_a_kind_of_error(name: str, kind: type[StoreUnavailable]) -> None:
    assert type(translated(raised(sqlite3.OperationalError, CODES[name]), "x")) is kind


@pytest.mark.parametrize("function", ["stat", "lstat", "mkdir", "open", "fsync", "link", "unlink", "urandom"])
@pytest.mark.parametrize("name", ["create", "open", "commit", "describe"])
def test_no_error_of_the_operating_system_leaves_a_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, name: str
) -> None:
    there = SqliteStore(str(tmp_path / "keys.db"))
    there.create({})
    for code in errno.errorcode:

        def refuse(*arguments: object, code: int = code, **named: object) -> None:
            raise OSError(code, CANARY)

        store = SqliteStore(str(tmp_path / str(code) / "keys.db")) if name == "create" else there
        with monkeypatch.context() as patch:
            patch.setattr(os, function, refuse)
            try:
                VERBS[name](store)
            except KojikeyError as error:
                assert CANARY not in str(error)  # noqa: PT017 - not coming across the function is fine, too
        there.close()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: str(kind.__name__))
def test_no_error_of_a_real_connection_leaves_a_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    store = SqliteStore(str(tmp_path / "keys.db"))
    store.create({})
    connect = sqlite3.connect
    for fails_at in range(1, 14):
        left = [fails_at]

        class Failing(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                left[0] -= 1  # noqa: B023 - used within the same turn
                if left[0] == 0:  # noqa: B023
                    raise raised(kind, sqlite3.SQLITE_IOERR)
                return super().execute(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(
                "kojikey.stores.sqlite.store.sqlite3.connect",
                lambda name, **named: connect(name, **{**named, "factory": Failing}),
            )
            for number, (name, verb) in enumerate(VERBS.items()):
                left[0] = fails_at
                target = SqliteStore(str(tmp_path / f"{fails_at}-{number}.db")) if name == "create" else store
                try:
                    verb(target)
                except KojikeyError as error:
                    assert CANARY not in str(error)  # noqa: PT017 - not reaching the statement is fine, too
                store.close()
    assert store.open().document == {}
    assert {file.name for file in tmp_path.iterdir() if file.name.endswith((".new", "-journal"))} == set()
