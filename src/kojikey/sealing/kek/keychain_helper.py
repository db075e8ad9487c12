"""The process that uses the keychain: carries out one verb and prints one line, nothing else on any stream.

Owns: the list of keyring's backends that are keychains. Must not: print a traceback (it could contain the KEK), take
the KEK as an argument (the process list shows it), or be imported.

Run as ``keychain_helper VERB SERVICE ENTRY``, with the value for ``set`` on stdin. Answers ``ok VALUE`` or
``error CODE`` with CODE one of ``no_keychain``, ``locked``, ``failed``.
"""

from __future__ import annotations

import sys
from typing import Any

# These encrypt their content with the user's login. Other backends of keyring (null, fail, the plain files of
# keyrings.alt, third-party ones) may not.
_KEYCHAINS = frozenset(
    f"keyring.backends.{name}" for name in ("macOS", "Windows", "SecretService", "libsecret", "kwallet")
)


def main(arguments: list[str]) -> str:
    """Return the answer to a request."""
    try:
        verb, service, entry = arguments
        keychain = _keychain()
        if keychain is None:
            return "error no_keychain"
        return f"ok {_done(keychain, verb, service, entry)}"
    except Exception as error:
        # by name, because importing keyring.errors may have failed
        return "error locked" if type(error).__name__ == "KeyringLocked" else "error failed"


def _keychain() -> Any:
    import keyring

    chosen = keyring.get_keyring()
    candidates = getattr(chosen, "backends", [chosen])  # a chainer uses several, in this order
    return next((backend for backend in candidates if type(backend).__module__ in _KEYCHAINS), None)


def _done(keychain: Any, verb: str, service: str, entry: str) -> str:
    if verb == "set":
        value = sys.stdin.read()
        keychain.set_password(service, entry, value)
        if keychain.get_password(service, entry) != value:
            raise RuntimeError("not kept")
        return ""
    found = keychain.get_password(service, entry)
    if verb == "delete" and found is not None:
        keychain.delete_password(service, entry)
    return found or "" if verb == "get" else ""


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]) + "\n")
