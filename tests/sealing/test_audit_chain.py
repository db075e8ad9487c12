"""A link covers its event and the one before; a head covers where the chain ends."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kojikey.sealing.audit_chain import NO_LINK, head, link, same, unsigned_link
from kojikey.sealing.envelope import Sealer

KEY = b"\x01" * 32
EVENT: dict[str, Any] = {"seq": 1, "time": "2026-11-23T04:47:00Z", "actor": "kim@host", "action": "added", "version": 1}
EVENTS = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=4)


def test_a_link_is_computed_as_documented() -> None:
    event = b'{"action":"added","actor":"kim@host","seq":1,"time":"2026-11-23T04:47:00Z","version":1}'
    covered = b'kojikey/1 link\n"before"\n' + event
    assert link(KEY, "before", EVENT) == hmac.new(KEY, covered, hashlib.sha256).hexdigest()


def test_a_link_does_not_depend_on_the_order_of_members_nor_on_the_mac() -> None:
    event = {**dict(reversed(EVENT.items())), "mac": "whatever"}
    assert link(KEY, NO_LINK, event) == link(KEY, NO_LINK, EVENT)
    assert unsigned_link(NO_LINK, event) == unsigned_link(NO_LINK, EVENT)


@given(EVENTS, EVENTS, st.text(), st.text())
@settings(deadline=None)
def test_two_histories_never_have_the_same_link(
    one: dict[str, Any], other: dict[str, Any], before: str, after: str
) -> None:
    one.pop("mac", None)
    other.pop("mac", None)
    # 1 and True are equal in Python and differ in JSON
    assume((repr(sorted(one.items())), before) != (repr(sorted(other.items())), after))
    assert link(KEY, before, one) != link(KEY, after, other)
    assert unsigned_link(before, one) != unsigned_link(after, other)


@pytest.mark.parametrize("name", sorted(EVENT))
def test_changing_any_member_changes_the_link(name: str) -> None:
    assert link(KEY, NO_LINK, {**EVENT, name: "changed"}) != link(KEY, NO_LINK, EVENT)
    without = {key: value for key, value in EVENT.items() if key != name}
    assert link(KEY, NO_LINK, without) != link(KEY, NO_LINK, EVENT)


def test_another_key_makes_other_links_and_heads() -> None:
    other = b"\x02" * 32
    assert link(KEY, NO_LINK, EVENT) != link(other, NO_LINK, EVENT)
    assert head(KEY, 1, "mac") != head(other, 1, "mac")


def test_an_unsigned_link_and_a_head_cannot_pass_for_a_signed_link() -> None:
    mac = link(KEY, NO_LINK, EVENT)
    assert len({mac, unsigned_link(NO_LINK, EVENT), head(KEY, 1, mac), head(KEY, 2, mac), head(KEY, 1, "")}) == 5
    assert head(KEY, 1, "2\nx") != head(KEY, 12, "x")


def test_an_account_signs_with_a_key_that_is_not_its_data_key() -> None:
    sealer, other = (Sealer(key, store="s", account="acme") for key in (KEY, b"\x02" * 32))
    assert sealer.link(NO_LINK, EVENT) == sealer.link(NO_LINK, EVENT)
    assert sealer.link(NO_LINK, EVENT) not in (link(KEY, NO_LINK, EVENT), other.link(NO_LINK, EVENT))
    assert sealer.head(3, "mac") not in (head(KEY, 3, "mac"), other.head(3, "mac"))


def test_events_of_any_content_can_be_linked() -> None:
    hostile = {"actor": "\ud800", "seq": float("nan"), "more": [{"deep": None}]}
    assert len(link(KEY, "\ud800", hostile)) == len(unsigned_link("\ud800", hostile)) == 64


def test_links_are_compared_whatever_the_store_holds() -> None:
    mac = link(KEY, NO_LINK, EVENT)
    assert same(mac, mac)
    for found in (None, 7, "", mac[:-1], mac.upper(), "é" * 64, "\ud800", mac.encode(), [mac]):
        assert not same(found, mac)
