"""This process as one that a program runs in: with the environment of the program, and a key in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from support.program import Program


@contextmanager
def in_store(kojikey: Program, url: str) -> Iterator[Program]:
    """Make a store at a URL, add a key to it, and give this process the environment of the program."""
    kojikey.environ["KOJIKEY_STORE"] = url
    made = kojikey("store", "init", "--kek", "env")
    assert made.code == 0, made.said
    kojikey.added()
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        yield kojikey
