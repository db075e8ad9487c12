"""Shell blocks are run as a reader types them, in a home of their own; a shown output is the real one.

A hidden prompt and a question are answered by a stand-in for ``kojikey``: a made-up key, and yes. Blocks that need
another machine, a server of their own or a fresh checkout are named in ``ELSEWHERE``; they are still parsed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.documents import Block, blocks
from support.program import Program

ELSEWHERE = {
    "python3 -m venv": "a fresh machine: .ci/run",
    "bash .ci/test": "the gate itself: .ci/run",
    "$ kojikey --help": "generated: docs/tools/make_docs.py",
    'store="$KOJIKEY_HOME': "test_examples.py",
    "mkdir -p ~/.local/share/bash-completion": "tests/cli/completion",
    "# /etc/cron.d": "a line of cron",
    "$ kojikey add xai_admin": "the provider's key management: tests/cli/test_rotate_mint.py",
    "$ sudo systemctl": "systemd",
    "age-keygen ": "several people: tests/cli/test_store_recipients.py",
    "$ kojikey audit --verify": "tests/cli/test_audit_rollback.py",
    "kojikey store recipients": "several people: tests/cli/test_store_recipients.py",
    'sqlite3 keys.db "SELECT document FROM header"': "the program age",
    "kojikey import  ": "other programs: tests/cli/test_import_sources.py",
    "aws-vault exec": "other programs",
    "kojikey providers new": "test_providers_recipe.py",
    "kojikey providers check": "test_providers_recipe.py",
    "kojikey add acme_speech": "test_providers_recipe.py",
    "pip install 'kojikey[aws]'": "AWS: tests/stores/test_dynamodb_program.py",
    "kojikey store policy": "AWS: tests/stores/test_dynamodb_policy.py",
    "$ pip install 'kojikey[postgres]'": "a server: tests/stores/test_postgres_commands.py",
    "$ kojikey store init postgresql": "two servers: tests/stores/test_postgres_failover.py",
    "$ psql": "a server: tests/stores/test_postgres_commands.py",
}
ALL = blocks("sh", "bash", "console")
STAND_IN = """#!/bin/sh
case "$1 $*" in
  *--stdin*|*--batch*|*--from-*) ;;
  "add add "*) exec {python} -m kojikey "$@" --stdin --base-url "$(cat "$KEYS/$2.url")" < "$KEYS/$2.ok" ;;
  "rotate rotate "*) exec {python} -m kojikey "$@" --stdin < "$KEYS/$2.ok_2" ;;
  "remove remove "*) exec {python} -m kojikey "$@" --yes ;;
esac
exec {python} -m kojikey "$@"
"""


def nothing(_: Program, __: Path) -> None:
    """Prepare nothing."""


def saved(kojikey: Program, folder: Path) -> None:
    """Save a key of each of Koji's providers."""
    for provider in ("elevenlabs", "google_gemini"):
        kojikey.added(provider)


def with_a_program(_: Program, folder: Path) -> None:
    """Write the program that README starts."""
    (folder / "interview.py").write_text("import os\nassert os.environ['ELEVENLABS_API_KEY']\n")


def with_batches(kojikey: Program, folder: Path) -> None:
    """Write the files of a batch: a new key, and one that replaces it."""
    for name, which in (("keys.jsonl", "ok"), ("new-keys.jsonl", "ok_2")):
        key = kojikey.key("elevenlabs", which)
        line = {"account": "acme", "provider": "elevenlabs", "key": key.key, "base_url": key.base_url}
        (folder / name).write_text(json.dumps(line) + "\n")
        (folder / name).chmod(0o600)


def with_a_batch_for_a_saved_key(kojikey: Program, folder: Path) -> None:
    """Save the key that the second file of a batch replaces."""
    with_batches(kojikey, folder)
    kojikey.added("elevenlabs", "ok", "--account", "acme")


def with_a_revoked_previous_key(kojikey: Program, _: Path) -> None:
    """Rotate a key, and revoke the old one at the provider."""
    key = kojikey.sandbox.add_key("elevenlabs", "sk_" + "0decade0" * 6)
    kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key)
    kojikey.rotate()
    kojikey.sandbox.revoke(key)


def with_a_leak(kojikey: Program, folder: Path) -> None:
    """Write a key into the file that the page shows, into its third line."""
    saved(kojikey, folder)
    (folder / "config").mkdir()
    (folder / "config" / ".env").write_text(f"HOST=a\nPORT=1\nXI_KEY={kojikey.key('elevenlabs').key}\n")


def with_a_repository(kojikey: Program, folder: Path) -> None:
    """Begin a repository in which nothing is staged."""
    saved(kojikey, folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, env=kojikey.environ, check=True)


Prepare = Callable[[Program, Path], None]
RUN: dict[str, tuple[Prepare, int]] = {
    "kojikey add elevenlabs ": (with_a_program, 0),
    "$ kojikey run --mask": (saved, 0),
    "kojikey test --all-accounts": (saved, 0),
    "$ kojikey add google_gemini": (nothing, 0),
    'eval "$(kojikey export': (saved, 0),
    "kojikey add --batch": (with_batches, 0),
    "kojikey rotate --batch new-keys.jsonl | jq": (with_a_batch_for_a_saved_key, 0),
    "kojikey list --all-accounts --json | jq": (with_a_revoked_previous_key, 0),
    "$ kojikey scan": (with_a_leak, 3),
    "#!/bin/sh\nexec kojikey scan --staged": (with_a_repository, 0),
}
"""The blocks that are run here, by their beginning: how their place is prepared, and the exit code."""

HERE = [it for it in ALL if it.text.startswith(tuple(RUN))]


def normalised(text: str) -> str:
    """Return a text without the parts that differ from run to run: ends of masks, numbers of files, widths."""
    text = re.sub(r"•+\w{4}", "••••••••xxxx", text)
    text = re.sub(r"in \d+ files?", "in n files", text)
    return re.sub(r" +", " ", text)


@pytest.fixture
def environ(kojikey: Program, tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ``kojikey`` is the stand-in, with made-up keys for its prompts."""
    keys, folder = tmp_path / "keys", tmp_path / "bin"
    keys.mkdir()
    folder.mkdir()
    for provider in ("elevenlabs", "google_gemini"):
        (keys / f"{provider}.url").write_text(kojikey.key(provider).base_url)
        for name in ("ok", "ok_2"):
            (keys / f"{provider}.{name}").write_text(kojikey.key(provider, name).key)
    (folder / "kojikey").write_text(STAND_IN.format(python=sys.executable))
    (folder / "kojikey").chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    path = f"{folder}{os.pathsep}{kojikey.environ['PATH']}"
    return {**kojikey.environ, "PATH": path, "KEYS": str(keys), "COLUMNS": "300"}


@pytest.mark.parametrize("it", HERE, ids=str)
def test_a_shell_block_runs_as_it_stands(it: Block, kojikey: Program, environ: dict[str, str], tmp_path: Path) -> None:
    prepare, code = next(how for start, how in RUN.items() if it.text.startswith(start))
    folder = tmp_path / "project"
    folder.mkdir()
    prepare(kojikey, folder)
    command = ["bash", "-euo", "pipefail", "-c", it.commands]
    ended = subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    for line in it.output if it.language == "console" else ():
        assert normalised(line) in normalised(ended.stdout)


def test_every_block_is_run_here_or_named_as_tried_elsewhere() -> None:
    known = (*RUN, *ELSEWHERE)
    assert [str(it) for it in ALL if not it.text.startswith(known)] == []
    assert [start for start in known if not any(it.text.startswith(start) for it in ALL)] == []
