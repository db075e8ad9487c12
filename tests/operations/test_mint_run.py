"""The steps of one mint with a provider in memory: what is saved before each request, and what an error says."""

from __future__ import annotations

import pytest

from kojikey.model.errors import ChangedMeanwhile, StoreUnreachable, VersionNotFound
from kojikey.model.key import Stage
from kojikey.model.management_errors import (
    ManagementRefused,
    ManagementUnavailable,
    NoSuchParent,
    Refusal,
    WiderRefused,
)
from kojikey.model.verdict import Reason
from kojikey.operations.minting.mint_planning import Choice
from kojikey.providers.management.base import Wanted
from support import rotation
from support.faulty import FaultyStore
from support.keys_at_provider import LOST, PARENT, REFUSED, UNSENT, ByValue, KeysAtProvider, Unlisted, Wider
from support.memory_mint import NAMED, PAGE, Mint
from support.sample_store import ACCOUNT, BASE_URL, OLD, PROVIDER, FakeTester, Held, SampleStore, no


@pytest.fixture
def sample_store() -> SampleStore:
    """Return a store with one key."""
    sample_store = SampleStore.in_memory()
    sample_store.add()
    return sample_store


@pytest.fixture
def mint(sample_store: SampleStore) -> Mint:
    return Mint(sample_store)


def test_a_minted_key_is_in_use_with_its_id_and_the_old_one_is_kept_with_its_own(mint: Mint) -> None:
    result = mint.mint()
    (value,) = mint.created
    assert mint.store.held() == Held(value, None, OLD)
    assert (result.action, result.version, result.account, result.provider) == ("rotated", 2, ACCOUNT, PROVIDER)
    current, previous, report = mint.key.current, mint.key.version(Stage.PREVIOUS), result.at_provider
    assert previous is not None
    assert previous.at_provider is not None
    assert (previous.at_provider.key_id, previous.is_minted) == ("id-old", False)
    assert current.at_provider is not None
    assert report is not None
    name = f"kojikey {ACCOUNT} v2 "
    assert current.at_provider.name.startswith(name)
    assert len(current.at_provider.name) == len(name) + 8
    assert (current.at_provider.parent, current.is_minted, current.base_url) == (PARENT, True, BASE_URL)
    assert mint.keys.keys[current.at_provider.key_id].name == current.at_provider.name == report.name
    assert (report.key_id, report.parent) == (current.at_provider.key_id, PARENT)
    assert (report.copied, report.not_copied) == (("permissions",), ("the IP allowlist",))
    assert report.revoke_after is not None
    assert mint.told == ["the new key does not take over: the IP allowlist"]
    assert (mint.key.minting, mint.key.unfound) == (None, ())
    assert mint.store.actions() == ["added", "minted", "promoted"]
    assert mint.store.events()[1]["version"] == 2
    mint.store.verify()


def test_the_new_key_is_asked_for_as_the_old_one_is_and_its_intent_is_saved_before(mint: Mint) -> None:
    mint.keys.put("id-old", OLD, owner="someone", created_at="2026-11-01T00:00:00Z", expires_at="2026-12-01T00:00:00Z")
    saved = []

    def at_creation(wanted: Wanted) -> None:
        intent = mint.key.minting
        assert intent is not None
        saved.append(intent)
        assert (wanted.name, wanted.token, wanted.parent, wanted.owner) == (
            intent.name,
            intent.token,
            PARENT,
            "someone",
        )
        assert wanted.name.endswith(wanted.token)
        assert wanted.settings == {"scopes": ["read"]}
        assert wanted.expires_at is not None

    mint.keys.meanwhile = at_creation
    mint.mint(Choice(like="id-old", parent=PARENT))
    (intent,) = saved
    assert (intent.parent, intent.owner, intent.like, intent.chosen_parent) == (PARENT, "someone", "id-old", PARENT)
    assert (intent.admin_account, intent.is_wider_allowed) == ("admins", False)
    (created,) = (key for key in mint.keys.keys.values() if key.key_id != "id-old")
    assert mint.key.current.expires_at == created.expires_at is not None


def test_the_id_of_the_old_key_that_was_known_is_not_changed(mint: Mint) -> None:
    mint.mint()
    rotation.rollback(mint.store.open_store(), **NAMED, test=None, approve=no)
    before = mint.key.current.at_provider
    mint.keys.put("id-old", OLD, name="another name now")
    mint.keys.forget_lists()
    rotation.retire(mint.store.open_store(), **NAMED, test=FakeTester(Reason.REVOKED))
    mint.mint()
    previous = mint.key.version(Stage.PREVIOUS)
    assert previous is not None
    assert previous.at_provider == before


@pytest.mark.parametrize("error", [REFUSED, UNSENT], ids=["refused", "unsent"])
def test_a_refused_request_leaves_no_intent_and_no_search(
    mint: Mint, error: ManagementRefused | ManagementUnavailable
) -> None:
    mint.keys.before["create"] = error
    with pytest.raises(type(error)) as caught:
        mint.mint()
    assert caught.value.effect == "nothing was created"
    assert caught.value.hint is None
    assert (mint.key.minting, mint.key.unfound) == (None, ())
    assert not [each for each in mint.keys.requests if each.startswith("delete")]
    assert mint.store.held() == Held(OLD)
    with pytest.raises(VersionNotFound):
        mint.resume()


