"""The recipe of README for a provider of one's own, followed to the end: add, test, run."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from support.program import Program
from support.scripted_server import playing, request_head, response

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
RECIPE = next(
    text for text in re.findall(r"^```toml\n(.*?)^```", README, re.DOTALL | re.MULTILINE) if "[[rules]]" in text
)
RUN = "0Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"


def accepting(key: str) -> bytes:
    return b"authorization: bearer " + key.encode().lower()


@pytest.mark.parametrize(
    ("company", "key"),
    [
        ("Acme", f"acme_{RUN}"),
        ("OpenAI", f"sk-proj-{RUN}"),
        ("OpenAI, Inc.", f"sk-{RUN}T3BlbkFJ{RUN}"),
        ("DeepSeek", f"sk-{RUN}"),
        ("Anthropic", f"sk-ant-api03-{RUN}"),
        ("Groq", f"gsk_{RUN}"),
        ("xAI", f"xai-{RUN}"),
        ("Hugging Face", f"hf_{RUN}"),
        ("Stripe", f"sk_live_{RUN}"),
        ("Google", "AQ.Ab8RN6KojikeyCanary0123456789"),
    ],
)
def test_the_recipe_works_for_any_company(kojikey: Program, company: str, key: str) -> None:
    def play(connection: socket.socket, _: int) -> None:
        is_known = accepting(key) in request_head(connection).lower()
        refusal = response(b'{"error": {"code": "bad_key"}}', status="401 Unauthorized")
        connection.sendall(response(b'{"id": "me"}') if is_known else refusal)

    folder = kojikey.home / "providers"
    folder.mkdir(parents=True, mode=0o700)
    kojikey.home.chmod(0o700)
    (folder / "acme_speech.toml").write_text(RECIPE.replace('company = "Acme"', f'company = "{company}"'))
    with playing(play) as port:
        there = ("--stdin", "--base-url", f"http://127.0.0.1:{port}")
        added = kojikey("add", "acme_speech", *there, "--json", stdin=f"{key}\n")
        assert (added.code, added.result["test"]["outcome"]) == (0, "valid"), added.said
        assert added.err.count("line end") == 0
        other = kojikey("test", "acme_speech", *there, "--json", stdin=f"{key[:-1]}X")
        assert (other.code, other.result["reason"]) == (3, "invalid_key")
    ran = kojikey.installed("run", "-q", "--", "sh", "-c", 'printf %s "$ACME_API_KEY"')
    assert (ran.code, ran.out) == (0, key)


def test_a_key_of_another_company_is_still_refused_by_its_name(kojikey: Program) -> None:
    folder = kojikey.home / "providers"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "acme_speech.toml").write_text(RECIPE.replace('company = "Acme"', 'company = "OpenAI"'))
    ended = kojikey("add", "acme_speech", "--stdin", stdin=f"sk-ant-api03-{RUN}")
    assert (ended.code, "Anthropic" in ended.err) == (2, True)
