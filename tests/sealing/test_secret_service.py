"""A real Secret Service (gnome-keyring on a private session bus) keeps a KEK and gives it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.sealing.kek.base import KekInputs
from kojikey.sealing.kek.registry import available_default, discard, load, make
from support.servers.secret_service import UNLOCKED, session


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    yield from session(tmp_path_factory.mktemp("unlocked"), UNLOCKED)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    yield from session(tmp_path_factory.mktemp("locked"), "")


def test_a_keychain_that_answers_is_the_default(unlocked: KekInputs) -> None:
    assert available_default(unlocked, interactive=False) == "keychain"
    assert available_default(unlocked, interactive=False, try_keychain=False) is None


def test_a_kek_is_kept_given_back_and_discarded(unlocked: KekInputs) -> None:
    spec, kek = make("keychain", store_id="s1", inputs=unlocked)
    record = kek.wrap(b"d" * 32, store="s1", account="acme")
    assert load(spec, unlocked).unwrap(record, store="s1", account="acme") == b"d" * 32
    discard(spec, unlocked)
    with pytest.raises(KekMissing):
        load(spec, unlocked)
    discard(spec, unlocked)


def test_discarding_one_kek_leaves_the_other_of_its_store(unlocked: KekInputs) -> None:
    (old, _), (new, kek) = (make("keychain", store_id="s2", inputs=unlocked) for _ in range(2))
    discard(old, unlocked)
    assert load(new, unlocked).kid == kek.kid


def test_a_keychain_that_cannot_be_unlocked_is_an_error_only_when_named(locked: KekInputs) -> None:
    assert available_default(locked, interactive=False) is None
    with pytest.raises(KekUnavailable, match="the keychain") as caught:
        make("keychain", store_id="s1", inputs=locked)
    assert caught.value.hint
