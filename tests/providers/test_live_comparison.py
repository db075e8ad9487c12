"""``benchmarks/live.py`` asks providers only with its flag, and finds changed answers; here it asks the sandbox."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from kojikey.providers.catalog import load_catalog
from kojikey.testing import Sandbox
from kojikey.testing.sandbox.scenarios import PROVIDERS

PATH = Path(__file__).parents[2] / "benchmarks" / "live.py"


@pytest.fixture(scope="module")
def live() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("arguments", "in_ci"), [([], ""), (["openai"], ""), (["--yes-ask-the-real-providers"], "1")])
def test_no_provider_is_asked_without_the_flag_or_in_ci(
    live: ModuleType, arguments: list[str], in_ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("a provider was asked")

    monkeypatch.setattr(live, "compare", asked)
    monkeypatch.setenv("CI", in_ci)
    assert live.main(arguments) == 2


def test_the_sandbox_answers_as_recorded(live: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = load_catalog()
    with Sandbox() as sandbox:
        places = [(catalog.get(provider), sandbox.base_url(provider)) for provider in PROVIDERS]
        assert asyncio.run(live.compare(places)) == 0
    assert capsys.readouterr().out.count("as recorded") == len(PROVIDERS)


@pytest.mark.parametrize(
    ("name", "said"), [("ok", "status 200, recorded 401"), ("rate_limited", "the rules find rate_limited")]
)
def test_an_answer_that_changed_is_reported(
    live: ModuleType, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox() as sandbox:
        sandbox.set_reason(sandbox.key("openai", "invalid_key"), name)
        assert asyncio.run(live.compare([(load_catalog().get("openai"), sandbox.base_url("openai"))])) == 1
    assert said in capsys.readouterr().out
