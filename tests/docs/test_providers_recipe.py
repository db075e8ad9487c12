"""The recipe for a provider of one's own, followed word by word: for its made-up company, and a bundled one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kojikey.providers.index import FOLDER
from support.program import Program

RECIPE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
(ACME,) = re.findall(r"```toml\n(.*?)```", RECIPE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", RECIPE, re.DOTALL) for line in block.splitlines()]
GOOD, LIMITED, UNKNOWN = (f"acme_{'0' * 20}{name}" for name in ("good", "limited", "unknown"))
RUN = "0Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"


class _Acme(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer()

    def _answer(self) -> None:
        key = self.headers["authorization"].removeprefix("Bearer ")
        if key.endswith("unknown") or self.headers["acme-version"] != "2026-01-01":
            self._say(401, {"error": {"code": "no_such_key", "message": "We do not know this key."}})
        elif self.path == "/v1/me":
            self._say(200, {"account": {"id": "a", "balance": "3.50", "expires_at": "2027-05-01T00:00:00Z"}})
        elif key == LIMITED:
            self._say(403, {"error": {"code": "scope_missing", "message": "The key lacks the scope speak."}})
        else:
            self._say(400, {"error": {"code": "empty_text", "message": "There is nothing to say."}})

    def _say(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def acme() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Acme)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def filled_in(kojikey: Program, text: str, provider: str) -> str:
    """Follow the first two steps, and return the file."""
    made = kojikey("providers", "new", provider)
    assert made.code == 0, made.said
    path = made.out.strip()
    Path(path).write_text(text, encoding="utf-8")
    checked = kojikey("providers", "check", path)
    assert checked.code == 0, checked.said
    return path


def test_the_recipe_names_existing_commands() -> None:
    assert COMMANDS == [
        "kojikey providers new acme_speech",
        "kojikey providers check acme_speech.toml",
        "kojikey add acme_speech",
        "kojikey run -- your-program",
    ]


def test_the_recipe_defines_a_provider_for_a_made_up_company(kojikey: Program, acme: str) -> None:
    filled_in(kojikey, ACME, "acme_speech")
    refused = kojikey("add", "acme_speech", "--stdin", "--base-url", acme, "--json", stdin=UNKNOWN)
    assert (refused.code, refused.results[0]["test"]["reason"]) == (3, "invalid_key")
    limited = kojikey("add", "acme_speech", "--stdin", "--base-url", acme, "--json", stdin=LIMITED)
    assert limited.results[0]["test"]["missing_permissions"] == ["speak"]
    added = kojikey("add", "acme_speech", "--stdin", "--base-url", acme, "--json", stdin=GOOD)
    test = added.results[0]["test"]
    assert (added.code, test["outcome"], test["usage"]["remaining"]) == (0, "valid", 3.5)
    assert test["expires_at"] == "2027-05-01T00:00:00Z"
    shown = kojikey.installed("run", "--", "sh", "-c", 'printf "%s %s" "$ACME_API_KEY" "$ACME_BASE_URL"')
    assert shown.out == f"{GOOD} {acme}"


@pytest.mark.parametrize(
    ("company", "key"),
    [
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
def test_a_company_that_kojikey_knows_takes_its_own_keys(kojikey: Program, acme: str, company: str, key: str) -> None:
    filled_in(kojikey, ACME.replace('company = "Acme"', f'company = "{company}"'), "acme_speech")
    added = kojikey("add", "acme_speech", "--stdin", "--base-url", acme, "--json", stdin=key)
    assert (added.code, added.result["test"]["outcome"]) == (0, "valid"), added.said
    other = kojikey("test", "acme_speech", "--stdin", "--base-url", acme, "--json", stdin=f"{key}unknown")
    assert (other.code, other.result["reason"]) == (3, "invalid_key")
    ran = kojikey.installed("run", "-q", "--", "sh", "-c", 'printf %s "$ACME_API_KEY"')
    assert (ran.code, ran.out) == (0, key)


def test_a_key_of_another_company_is_refused_by_its_name(kojikey: Program) -> None:
    filled_in(kojikey, ACME.replace('company = "Acme"', 'company = "OpenAI"'), "acme_speech")
    ended = kojikey("add", "acme_speech", "--stdin", stdin=f"sk-ant-api03-{RUN}")
    assert (ended.code, "Anthropic" in ended.err) == (2, True)


def test_the_recipe_reproduces_a_bundled_provider(kojikey: Program) -> None:
    text = Path(os.path.join(FOLDER, "groq.toml")).read_text(encoding="utf-8")
    filled_in(kojikey, text.replace('id = "groq"', 'id = "my_groq"'), "my_groq")
    key = kojikey.key("groq")
    added = kojikey("add", "my_groq", "--stdin", "--base-url", key.base_url, "--json", stdin=key.key)
    assert (added.code, added.results[0]["test"]["outcome"]) == (0, "valid")
    bad = kojikey.key("groq", "invalid_key")
    rotated = kojikey("rotate", "my_groq", "--stdin", "--json", stdin=bad.key)
    assert rotated.results[0]["test"]["reason"] == "invalid_key"
