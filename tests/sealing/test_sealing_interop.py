"""Other people's JOSE libraries open what is sealed here, and what they seal in the same form opens here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from kojikey.model.secret import Secret
from kojikey.sealing import base64url
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import LocalKek
from support.documents import block

INSTALL = "apt-get install -y --no-install-recommends nodejs npm"
PACKAGE = "jose@6"
KEY = "sk_0123456789abcdef-ключ"
KEK, DATA_KEY = bytes(range(32)), bytes(range(32, 64))
PLACE: dict[str, Any] = {"provider": "elevenlabs", "version": 2, "base_url": "https://api.elevenlabs.io"}
HEADER = {"alg": "dir", "enc": "A256GCM", "kid": "theirs", "kjk": {"store": "s1", "account": "acme", **PLACE}}
SEALER = Sealer(DATA_KEY, store="s1", account="acme")
# joserfc refuses header members that no RFC names, unless told otherwise
REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256GCM"], strict_check_header=False)

SCRIPT = """
import { compactDecrypt, CompactEncrypt, base64url } from 'jose'
const { kek, wrapped, record, header, plaintext } = JSON.parse(process.argv[2])
const algorithms = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] }
const dataKey = (await compactDecrypt(wrapped, base64url.decode(kek), algorithms)).plaintext
const opened = await compactDecrypt(record, dataKey, algorithms)
const bytes = new TextEncoder().encode(plaintext)
const sealed = await new CompactEncrypt(bytes).setProtectedHeader(header).encrypt(dataKey)
const text = new TextDecoder().decode(opened.plaintext)
console.log(JSON.stringify({ plaintext: text, header: opened.protectedHeader, sealed }))
"""


def test_joserfc_opens_a_key_from_the_kek_on() -> None:
    wrapped = LocalKek(KEK).wrap(DATA_KEY, store="s1", account="acme")
    data_key = jwe.decrypt_compact(wrapped, OctKey.import_key(KEK), registry=REGISTRY).plaintext
    assert data_key is not None
    opened = jwe.decrypt_compact(SEALER.seal(Secret(KEY), **PLACE), OctKey.import_key(data_key), registry=REGISTRY)
    assert opened.plaintext == KEY.encode()
    assert opened.headers()["kjk"] == HEADER["kjk"]


def test_what_joserfc_seals_opens_here() -> None:
    record = jwe.encrypt_compact(HEADER, KEY.encode(), OctKey.import_key(DATA_KEY), registry=REGISTRY)
    assert SEALER.open(record, **PLACE).reveal() == KEY


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory, bare_environment: dict[str, str]) -> Path:
    """Return a folder with the package jose, installed by npm with the user's settings and cache."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.fail(f"this test needs {program} (node 20 or later): {INSTALL}")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    install = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    subprocess.run(install, cwd=folder, env=bare_environment, check=True, capture_output=True)
    (folder / "both_ways.js").write_text(SCRIPT)
    return folder


def test_jose_in_node_opens_a_key_from_the_kek_on_and_seals_one_that_opens_here(node_folder: Path) -> None:
    task = {
        "kek": base64url.encode(KEK),
        "wrapped": LocalKek(KEK).wrap(DATA_KEY, store="s1", account="acme"),
        "record": SEALER.seal(Secret(KEY), **PLACE),
        "header": HEADER,
        "plaintext": KEY[::-1],
    }
    command = ["node", "both_ways.js", json.dumps(task)]
    done = subprocess.run(command, cwd=node_folder, check=True, capture_output=True, encoding="utf-8")
    answer = json.loads(done.stdout)
    assert answer["plaintext"] == KEY
    assert answer["header"]["kjk"] == HEADER["kjk"]
    assert SEALER.open(answer["sealed"], **PLACE).reveal() == KEY[::-1]


def test_jose_in_node_opens_a_key_as_format_md_says(node_folder: Path) -> None:
    records = {"wrapped": LocalKek(KEK).wrap(DATA_KEY, store="s1", account="acme")}
    records["sealed"] = SEALER.seal(Secret(KEY), **PLACE)
    code = "".join(f"const {name} = {json.dumps(record)}\n" for name, record in records.items())
    (node_folder / "page.mjs").write_text(code + block("docs/format.md", "js") + "console.log(key)")
    environ = {**os.environ, "KOJIKEY_KEK": base64url.encode(KEK)}
    done = subprocess.run(["node", "page.mjs"], cwd=node_folder, env=environ, check=True, capture_output=True)
    assert done.stdout.decode() == f"{KEY}\n"
