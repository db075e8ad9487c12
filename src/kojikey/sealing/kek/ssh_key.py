"""Reads files with private SSH keys: the public half, and the key without its passphrase.

Owns: OpenSSH's own format and the older PEM. Must not: ask for a passphrase, or write a key anywhere.
"""

from __future__ import annotations

import base64
import binascii

from kojikey.model.errors import KekUnavailable
from kojikey.model.secret import HiddenBytes, Secret

_MAGIC = b"openssh-key-v1\0"


def without_passphrase(content: HiddenBytes, passphrase: Secret | None, label: str) -> HiddenBytes | None:
    """Return a private SSH key without encryption, None if the passphrase is wrong, or needed and not given.

    Raises:
        KekUnavailable: the key is damaged, or of a kind that is not supported.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as forms

    read = forms.load_ssh_private_key if content.find(b"OPENSSH", 0, 64) >= 0 else forms.load_pem_private_key
    try:
        key = read(bytes(content), HiddenBytes(passphrase.reveal().encode()) if passphrase else None)
        return HiddenBytes(key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption()))
    except UnsupportedAlgorithm:
        pass
    except (ValueError, TypeError):  # damaged, or a wrong passphrase; only the message says which
        if passphrase is None and not _is_encrypted(content):
            raise KekUnavailable(f"the SSH key {label} cannot be read") from None
        return None
    raise KekUnavailable(f"the SSH key {label} is of an unsupported kind", hint="pip install 'kojikey[age]'")


def _is_encrypted(content: HiddenBytes) -> bool:
    body = _openssh_body(content)
    if body is None:
        return content.find(b"ENCRYPTED") >= 0
    return _string(body, len(_MAGIC))[0] != b"none"


def _openssh_body(content: HiddenBytes) -> HiddenBytes | None:
    """Return the decoded content of a key in OpenSSH's format (PROTOCOL.key of OpenSSH), None for another format."""
    lines = content.split(b"-----")
    if len(lines) < 3 or b"OPENSSH PRIVATE KEY" not in lines[1]:
        return None
    try:
        body = HiddenBytes(binascii.a2b_base64(HiddenBytes(lines[2])))
    except ValueError:
        return None
    return body if body.startswith(_MAGIC) else None


def public_half(content: HiddenBytes) -> str | None:
    """Return the public key of a private one, None if it cannot be read (of an encrypted PEM file, for example)."""
    body = _openssh_body(content)
    try:
        if body is not None:
            place = len(_MAGIC)
            for _ in ("cipher", "kdf", "kdf options"):
                place = _string(body, place)[1]
            return _public_text(_string(body, place + 4)[0])  # after the number of keys
        from cryptography.hazmat.primitives import serialization as forms

        key = forms.load_pem_private_key(bytes(content), None).public_key()
        return key.public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH).decode("ascii")
    except Exception:  # the file may hold anything, and cryptography raises many kinds of errors
        return None


def _string(data: bytes, place: int) -> tuple[bytes, int]:
    end = place + 4 + int.from_bytes(data[place : place + 4], "big")
    if end > len(data):
        raise ValueError("not a string of SSH")
    return data[place + 4 : end], end


def _public_text(blob: bytes) -> str:
    return f"{_string(blob, 0)[0].decode('ascii')} {base64.b64encode(blob).decode('ascii')}"
