"""Shared parts of the tests of ``kojikey import``: a folder with files, and made-up keys.

Owns: writing files and importing them. Must not: assert what an import does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kojikey.providers.index import FOLDER
from support.program import Ended, Program

OPENAI = "sk-proj-0f9e8d7c6b5a49382716a5b4c3d2e1f0A1B2"
OTHER_OPENAI = "sk-proj-1a2b3c4d5e6f708192a3b4c5d6e7f809C3D4"
GROQ = "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"
OPENROUTER = "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"
PASSWORD = "hunter2 is 'mine' #€"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of the program."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, content: str | bytes, name: str = ".env") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def run(kojikey: Program, *arguments: str, stdin: str = "", **environ: str) -> Ended:
    """Import without testing the keys."""
    return kojikey("import", *arguments, "--no-test", "--json", stdin=stdin, **environ)


def told(ended: Ended) -> list[tuple[Any, ...]]:
    return [(row["line"], row["name"], row["provider"], row["action"]) for row in ended.results]


def value(kojikey: Program, provider: str = "openai", *more: str) -> str:
    return kojikey("get", provider, "--reveal", *more).out


@contextmanager
def own_provider(kojikey: Program) -> Iterator[str]:
    """Define a provider whose host is the sandbox, and yield the variable of its key."""
    text = Path(FOLDER, "elevenlabs.toml").read_text()
    text = text.replace('id = "elevenlabs"', 'id = "my_voice"').replace('["ELEVENLABS_API_KEY"]', '["MY_VOICE_KEY"]')
    text = text.replace("https://api.elevenlabs.io", kojikey.sandbox.base_url("elevenlabs"))
    text = "\n".join(line for line in text.splitlines() if not line.startswith("aliases"))
    place = kojikey.home / "providers"
    place.mkdir(parents=True, mode=0o700)
    (place / "my_voice.toml").write_text(text)
    (place / "my_voice.toml").chmod(0o600)
    yield "MY_VOICE_KEY"
