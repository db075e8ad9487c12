"""Providers that the sandbox simulates from data alone agree with their definitions."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from kojikey.providers.catalog import load_catalog
from kojikey.testing import Sandbox
from kojikey.testing.sandbox.scenarios import PROVIDERS, script_of
from support.each import each

PLAYED = [provider for provider in PROVIDERS if script_of(provider).routes]


def test_the_sandbox_plays_every_bundled_provider() -> None:
    assert set(PROVIDERS) == set(load_catalog().ids())


@each("provider", PLAYED)
def test_a_played_provider_takes_the_key_as_its_definition_sends_it(provider: str) -> None:
    definition, script = load_catalog().get(provider), script_of(provider)
    assert (script.header, script.prefix) == (definition.auth_header.lower(), definition.auth_prefix)
    assert set(script.required) == {name.lower() for name in definition.headers}


@pytest.mark.parametrize("provider", PLAYED)
def test_sandbox_keys_have_the_shapes_of_the_providers(provider: str) -> None:
    definition = load_catalog().get(provider)
    with Sandbox() as sandbox:
        for key in (key for key in sandbox.keys if key.provider == provider):
            shape = definition.shape_of(key.key)
            assert shape is not None, key.name
            assert bool(shape.refused) == bool(script_of(provider).scenarios[key.name].shape), key.name


@each("provider", PLAYED)
def test_every_answer_names_its_source_and_holds_json_unless_it_says_html(provider: str) -> None:
    for name, answer in script_of(provider).answers.items():
        assert len(answer.source) >= 7, name
        if answer.body and "<html" not in answer.body:
            json.loads(re.sub(r"<<\w+>>", "1", answer.body))


@pytest.mark.parametrize("provider", PLAYED)
def test_a_request_without_key_or_without_a_fixed_header_is_not_answered_as_a_good_one(provider: str) -> None:
    script = script_of(provider)
    route = next(route for route in script.routes if route.name == "account")
    with Sandbox() as sandbox, httpx.Client(trust_env=False) as client:
        key = sandbox.key(provider, "ok")
        url = key.base_url + route.path.replace("\\", "")
        header, fixed = {script.header: script.prefix + key.key}, dict.fromkeys(script.required, "2026-01-01")
        assert client.get(url, headers={**header, **fixed}).status_code == 200
        assert client.get(url, headers=fixed).status_code >= 400
        assert client.get(url, headers={**fixed, script.header: "Basic " + key.key}).status_code >= 400
        if script.required:
            assert client.get(url, headers=header).status_code >= 400
