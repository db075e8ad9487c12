"""The catalog of providers: bundled ones, those of the user's files, and the index that `run` reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.model.errors import BadDefinition, UnknownProvider, UnsafeDefinition
from kojikey.providers import index
from kojikey.providers.catalog import Mistake, load_catalog
from kojikey.providers.entries import read_entries
from support.own_provider import ACME

MINE = (
    ACME
    + """\
[auth]
header = "Authorization"
[base_urls]
default = "https://api.acme.example"
[[checks]]
name = "account"
path = "/v1/me"
expect = ["id"]
"""
)


def test_the_bundled_providers_are_there() -> None:
    catalog = load_catalog()
    assert catalog.ids()[:2] == ("elevenlabs", "google_gemini")
    assert set(catalog.ids()[2:]) >= {
        "anthropic", "anthropic_admin", "assemblyai", "azure_openai", "cartesia", "cerebras", "cohere", "deepgram",
        "deepseek", "elevenlabs_admin", "fireworks", "groq", "huggingface", "mistral", "mistral_admin", "openai",
        "openai_admin", "openrouter", "openrouter_admin", "perplexity", "replicate", "together", "xai", "xai_admin",
    }  # fmt: skip
    assert list(catalog.ids()[2:]) == sorted(catalog.ids()[2:])
    gemini, eleven = catalog.get("google_gemini"), catalog.get("elevenlabs")
    assert (gemini.env, gemini.base_url_env, gemini.auth_header) == (
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "GOOGLE_GEMINI_BASE_URL", "x-goog-api-key",
    )  # fmt: skip
    assert (eleven.env, eleven.base_url_env, eleven.auth_header) == (("ELEVENLABS_API_KEY",), "", "xi-api-key")
    assert set(eleven.base_urls) == {"default", "us", "eu", "in", "sg"}


def test_no_two_providers_share_a_name_of_a_key() -> None:
    entries = index.read_index().values()
    names = [name for entry in entries for name in (*entry.env, *entry.aliases, entry.base_url_env) if name]
    assert len(names) == len(set(names))
    short = [name for found, entry in index.read_index().items() for name in (found, *entry.llm_names)]
    assert len(short) == len(set(short))
    assert {"GOOGLE_GENERATIVE_AI_API_KEY", "XI_API_KEY", "HUGGING_FACE_HUB_TOKEN"} <= set(names)


def test_a_users_file_adds_a_provider(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(MINE)
    (tmp_path / "notes.txt").write_text("not a definition")
    assert load_catalog(str(tmp_path)).get("acme_speech").company == "Acme"
    entry = read_entries(str(tmp_path))["acme_speech"]
    assert (entry.env, entry.keys_page) == (("ACME_API_KEY",), "https://acme.example/keys")


def test_a_users_file_cannot_replace_a_bundled_definition(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(MINE.replace("acme_speech", "elevenlabs"))
    catalog = load_catalog(str(tmp_path))
    assert catalog.get("elevenlabs").company == "ElevenLabs"
    assert ["comes with kojikey" in str(mistake) for mistake in catalog.mistakes] == [True]
    told: list[Mistake] = []
    assert read_entries(str(tmp_path), on_mistake=told.append) == index.read_index()
    assert [mistake.path for mistake in told] == [str(tmp_path / "x.toml")]


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MINE)
    (tmp_path / "b.toml").write_text(MINE)
    with pytest.raises(BadDefinition, match="two files"):
        load_catalog(str(tmp_path)).get("acme_speech")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * 300_000])
def test_a_file_that_is_not_text_or_is_too_large_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    (tmp_path / "b.toml").write_text(MINE)
    catalog = load_catalog(str(tmp_path))
    assert "acme_speech" in catalog.ids()
    with pytest.raises(BadDefinition):
        catalog.get("a")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(MINE, encoding="utf-8-sig")
    assert load_catalog(str(tmp_path)).get("acme_speech").company == "Acme"


def test_a_pipe_in_the_folder_of_definitions_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    mistakes = load_catalog(str(tmp_path)).mistakes
    assert sorted(os.path.basename(mistake.path) for mistake in mistakes) == ["folder.toml", "pipe.toml", "zero.toml"]


def test_a_file_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(MINE)
    path.chmod(0o666)
    with pytest.raises(UnsafeDefinition, match="0666") as caught:
        load_catalog(str(tmp_path)).get("acme")
    assert str(caught.value.hint) == f"chmod go-w {path}"


def test_no_file_of_a_folder_that_others_can_write_is_used(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(MINE)
    tmp_path.chmod(0o777)
    catalog = load_catalog(str(tmp_path))
    assert catalog.ids() == load_catalog().ids()
    with pytest.raises(UnsafeDefinition):
        catalog.get("acme_speech")


def test_a_file_that_belongs_to_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme.toml").write_text(MINE)
    owner, stat_of = os.geteuid() + 1, os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: os.stat_result((*stat_of(handle)[:4], owner, *stat_of(handle)[5:])))
    with pytest.raises(UnsafeDefinition, match="belongs to another user"):
        load_catalog(str(tmp_path)).get("acme")


def test_a_missing_folder_of_definitions_adds_nothing(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert load_catalog(nowhere).ids() == load_catalog().ids()
    assert read_entries(nowhere) == index.read_index()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("elevenlab", "elevenlabs"), ("ElevenLabs", "elevenlabs"), ("gemini", "google_gemini"),
     ("google-gemini", "google_gemini"), ("google", "google_gemini")],
)  # fmt: skip
def test_an_unknown_provider_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(UnknownProvider, match=typed) as caught:
        load_catalog().get(typed)
    assert f"did you mean {meant}?" in str(caught.value.hint)


def test_an_unknown_provider_that_resembles_none_gets_the_list() -> None:
    with pytest.raises(UnknownProvider) as caught:
        load_catalog().get("zzz")
    assert "did you mean" not in str(caught.value.hint)
    assert "elevenlabs, google_gemini, anthropic" in str(caught.value.hint)


@pytest.mark.parametrize("typed", ["sk_" + "0a1b2c3d" * 6, "a b", "x" * 40, "0123456789abcdef" * 2, "a\x1b[1m"])
def test_a_provider_name_that_may_be_a_key_is_not_repeated(typed: str) -> None:
    with pytest.raises(UnknownProvider) as caught:
        load_catalog().get(typed)
    assert typed not in f"{caught.value} {caught.value.hint} {caught.value.name}"


def test_the_index_agrees_with_the_definitions() -> None:
    catalog = load_catalog()
    assert index.read_index() == {name: index.entry_of(catalog.get(name)) for name in catalog.ids()}


def test_reading_the_index_imports_no_slow_module() -> None:
    program = (
        "import sys; from kojikey.providers.entries import read_entries; read_entries('/nowhere');"
        "from kojikey.model import base_url, key_detection;"
        "slow = {'dataclasses', 'tomllib', 'pathlib', 'httpcore2', 'asyncio', 'logging', 'inspect'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_bundled_file_is_named_after_its_id() -> None:
    catalog = load_catalog()
    assert [catalog.get(name).id for name in catalog.ids()] == list(catalog.ids())
    assert len(catalog.definitions) == len(catalog.ids()) >= 2
