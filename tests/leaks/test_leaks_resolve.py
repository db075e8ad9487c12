"""Arguments in the wrong order: a key that a program passes for a provider is in no text of the exception."""

from __future__ import annotations

import os
from unittest import mock

import pytest

import kojikey as package
from kojikey.model.errors import UnknownProvider
from support.program import Program, pieces_in

KEYS = {
    "ElevenLabs, old": "abcdef0123456789abcdef0123456789",
    "Cohere": "Zk3vQpLr8sTuXw2yBnMa6dEfGhJi1oPc5qRtYv7U",
    "of lower case": "kq7pdzr3mxw9vtfnhs2bjgl8cyae",
    "ElevenLabs": "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36",
    "a UUID": "5f0c1b7e-9f27-4d06-a357-75e1f0c2ab94",
}


@pytest.mark.parametrize("kind", KEYS)
def test_resolve_never_repeats_what_may_be_a_key(kojikey: Program, kind: str) -> None:
    key = KEYS[kind]
    with mock.patch.dict(os.environ, kojikey.environ, clear=True), pytest.raises(UnknownProvider) as caught:
        package.resolve(key)
    error = caught.value
    assert pieces_in(key, f"{error} {error!r} {error.hint} {error.args} {vars(error)}") == []
    assert error.__cause__ is error.__context__ is None


def test_resolve_still_names_a_provider_that_was_mistyped(kojikey: Program) -> None:
    with mock.patch.dict(os.environ, kojikey.environ, clear=True), pytest.raises(UnknownProvider) as caught:
        package.resolve("elevenlab")
    assert str(caught.value) == "there is no provider elevenlab"
    assert str(caught.value.hint).startswith("did you mean elevenlabs?")