def test_a_parent_that_is_gone_is_named_by_its_kind(mint: Mint) -> None:
    mint.keys.before["create"] = ManagementRefused("not found", Refusal.NOT_THERE)
    with pytest.raises(NoSuchParent, match="sees no team with that id at the provider"):
        mint.mint()


@pytest.mark.parametrize("is_done", [True, False])
def test_after_a_lost_answer_the_intent_stays_and_the_error_says_how_to_continue(mint: Mint, is_done: bool) -> None:
    (mint.keys.after if is_done else mint.keys.before)["create"] = LOST
    with pytest.raises(ManagementUnavailable) as caught:
        mint.mint()
    assert caught.value.effect == "the key in use is unchanged, and a new one may exist at the provider"
    assert "--resume" in str(caught.value.hint)
    assert "--abort" in str(caught.value.hint)
    assert PROVIDER in str(caught.value.hint)
    assert mint.key.minting is not None
    assert mint.store.held() == Held(OLD)


def test_a_key_whose_answer_was_lost_is_deleted_before_another_one_is_created(mint: Mint) -> None:
    mint.lose(is_done=True)
    (lost,) = mint.created
    first = mint.key.minting
    assert first is not None
    assert mint.resume().action == "rotated"
    (value,) = mint.created
    assert value != lost
    assert mint.store.held() == Held(value, None, OLD)
    current = mint.key.current.at_provider
    assert current is not None
    assert current.name != first.name
    assert (mint.key.minting, mint.key.unfound) == (None, ())


def test_a_name_that_was_not_found_is_remembered_when_another_key_is_created(mint: Mint) -> None:
    mint.lose(is_done=False)
    first = mint.key.minting
    assert mint.resume().action == "rotated"
    assert mint.key.unfound == (first,)


def test_an_abort_deletes_the_key_whose_answer_was_lost(mint: Mint) -> None:
    mint.lose(is_done=True)
    intent = mint.key.minting
    assert intent is not None
    result = mint.abort()
    assert (result.action, result.version, result.tail) == ("aborted", None, "")
    assert (result.account, result.provider, result.key) == (ACCOUNT, PROVIDER, mint.key)
    assert result.at_provider is not None
    assert (result.at_provider.name, result.at_provider.parent) == (intent.name, PARENT)
    assert mint.created == []
    assert (mint.key.minting, mint.key.unfound) == (None, ())
    assert mint.store.held() == Held(OLD)


def test_an_abort_remembers_a_name_that_was_not_found(mint: Mint) -> None:
    mint.lose(is_done=False)
    intent = mint.key.minting
    assert mint.abort().action == "aborted"
    assert (mint.key.minting, mint.key.unfound) == (None, (intent,))


def test_an_abort_without_the_api_forgets_the_intent_and_asks_nothing(mint: Mint) -> None:
    mint.lose(is_done=True)
    mint.keys.requests.clear()
    assert mint.abort(with_api=False).action == "aborted"
    assert (mint.key.minting, mint.key.unfound, mint.keys.requests) == (None, (), [])


def test_an_abort_whose_deletion_fails_changes_nothing(mint: Mint) -> None:
    mint.lose(is_done=True)
    intent = mint.key.minting
    mint.keys.before["delete"] = REFUSED
    with pytest.raises(ManagementRefused) as caught:
        mint.abort()
    assert caught.value.effect == "the store was not changed"
    assert "--abort" in str(caught.value.hint)
    assert mint.key.minting == intent


def staged(mint: Mint) -> str:
    """Mint a key that its provider does not accept yet, and return its value."""
    mint.test = FakeTester(Reason.INVALID_KEY)
    assert mint.mint().action == "staged"
    (value,) = mint.created
    assert mint.store.held() == Held(OLD, value)
    return value


def test_a_minted_key_that_is_not_accepted_yet_stays_staged_and_is_promoted_later(mint: Mint) -> None:
    value = staged(mint)
    mint.test = FakeTester()
    assert mint.resume().action == "rotated"
    assert mint.store.held() == Held(value, None, OLD)
    assert [each for each in mint.keys.requests if each.startswith("create")] == [mint.keys.requests[-1]]


@pytest.mark.parametrize(("is_approved", "action"), [(True, "rotated"), (False, "staged")])
def test_a_limited_key_is_promoted_only_if_that_is_approved(mint: Mint, is_approved: bool, action: str) -> None:
    mint.test, mint.is_limited_approved = FakeTester(Reason.BILLING), is_approved
    assert mint.mint().action == action


