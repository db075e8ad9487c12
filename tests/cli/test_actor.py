"""The actor in the audit trail: on every system, and always text that can be read back."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from kojikey.stores.memory import MemoryStore
from kojikey.wiring import actor


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a system without a list of users and without user ids, as Windows is."""
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.delattr(os, "geteuid")
    monkeypatch.setattr(socket, "gethostname", lambda: "host")


@pytest.mark.parametrize(
    ("name", "shown"), [("koji", "koji@host"), ("", "an unknown user@host"), ("a\x1b[31m\n", "a[31m @host")]
)
def test_a_system_without_user_ids_has_an_actor(
    elsewhere: None, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setenv("USERNAME", name)
    assert actor(MemoryStore()) == shown
