"""Each file in vectors/ fails or opens as the file says, and the script writes exactly these files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import KojikeyError, RecordChanged, RecordUnsupported, WrongKek
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import LocalKek
from support.each import each

HERE = Path(__file__).parent
FILES = sorted((HERE / "vectors").glob("*.json"))
FAILURES: dict[str, type[KojikeyError]] = {
    "changed": RecordChanged,
    "unsupported": RecordUnsupported,
    "wrong_kek": WrongKek,
}


def opened(vector: dict[str, Any]) -> str:
    place, key = dict(vector["place"]), urlsafe_b64decode(vector["key"] + "=")
    store, account = place.pop("store"), place.pop("account")
    if vector["kind"] == "data_key":
        data_key = LocalKek(key).unwrap(vector["record"], store=store, account=account)
        return urlsafe_b64encode(data_key).decode().rstrip("=")
    return Sealer(key, store=store, account=account).open(vector["record"], **place).reveal()


@each("file", FILES)
def test_each_test_vector_gives_its_expected_result(file: Path) -> None:
    vector = json.loads(file.read_text())
    if vector["expect"] == "ok":
        assert opened(vector) == vector["plaintext"]
        return
    with pytest.raises(KojikeyError) as caught:
        opened(vector)
    assert type(caught.value) is FAILURES[vector["expect"]]


def test_the_vectors_are_what_their_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(HERE / "make_vectors.py"), str(tmp_path)], check=True)
    fresh = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert fresh == {file.name: file.read_bytes() for file in FILES}


def test_there_are_vectors_of_every_kind_of_failure() -> None:
    found = {(vector["kind"], vector["expect"]) for vector in (json.loads(file.read_text()) for file in FILES)}
    kinds = {(kind, expect) for kind in ("version", "data_key") for expect in ("ok", "changed", "unsupported")}
    assert found == kinds | {("data_key", "wrong_kek")}
