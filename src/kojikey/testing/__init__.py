"""For tests of programs that use kojikey: a sandbox that plays the providers on a loopback port.

Needs only the standard library, neither pytest nor an HTTP client. Only the command that starts it imports it. It makes
no requests, and knows no store and no sealing.
"""

from __future__ import annotations

from kojikey.testing.sandbox.journal import RecordedRequest
from kojikey.testing.sandbox.sample_keys import SandboxKey, load_key
from kojikey.testing.sandbox.sandbox import FaultKind, Sandbox

__all__ = ["FaultKind", "RecordedRequest", "Sandbox", "SandboxKey", "load_key"]
