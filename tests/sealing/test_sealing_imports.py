"""`kojikey run` opens a key at every start of a program; this bounds its imports."""

from __future__ import annotations

import subprocess
import sys

OPENS_A_KEY = """
import sys
from kojikey.sealing.audit_chain import NO_LINK
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.registry import KekInputs, load, wrapped_kid
spec, wrapped, record = {spec!r}, {wrapped!r}, {record!r}
kek = load(spec, KekInputs({{"KOJIKEY_KEK": "A" * 43}}, None))
assert wrapped_kid(wrapped) == kek.kid
sealer = Sealer(kek.unwrap(wrapped, store="s1", account="acme"), store="s1", account="acme")
assert sealer.open(record, provider="p", version=1, base_url="https://x.example").reveal() == "key"
print(*sys.modules)
"""
DEAR = {
    "asyncio", "base64", "dataclasses", "hashlib", "hmac", "httpcore2", "inspect", "keyring", "logging", "pathlib",
    "platformdirs", "rich", "secrets", "shlex", "subprocess", "tomllib", "typer", "unicodedata",
    "cryptography.hazmat.primitives.ciphers", "cryptography.hazmat.primitives.kdf.argon2",
}  # fmt: skip


def test_opening_a_key_imports_no_slow_module() -> None:
    from kojikey.model.secret import Secret
    from kojikey.sealing.envelope import Sealer
    from kojikey.sealing.kek.base import KekInputs
    from kojikey.sealing.kek.registry import make

    spec, kek = make("env", store_id="s1", inputs=KekInputs({"KOJIKEY_KEK": "A" * 43}, None))
    record = Sealer(b"d" * 32, store="s1", account="acme").seal(
        Secret("key"), provider="p", version=1, base_url="https://x.example"
    )
    code = OPENS_A_KEY.format(spec=spec, wrapped=kek.wrap(b"d" * 32, store="s1", account="acme"), record=record)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not DEAR & set(done.stdout.split())


def test_importing_the_layer_imports_no_crypto() -> None:
    modules = "kojikey.sealing.audit_chain, kojikey.sealing.envelope, kojikey.sealing.kek.registry"
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert not [name for name in imported if name.startswith("cryptography") or name in DEAR]
