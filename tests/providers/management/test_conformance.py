"""Every adapter of a key-management API, against the sandbox's simulation of that API with state and faults."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, NoSuchParent, Refusal
from kojikey.model.secret import Secret
from kojikey.providers.management import MANAGED, client
from kojikey.providers.management.base import RemoteKey
from kojikey.testing import Sandbox
from support.played_management import CREATING, DELETING, DISABLING, LISTING, OLD, SETTINGS, Played

EXPIRING = ("openrouter", "xai", "mistral", "deepgram", "fireworks")


@pytest.fixture
def played(sandbox: Sandbox, request: pytest.FixtureRequest) -> Played:
    return Played(sandbox, request.param)


def of(providers: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("played", providers, indirect=True)


@of(CREATING)
def test_a_created_key_is_listed_with_its_name(played: Played) -> None:
    old = played.old()
    made = played.ask(lambda keys: keys.create(played.wanted(old)))
    there = next(key for key in played.managed.keys if key.value == made.secret.reveal())
    assert there.name == "kojikey default v2 0a1b2c3d"
    assert there.parent == old.parent
    if played.ability.lists:
        found = played.ask(lambda keys: keys.find_named(played.wanted(old)))
        assert [key.key_id for key in found] == [made.key.key_id] == [there.key_id]


@of(tuple(SETTINGS))
def test_a_new_key_gets_the_permissions_of_the_old_one(played: Played) -> None:
    old = played.old()
    plan = played.adapter.plan(old)
    played.created(old)
    new = next(key for key in played.managed.keys if key.name.startswith("kojikey"))
    assert {name: new.settings[name] for name in SETTINGS[played.provider]} == SETTINGS[played.provider]
    assert plan.copied
    assert not plan.wider


@of(EXPIRING)
def test_the_expiry_of_a_new_key_is_that_of_the_providers_answer(played: Played) -> None:
    old = played.old()
    wanted = replace(played.wanted(old), expires_at="2027-03-01T00:00:00Z")
    made = played.ask(lambda keys: keys.create(wanted)).key
    assert made.expires_at is not None
    assert made.expires_at[:10] == "2027-03-01"
    played.managed.latest_expiry = "2027-01-01T23:59:59Z"
    shortened = played.ask(lambda keys: keys.create(replace(wanted, token="11111111", name="another"))).key
    assert shortened.expires_at == "2027-01-01T23:59:59Z"


@of(LISTING)
def test_a_list_has_all_its_pages(played: Played) -> None:
    if played.provider == "mistral":
        played.managed.page = 100
        count = 205
    else:
        played.managed.page = 3
        count = 8
    parent = played.managed.parents[0]
    values = [played.managed.add(f"{OLD[played.provider]}{n}", name=f"key {n}").key_id for n in range(count)]
    found = played.ask(lambda keys: keys.list_keys(parent))
    assert {key.key_id for key in found} == set(values)
    assert len(found) == count


@of(("fireworks", "google_gemini", "openai", "openrouter", "xai"))
def test_a_list_of_too_many_pages_is_an_error_and_not_a_partial_list(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MOST_PAGES", 3)
    played.managed.page = 1
    parent = played.managed.parents[0]
    for number in range(4):
        played.managed.add(f"{OLD[played.provider]}{number}", parent=parent)
    with pytest.raises(ManagementUnavailable, match="more keys than kojikey reads"):
        played.ask(lambda keys: keys.list_keys(parent))


@of(tuple(name for name in LISTING if name != "google_gemini"))
def test_the_key_in_use_is_found_by_its_hint_among_others(played: Played) -> None:
    parent = played.managed.parents[0 if played.provider == "openrouter" else -1]  # which lists one workspace
    played.managed.add("another-0123456789-value-zzzz", name="another", parent=parent)
    made = played.managed.add(OLD[played.provider], parent=parent)
    found = played.ask(lambda keys: keys.find_by_value(Secret(OLD[played.provider])))
    assert [key.key_id for key in found] == [made.key_id]


@of(DELETING)
def test_a_deleted_key_is_gone_and_deleting_it_again_does_nothing(played: Played) -> None:
    old = played.old()
    made = played.ask(lambda keys: keys.create(played.wanted(old)))
    for _ in range(2):
        played.ask(lambda keys: keys.delete(made.key, made.secret))
        assert [key.value for key in played.managed.keys] == [OLD[played.provider]]


@of(DISABLING)
def test_a_disabled_key_is_listed_as_disabled(played: Played) -> None:
    old = played.old()
    played.ask(lambda keys: keys.disable(old))
    found = played.ask(lambda keys: keys.find(old.key_id, old.parent))
    assert found is not None
    assert found.is_disabled


@of(CREATING)
@pytest.mark.parametrize(("trouble", "is_made"), [("lost", True), ("garbage", True), ("dropped", False)])
def test_creating_is_requested_once_and_a_lost_answer_is_uncertain(played: Played, trouble: Any, is_made: bool) -> None:
    old = played.old()
    wanted = played.wanted(old)
    played.managed.fail("create", trouble)
    with pytest.raises(ManagementUnavailable) as raised:
        played.ask(lambda keys: keys.create(wanted))
    assert raised.value.is_uncertain
    assert len(played.managed.keys) == 1 + is_made


@of(CREATING)
def test_a_server_error_at_creating_is_uncertain_and_is_not_retried(played: Played) -> None:
    old = played.old()
    wanted = played.wanted(old)
    played.managed.fail("create", "failing")
    with pytest.raises(ManagementUnavailable) as raised:
        played.ask(lambda keys: keys.create(wanted))
    assert raised.value.is_uncertain
    assert not played.waited or played.provider == "google_gemini"


@of(CREATING)
def test_creating_waits_after_too_many_requests(played: Played) -> None:
    old = played.old()
    wanted = played.wanted(old)
    played.managed.fail("create", "rate_limited", times=2)
    played.ask(lambda keys: keys.create(wanted))
    assert len(played.waited) >= 2
    assert len(played.managed.keys) == 2


@of(CREATING)
@pytest.mark.parametrize(
    ("trouble", "refusal"),
    [("limit", Refusal.LIMIT), ("permission", Refusal.PERMISSION), ("admin_key", Refusal.ADMIN_KEY)],
)
def test_a_refusal_at_creating_gives_the_reason_and_creates_nothing(
    played: Played, trouble: Any, refusal: Refusal
) -> None:
    old = played.old()
    wanted = played.wanted(old)
    played.managed.fail("create", trouble, detail="keys.write")
    with pytest.raises(ManagementRefused) as raised:
        played.ask(lambda keys: keys.create(wanted))
    assert raised.value.refusal is refusal
    assert ("keys.write" in str(raised.value)) is (trouble == "permission")
    assert len(played.managed.keys) == 1


@of(DELETING)
def test_deleting_is_retried_after_a_server_error(played: Played) -> None:
    old = played.old()
    made = played.ask(lambda keys: keys.create(played.wanted(old)))
    played.managed.fail("delete", "failing", times=1)
    played.managed.fail("delete", "dropped", times=1)
    played.ask(lambda keys: keys.delete(made.key, made.secret))
    assert len(played.managed.keys) == 1


@of(DELETING)
def test_deleting_that_keeps_failing_is_reported(played: Played) -> None:
    old = played.old()
    made = played.ask(lambda keys: keys.create(played.wanted(old)))
    played.managed.fail("delete", "failing", times=None)
    with pytest.raises(ManagementUnavailable):
        played.ask(lambda keys: keys.delete(made.key, made.secret))
    assert len(played.managed.keys) == 2


@of(LISTING)
def test_a_missing_parent_is_refused(played: Played) -> None:
    with pytest.raises(NoSuchParent) as raised:
        played.ask(lambda keys: keys.checked_parent("no-such-parent"))
    assert "no-such-parent" not in str(raised.value)


@of(("openai",))
def test_a_service_account_with_other_keys_is_not_deleted(played: Played) -> None:
    old = played.old()
    made = played.created(old)
    played.managed.add("sk-svcacct-another-0123456789").owner = made.owner.partition(":")[2]
    with pytest.raises(ManagementRefused, match="only with all its keys"):
        played.ask(lambda keys: keys.delete(made))
    assert len(played.managed.keys) == 3


@of(MANAGED)
def test_an_id_that_a_provider_sends_stays_one_segment_of_a_path(played: Played) -> None:
    key = RemoteKey("../../v1/other?x=1#y", parent="../p", owner="service_account:../a")
    before = len(played.managed.keys)
    with suppress(ManagementRefused, ManagementUnavailable, ValueError, NotImplementedError):
        played.ask(lambda keys: keys.delete(key))
    assert len(played.managed.keys) == before
    assert all("/../" not in request.path for request in played.sandbox.requests)
