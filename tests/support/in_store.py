"""Gives this process the environment of a program that uses kojikey, with a key in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from support.program import Program


@contextmanager
def in_store(kojikey: Program, url: str) -> Iterator[Program]:
    """Create a store at a URL, add a key to it, and give this process the environment of the program."""
    kojikey.environ["KOJIKEY_STORE"] = url
    made = kojikey("store", "init", "--kek", "env")
    assert made.code == 0, made.said
    kojikey.added()
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        yield kojikey
