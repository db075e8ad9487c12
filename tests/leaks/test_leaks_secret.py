"""A Secret gives its value to ``reveal()`` only, wherever it is put by mistake."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import reprlib
import string
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from rich.console import Console
from rich.pretty import pretty_repr

from kojikey.model.credential import Credential
from kojikey.model.secret import Secret
from kojikey.operations.adding import NewKey
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.probing import Target
from kojikey.sealing.kek.base import KekInputs
from support.each import each
from support.program import pieces_in

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"


@dataclasses.dataclass
class Box:
    secret: Secret


class Pair(NamedTuple):
    secret: Secret
    other: int = 1


def logged(secret: Secret) -> str:
    stream = io.StringIO()
    logger = logging.Logger("leak", logging.DEBUG)
    logger.addHandler(logging.StreamHandler(stream))
    logger.debug("%s %r", secret, secret)
    logger.info(secret)
    logger.warning({"key": secret}, stack_info=True)
    try:
        raise ValueError(secret)
    except ValueError:
        logger.exception("with %s", secret)
    return stream.getvalue()


def rich_traceback(secret: Secret) -> str:
    console = Console(file=io.StringIO(), width=200)
    try:
        raise ValueError(secret)
    except ValueError:
        console.print_exception(show_locals=True)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def plain_traceback(secret: Secret) -> str:
    try:
        raise ValueError("with", secret)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


SHOWN: dict[str, Callable[[Secret], Any]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret:>40} {secret!a}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - that is what is tried
    "format": lambda secret: "{0} {0!r}".format(secret),  # noqa: UP032 - that is what is tried
    "template": lambda secret: string.Template("$x").substitute(x=secret),
    "list": lambda secret: str([secret, (secret,), {"key": secret}]),
    "dataclass": lambda secret: str(Box(secret)),
    "named tuple": lambda secret: str(Pair(secret)) + str(Pair(secret)._asdict()),
    "credential": lambda secret: str(Credential("p", "a", "byok", secret, "u", ())),
    "new key": lambda secret: str(NewKey("a", Target("p", "u"), secret, KeySettings())),
    "KEK inputs": lambda secret: str(KekInputs({"KOJIKEY_KEK": secret.reveal()}, None)),
    "pprint": lambda secret: pprint.pformat(Box(secret)) + pprint.pformat({"key": secret}),
    "reprlib": reprlib.repr,
    "rich": lambda secret: pretty_repr(Box(secret)),
    "exception": lambda secret: f"{ValueError(secret)} {ValueError(secret)!r} {KeyError(secret)}",
    "logging": logged,
    "traceback with locals": plain_traceback,
    "rich traceback with locals": rich_traceback,
    "json default": lambda secret: json.dumps({"key": secret}, default=str),
    "dir": lambda secret: str(dir(secret)) + str([getattr(secret, name) for name in dir(secret)]),
}


@each("how", SHOWN)
def test_a_secret_shows_nothing(how: str) -> None:
    shown = SHOWN[how](Secret(KEY))
    assert pieces_in(KEY, str(shown)) == []


REFUSED: dict[str, Callable[[Any], Any]] = {
    "pickle": pickle.dumps,
    "pickle in a dataclass": lambda secret: pickle.dumps(Pair(secret)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "asdict": lambda secret: dataclasses.asdict(Box(secret)),
    "json": json.dumps,
    "json in a dict": lambda secret: json.dumps({"key": secret}),
    "vars": vars,
    "dict": lambda secret: secret.__dict__,
    "equality": lambda secret: secret == KEY,
    "inequality": lambda secret: secret != Secret(KEY),
    "hash": hash,
    "set": lambda secret: {secret},
    "len": len,
    "iteration": list,
    "membership": lambda secret: "sk_" in secret,
    "index": lambda secret: secret[0],
    "addition": lambda secret: "key: " + secret,
    "join": lambda secret: "".join([secret]),
    "bytes": bytes,
    "int": int,
    "change": lambda secret: setattr(secret, "value", "x"),
    "deletion": lambda secret: delattr(secret, "_Secret__value"),
    "lower": lambda secret: secret.lower(),
}


@each("how", REFUSED)
def test_operations_that_need_the_value_are_refused_without_showing_it(how: str) -> None:
    secret = Secret(KEY)
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[how](secret)
    assert pieces_in(KEY, f"{caught.value} {caught.value!r}") == []
    assert secret.reveal() == KEY


def test_reveal_is_the_only_way_to_the_value() -> None:
    assert Secret(KEY).reveal() == KEY
    assert bool(Secret("")) is True
