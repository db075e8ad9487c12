"""Stores to copy between, their content, and the comparison of two stores.

Owns: the list of the kinds of stores; every test of copying uses each kind.
Must not: assert more than that two stores have the same content.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from kojikey.model.key import Key
from kojikey.model.ref import Document
from kojikey.model.verdict import Reason
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.store_admin.copying import CopyResult, copy
from kojikey.stores.base import Store
from kojikey.stores.registry import store_from_url
from support.exhaustive import exhaustive, exhaustive_except
from support.sample_store import ACCOUNT, ADAPTERS, NEW, PROVIDER, THIRD, FakeTester, SampleStore, yes

OTHER, GEMINI = "globex", "google_gemini"

Place = Callable[[pytest.FixtureRequest], Callable[[], Store]]


def _folder(request: pytest.FixtureRequest) -> Path:
    made: Path = request.getfixturevalue("tmp_path_factory").mktemp("store")
    return made


def _dynamodb(request: pytest.FixtureRequest) -> Callable[[], Store]:
    store = store_from_url(request.getfixturevalue("aws").url())
    request.addfinalizer(store.close)
    return lambda: store  # a new client each time would only be slow


def _postgresql(request: pytest.FixtureRequest) -> Callable[[], Store]:
    server, stack = request.getfixturevalue("postgres"), ExitStack()
    request.addfinalizer(stack.close)
    store = store_from_url(server.url(stack.enter_context(server.database())))
    stack.callback(store.close)
    return lambda: store


PLACES: dict[str, Place] = {
    "memory": lambda request: ADAPTERS["memory"](_folder(request)),
    "sqlite": lambda request: ADAPTERS["sqlite"](_folder(request)),
    "dynamodb": _dynamodb,
    "postgresql": _postgresql,
}
"""The kinds of stores. The tests of copying and of crashes run with each of them."""

EMBEDDED = tuple(sorted(ADAPTERS))
TARGETS = [place if place in EMBEDDED else exhaustive(place) for place in sorted(PLACES)]
"""The normal run copies to the servers along ``ROUTES``, and in the tests of crashes."""

ROUTES = exhaustive_except(
    [
        (("sqlite", "postgresql", "dynamodb"),),
        (("dynamodb", "postgresql", "sqlite"),),
        (("postgresql", "dynamodb", "memory"),),
        (("sqlite", "sqlite", "sqlite"),),
    ],
    [(("sqlite", "postgresql", "dynamodb"),), (("sqlite", "sqlite", "sqlite"),)],
)

Make = Callable[[str], SampleStore]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    return lambda place: SampleStore.made(PLACES[place](request))


@pytest.fixture(params=EMBEDDED)
def source(request: pytest.FixtureRequest, make: Make) -> SampleStore:
    return make(request.param)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, make: Make) -> SampleStore:
    return make(request.param)


@pytest.fixture
def one(make: Make) -> SampleStore:
    return make("sqlite")


@pytest.fixture
def two(make: Make) -> SampleStore:
    return make("memory")


def copied(
    source: SampleStore, target: SampleStore, *names: str, dry_run: bool = False, into: Store | None = None
) -> list[CopyResult]:
    return list(copy(source.open_store(), target.open_store(into), accounts=names, dry_run=dry_run))


def actions(results: list[CopyResult]) -> dict[tuple[str, str], str]:
    return {(result.account, result.provider): result.action for result in results}


def everything(sample_store: SampleStore) -> dict[str, object]:
    """Return the whole content of a store, with the revisions."""
    store = sample_store.opener()
    parts = {"header": [store.header()], "accounts": store.accounts(), "keys": store.scan(), "events": store.events()}
    return {name: list(found) for name, found in parts.items()}


def plain(key: Key | None) -> Key:
    """Return a key without the members that differ between two stores."""
    assert key is not None
    return replace(key, versions=tuple(replace(v, sealed="", fingerprint="") for v in key.versions), is_copy=False)


def written(document: Document) -> Document:
    """Return an event without the members of its place in the chain."""
    return {name: value for name, value in document.items() if name not in ("seq", "mac", "origin")}


SETTINGS = KeySettings(
    label="night shift", models=("eleven_v3",), capabilities=("text_to_speech", "voices_read"),
    expires_at="2099-01-31T23:59:59Z", rotate_after_days=30,
)  # fmt: skip


def fill(sample_store: SampleStore) -> None:
    """Add keys of every kind: three stages, pending settings, tests, two accounts, two providers."""
    sample_store.add(test=FakeTester(), settings=SETTINGS)
    sample_store.rotate(test=FakeTester(Reason.MISSING_PERMISSION), approve=yes)
    sample_store.stage(THIRD, settings=KeySettings(label="day shift", rotate_after_days=7, models=("eleven_v4",)))
    sample_store.add(NEW, provider=GEMINI)
    sample_store.add(account=OTHER)


def same(one: SampleStore, other: SampleStore) -> None:
    """Check that two stores have the same keys, and that the audit trails of both verify."""
    for account, provider in ((ACCOUNT, PROVIDER), (ACCOUNT, GEMINI), (OTHER, PROVIDER)):
        assert one.held(account, provider) == other.held(account, provider)
        assert plain(one.key(account, provider)) == plain(other.key(account, provider))
    for sample_store in (one, other):
        assert sample_store.verify().verified == (ACCOUNT, OTHER)
