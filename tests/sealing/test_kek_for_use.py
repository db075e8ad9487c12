"""The id of a KEK is not derived when it is loaded for use; a wrong KEK is still refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import RecordChanged, WrongKek
from kojikey.sealing import base64url
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import load_for_use, make

RIGHT, WRONG = (KekInputs({"KOJIKEY_KEK": base64url.encode(bytes([n]) * 32)}, None) for n in (1, 2))
SPEC, KEK = make("env", store_id="s1", inputs=RIGHT)
WRAPPED = KEK.wrap(b"d" * 32, store="s1", account="acme")
USES: list[Callable[[Kek], object]] = [
    lambda kek: kek.wrap(b"d" * 32, store="s1", account="acme"),
    lambda kek: kek.unwrap(WRAPPED, store="s1", account="acme"),
]


def test_the_right_kek_unwraps_and_wraps() -> None:
    kek = load_for_use(SPEC, RIGHT)
    assert kek.unwrap(WRAPPED, store="s1", account="acme") == b"d" * 32
    assert KEK.unwrap(kek.wrap(b"e" * 32, store="s1", account="acme"), store="s1", account="acme") == b"e" * 32
    assert kek.kid == SPEC["kid"]


@pytest.mark.parametrize("use", USES)
def test_a_wrong_kek_is_refused_when_it_is_used(use: Callable[[Kek], object]) -> None:
    with pytest.raises(WrongKek, match="the KEK in KOJIKEY_KEK is not this store's; nothing was opened"):
        use(load_for_use(SPEC, WRONG))


def test_a_record_of_another_kek_is_not_blamed_on_this_one() -> None:
    _, other = make("env", store_id="s1", inputs=WRONG)
    theirs = other.wrap(b"d" * 32, store="s1", account="acme")
    with pytest.raises(WrongKek, match="was wrapped by another KEK"):
        load_for_use(SPEC, RIGHT).unwrap(theirs, store="s1", account="acme")


def test_a_damaged_record_is_not_taken_for_a_wrong_kek() -> None:
    middle = WRAPPED.rindex(".") + 4
    damaged = WRAPPED[:middle] + ("A" if WRAPPED[middle] != "A" else "B") + WRAPPED[middle + 1 :]
    with pytest.raises(RecordChanged):
        load_for_use(SPEC, RIGHT).unwrap(damaged, store="s1", account="acme")