def test_an_abort_deletes_a_staged_key_at_the_provider_before_it_drops_it(mint: Mint) -> None:
    staged(mint)
    remote_id = mint.key.version(Stage.STAGED)
    assert remote_id is not None
    assert remote_id.at_provider is not None
    result = mint.abort()
    assert (result.action, result.version) == ("aborted", 2)
    assert result.at_provider is not None
    assert result.at_provider.key_id == remote_id.at_provider.key_id
    assert mint.keys.values == {"id-old": OLD}
    assert mint.store.held() == Held(OLD)
    assert mint.store.actions()[-2:] == ["revoked_at_provider", "aborted"]
    assert mint.store.events()[-2]["version"] == 2
    assert mint.store.events()[-2]["provider"] == PROVIDER


def test_an_abort_without_the_api_drops_a_staged_key_and_names_its_id(mint: Mint) -> None:
    value = staged(mint)
    result = mint.abort(with_api=False)
    assert result.at_provider is not None
    assert result.at_provider.key_id in mint.keys.keys
    assert mint.created == [value]
    assert mint.store.held() == Held(OLD)
    assert "revoked_at_provider" not in mint.store.actions()


def test_a_staged_key_that_cannot_be_deleted_stays_staged(mint: Mint) -> None:
    value = staged(mint)
    mint.keys.before["delete"] = UNSENT
    with pytest.raises(ManagementUnavailable) as caught:
        mint.abort()
    assert caught.value.effect == "the store was not changed"
    assert mint.store.held() == Held(OLD, value)


def overtaken(mint: Mint) -> ChangedMeanwhile:
    """Mint while another process aborts the same mint, and return the error."""
    mint.keys.meanwhile = lambda _: mint.abort(with_api=False)
    with pytest.raises(ChangedMeanwhile) as caught:
        mint.mint()
    return caught.value


def test_a_key_of_a_mint_that_another_process_aborted_is_deleted(mint: Mint) -> None:
    assert overtaken(mint).effect == "the change was not made"
    assert mint.created == []
    assert mint.store.held() == Held(OLD)
    assert mint.key.minting is None


def test_a_key_of_an_aborted_mint_that_is_its_own_id_is_deleted_by_its_value(sample_store: SampleStore) -> None:
    mint = Mint(sample_store, ByValue())
    overtaken(mint)
    assert mint.created == []


def test_a_key_of_an_aborted_mint_that_cannot_be_deleted_is_named(mint: Mint) -> None:
    mint.keys.before["delete"] = UNSENT
    error = overtaken(mint)
    (created,) = (key for key in mint.keys.keys.values() if key.key_id != "id-old")
    assert error.effect == f"the key that was created at the provider is not saved (its id is {created.key_id})"


def test_a_store_that_fails_after_the_creation_makes_the_error_name_the_lost_key(mint: Mint) -> None:
    store = FaultyStore(mint.store.opener(), StoreUnreachable("here", "is away"), at=3)
    with pytest.raises(StoreUnreachable) as caught:
        mint.mint(open_store=mint.store.open_store(store))
    assert store.fired
    (created,) = (key for key in mint.keys.keys.values() if key.key_id != "id-old")
    assert caught.value.effect == f"the key that was created at the provider is not saved (its id is {created.key_id})"
    assert str(caught.value.hint) == (
        f"once the store answers: kojikey rotate {PROVIDER} --resume deletes it and creates another"
    )
    assert mint.store.held() == Held(OLD)
    assert mint.resume().action == "rotated"
    assert len(mint.created) == 1


def test_where_nothing_is_listed_a_person_is_asked_to_look_for_the_lost_key(sample_store: SampleStore) -> None:
    mint = Mint(sample_store, Unlisted())
    mint.keys.after["create"] = LOST
    with pytest.raises(ManagementUnavailable) as caught:
        mint.mint()
    intent = mint.key.minting
    assert intent is not None
    sentence = f"the provider lists no keys, so look for one named {intent.name} at {PAGE} and delete it there"
    assert caught.value.effect == sentence
    mint.keys.after.clear()
    assert mint.resume().action == "rotated"
    assert sentence in mint.told
    assert mint.key.unfound == ()


def test_a_key_that_would_be_allowed_more_is_not_created_without_consent(sample_store: SampleStore) -> None:
    mint = Mint(sample_store, Wider())
    with pytest.raises(WiderRefused, match="the permissions of the old key cannot be read"):
        mint.mint()
    assert mint.asked == ["the permissions of the old key cannot be read"]
    assert (mint.created, mint.key.minting) == ([], None)
    assert mint.store.actions() == ["added"]
    assert mint.key.current.at_provider is None


def test_consent_to_a_wider_key_is_saved_and_not_asked_for_again(sample_store: SampleStore) -> None:
    mint = Mint(sample_store, Wider(), is_wider_allowed=True)
    mint.lose(is_done=True)
    intent = mint.key.minting
    assert intent is not None
    assert intent.is_wider_allowed
    mint.is_wider_allowed = False
    assert mint.resume().action == "rotated"
    assert len(mint.asked) == 1


def test_nothing_is_told_and_asked_where_everything_is_copied(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = Mint(sample_store)
    monkeypatch.setattr(KeysAtProvider, "copy_plan", KeysAtProvider.copy_plan.__class__({}, ("permissions",)))
    mint.mint()
    assert (mint.told, mint.asked) == ([], [])
