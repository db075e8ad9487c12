"""Inputs of KEK sources for tests: a typed passphrase, a private file, or no inputs.

Owns: inputs. Must not: make a KEK.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kojikey.model.secret import Secret
from kojikey.sealing.kek.base import KekInputs

WORDS = "correct horse battery"
NOBODY = KekInputs({}, None)
Spec = dict[str, Any]


def typed(words: str) -> KekInputs:
    return KekInputs({}, lambda purpose: Secret(words))


def private(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path
