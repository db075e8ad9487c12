"""The promises of every store about failures: it raises only kojikey's own errors, without any text of the engine.

Must not: name an engine.
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and their names say what holds

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kojikey.model.errors import KojikeyError
from kojikey.model.ref import Ref
from kojikey.stores.base import Change, Store
from kojikey.testing.conformance.fixtures import HEADER_DOCUMENT, KEY, Maker, StoreFixtures, put

Use = Callable[[Store], object]

USES: dict[str, Use] = {
    "create": lambda store: store.create(HEADER_DOCUMENT),
    "open": lambda store: store.open(),
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
    "describe": lambda store: store.describe(),
}
_ITERATE = ("scan", "pages", "accounts", "events", "grants")


class Bug(Exception):
    """An error that no engine raises."""


class ErrorPromises(StoreFixtures):
    """The promises about failures."""

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        """Return errors that the adapter's engine raises, among them one of its base class; none without an engine.

        kojikey must not repeat their text, which can contain a connection string or a row.
        """
        raise NotImplementedError

    def test_the_verbs_are_those_of_the_interface(self, another: Maker) -> None:
        overridden = [verb for verb in (*USES, "header") if getattr(type(another()), verb) is not getattr(Store, verb)]
        assert overridden == [], "an adapter fills in the verbs that begin with _"

    @pytest.mark.parametrize("verb", sorted(USES))
    def test_an_error_of_the_engine_leaves_as_a_store_error(
        self, another: Maker, engine_errors: tuple[Exception, ...], verb: str
    ) -> None:
        for error in engine_errors:
            store = another()
            _fail(store, verb, error)
            with pytest.raises(KojikeyError) as raised:
                USES[verb](store)
            assert str(error) not in f"{raised.value} {raised.value.hint}"
            assert raised.value.__cause__ is None
            assert raised.value.__suppress_context__

    @pytest.mark.parametrize("verb", _ITERATE)
    def test_an_error_in_the_middle_of_a_scan_leaves_as_a_store_error(
        self, store: Store, engine_errors: tuple[Exception, ...], verb: str
    ) -> None:
        for error in engine_errors:
            _fail(store, verb, error, after=1)
            with pytest.raises(KojikeyError):
                USES[verb](store)

    @pytest.mark.parametrize("verb", sorted(USES))
    def test_a_bug_is_not_taken_for_a_failure_of_the_store(self, another: Maker, verb: str) -> None:
        store, bug = another(), Bug("a bug")
        _fail(store, verb, bug)
        with pytest.raises(Bug) as raised:
            USES[verb](store)
        assert raised.value is bug

    def test_a_kojikey_error_leaves_unchanged(self, another: Maker) -> None:
        for verb, use in USES.items():
            store, error = another(), KojikeyError("ours", hint="repair it")
            _fail(store, verb, error)
            with pytest.raises(KojikeyError) as raised:
                use(store)
            assert raised.value is error

    def test_a_store_can_be_used_after_a_failure(
        self, store: Store, engine_errors: tuple[Exception, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(store, KEY, {"n": 1})
        for error in engine_errors:
            with monkeypatch.context() as failing:
                failing.setattr(store, "_read", _raising(error))
                with pytest.raises(KojikeyError):
                    store.read(KEY)
            read = store.read(KEY)
            assert read is not None
            assert read.document == {"n": 1}


def _fail(store: Store, verb: str, error: Exception, *, after: int | None = None) -> None:
    """Make an adapter's verb raise an error; a verb that iterates raises it after so many items."""
    failing = _raising(error) if verb not in _ITERATE else _breaking(error, after or 0)
    setattr(store, f"_{verb}", failing)


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def _breaking(error: Exception, after: int) -> Callable[..., Iterator[Ref]]:
    def fail(*_: object) -> Iterator[Ref]:
        for _item in range(after):
            yield KEY
        raise error

    return fail
