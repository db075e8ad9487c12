"""The process that talks to the keychain: one verb, one line of answer, and nothing else on any stream.

Owns: which of keyring's backends are keychains. Must not: print a traceback (it could hold the KEK), take the KEK as an
argument (the process list shows those), or be imported by anything.

Run as ``keychain_helper VERB SERVICE ENTRY``, with the value for ``set`` on stdin. Answers ``ok VALUE`` or
``error CODE`` with CODE one of ``no_keychain``, ``locked``, ``failed``.
"""

from __future__ import annotations

import sys
from typing import Any

# Those that keep what they hold encrypted under the user's login. Everything else that keyring may be configured
# with (null, fail, keyrings.alt's plain files, what others have published) is not known to be one.
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
        # By name: importing keyring.errors may be what failed.
        return "error locked" if type(error).__name__ == "KeyringLocked" else "error failed"


def _keychain() -> Any:
    import keyring

    chosen = keyring.get_keyring()
    candidates = getattr(chosen, "backends", [chosen])  # a chainer asks several, in this order
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
