"""A rotation that meets trouble half-way: what does not open is not promoted, what was staged is told."""

from __future__ import annotations

import pytest

from kojikey.model.errors import KekMissing, KojikeyError, RecordChanged, StoreFull, StoreUnreachable
from kojikey.model.ref import key_ref
from kojikey.operations import rotating
from kojikey.stores.base import Change
from support.faulty import FaultyStore
from support.vault import ACCOUNT, NEW, OLD, PROVIDER, FakeTester, Held, Vault, no


def damage(vault: Vault, stage: str) -> None:
    """Put the current version's record in the place of another one, as somebody with access to the store could."""
    stored = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    sealed = {version["stage"]: version["sealed"] for version in stored.document["versions"]}
    for version in stored.document["versions"]:
        if version["stage"] == stage:
            version["sealed"] = sealed["current"]
    vault.opener().commit((Change(stored.ref, stored.document, stored.revision),))


def test_a_previous_version_that_does_not_open_is_not_rolled_back_to(vault: Vault) -> None:
    vault.add()
    vault.rotate()
    damage(vault, "previous")
    before = vault.key()
    with pytest.raises(RecordChanged):
        rotating.rollback(vault.custody(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert vault.key() == before


def test_a_staged_version_that_does_not_open_is_not_promoted_untested(vault: Vault) -> None:
    vault.add()
    vault.stage()
    damage(vault, "staged")
    before = vault.key()
    with pytest.raises(RecordChanged):
        rotating.resume(vault.custody(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert vault.key() == before


@pytest.mark.parametrize(
    "error",
    [
        StoreUnreachable("here", "lost its connection; nothing was changed"),
        StoreFull("here", "has no room left; the change was not made"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_tested", [True, False])
def test_a_store_that_is_lost_after_a_value_was_staged(vault: Vault, error: KojikeyError, is_tested: bool) -> None:
    vault.add()
    faulty = FaultyStore(vault.opener(), error, at=2)
    with pytest.raises(type(error)) as caught:
        vault.rotate(test=FakeTester() if is_tested else None, custody=vault.custody(faulty))
    told = str(caught.value)
    assert "the new key was staged before that, as version 2, and is not lost" in told
    assert "nothing was changed" not in told
    assert "not made" not in told
    assert caught.value.hint == f"kojikey rotate {PROVIDER} --resume"
    assert vault.held() == Held(OLD, staged=NEW)


def test_a_kek_that_goes_while_the_provider_is_asked(vault: Vault) -> None:
    vault.add()
    vault.environ = dict(vault.environ)
    custody = vault.custody(environ=vault.environ)

    def forgotten() -> None:
        custody._sealers.clear()
        custody._keks.clear()
        vault.environ.clear()

    test = FakeTester(meanwhile=forgotten)
    with pytest.raises(KekMissing, match="the new key was staged"):
        vault.rotate(test=test, custody=custody)


def test_a_value_that_was_never_staged_is_not_said_to_be(vault: Vault) -> None:
    vault.add()
    faulty = FaultyStore(vault.opener(), StoreFull("here", "has no room left; the change was not made"), at=1)
    with pytest.raises(StoreFull) as caught:
        vault.rotate(custody=vault.custody(faulty))
    assert str(caught.value) == "the store here has no room left; the change was not made"
