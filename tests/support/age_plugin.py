"""A plugin of age for tests, which encrypts nothing: its stanza has the file key in plain text.

Owns: the protocol (C2SP, age-plugin), as a program ``age-plugin-NAME`` in a folder. Must not: be used for a secret.
"""

from __future__ import annotations

import sys
from pathlib import Path

NAME = "kojitest"
_CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_PROGRAM = """#!{python}
import sys

def stanzas():
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        body = ""
        while True:
            more = sys.stdin.readline().rstrip("\\n")
            body += more
            if len(more) < 64:
                break
        yield line.split()[1:], body

def say(words, body=""):
    sys.stdout.write("-> " + words + "\\n" + body + "\\n")
    sys.stdout.flush()

open({log!r}, "a").write(sys.argv[1] + "\\n")
received, keys, wrapped = stanzas(), [], []
for words, body in received:
    if words[0] == "wrap-file-key":
        keys.append(body)
    elif words[0] == "recipient-stanza" and words[2] == {name!r}:
        wrapped.append(words[3])
    elif words[0] == "done":
        break
if keys:
    say("recipient-stanza 0 {name} " + keys[0])
elif wrapped:
    say("file-key 0", wrapped[0])
next(received)
say("done")
"""


def installed(folder: Path, log: Path) -> Path:
    """Write the plugin into a new folder, and return the folder. Each start adds a line to ``log``."""
    folder.mkdir()
    plugin = folder / f"age-plugin-{NAME}"
    plugin.write_text(_PROGRAM.format(python=sys.executable, log=str(log), name=NAME))
    plugin.chmod(0o755)
    return folder


def recipient() -> str:
    """Return a recipient of the plugin."""
    return _bech32(f"age1{NAME}", b"a public key")


def identity() -> str:
    """Return the identity that belongs to the recipient."""
    return _bech32(f"age-plugin-{NAME}-", b"a handle").upper()


def _bech32(prefix: str, data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[place : place + 5], 2) for place in range(0, len(bits), 5)]
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    rest = _polymod([*spread, *values, *[0] * 6]) ^ 1
    check = [(rest >> 5 * (5 - place)) & 31 for place in range(6)]
    return prefix + "1" + "".join(_CHARACTERS[value] for value in values + check)


def _polymod(values: list[int]) -> int:
    found = 1
    for value in values:
        top = found >> 25
        found = (found & 0x1FFFFFF) << 5 ^ value
        for place, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            found ^= factor if top >> place & 1 else 0
    return found
