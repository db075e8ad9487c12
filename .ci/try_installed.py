"""Tries an installed kojikey from outside, as its user would: run with the Python of its environment, in any folder.

Owns: that a wheel is whole. Must not: import anything from the project's folder.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile

import kojikey
from kojikey.testing import Sandbox

SCRIPT = os.path.join(os.path.dirname(sys.executable), "kojikey")
SHARED = (
    "share/bash-completion/completions/kojikey",
    "share/zsh/site-functions/_kojikey",
    "share/fish/vendor_completions.d/kojikey.fish",
    "share/kojikey/kojikey.ps1",
    "share/man/man1/kojikey.1",
    "share/man/man1/kojikey-add.1",
)


def main() -> None:
    """Use every part that a wheel could lack, and fail at the first that is not there."""
    assert os.path.commonpath([kojikey.__file__, sys.prefix]) == sys.prefix, f"this is not a wheel: {kojikey.__file__}"
    for path in SHARED:
        assert os.path.exists(os.path.join(sys.prefix, path)), f"not in the wheel: {path}"
    with tempfile.TemporaryDirectory() as home, Sandbox() as sandbox:
        kek = base64.urlsafe_b64encode(os.urandom(32)).decode()
        environ = {"PATH": os.environ["PATH"], "KOJIKEY_HOME": home, "KOJIKEY_KEK": kek, "LANG": "C.UTF-8"}
        assert run(environ, "--version") == f"kojikey {kojikey.__version__}\n"
        assert "sandbox" in run(environ, "--help")
        assert "made-up provider" in run(environ, "sandbox", "--tour")
        for provider in ("google_gemini", "elevenlabs"):
            key = sandbox.key(provider, "ok")
            run(environ, "add", provider, "--stdin", "--base-url", key.base_url, given=key.key)
            assert run(environ, "get", provider, "--reveal") == key.key
        listed = json.loads(run(environ, "list", "--json"))
        assert [row["source"] for row in listed["results"]] == ["byok", "byok"], listed
        started = run(environ, "run", "--", sys.executable, "-c", "import os; print(os.environ['ELEVENLABS_API_KEY'])")
        assert started == sandbox.key("elevenlabs", "ok").key + "\n"
    print(f"kojikey {kojikey.__version__} works from {sys.prefix}")


def run(environ: dict[str, str], *arguments: str, given: str = "") -> str:
    """Return what the program prints; it has to succeed."""
    done = subprocess.run([SCRIPT, *arguments], input=given, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
