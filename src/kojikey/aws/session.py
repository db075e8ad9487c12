"""The AWS session of this process: credential helpers and role assumption run once.

Owns: when a new session begins, and that boto3 neither asks a person nor logs secrets.
Must not: send anything itself, or say what an error means.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Never

from kojikey.aws.answers import Parsers

if TYPE_CHECKING:
    import logging

_lock = threading.RLock()
_made: list[Any] = []  # what a session depends on, and the session; empty where there is none
_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
_WARNING = 30  # logging.WARNING
_is_ours: ContextVar[bool] = ContextVar("kojikey_asks_aws", default=False)


class MfaWanted(Exception):
    """The role of the profile is only had with an MFA code."""


def new_client(service: str, *, region: str, **settings: Any) -> Any:
    """Return a client of this process's session; a new session begins where the settings have changed.

    So a role is assumed, or a program asked for credentials, once and not once a client. ``region`` of the first
    client is where a role is assumed; the credentials are good in all regions.
    """
    with _lock:  # neither a session nor the making of a client from it is safe for two threads
        depends = _settings()
        with quietly():
            if not _made or _made[0] != depends:
                forget()
                _made.extend((depends, _begun(region)))
            client = _made[1].client(service, region_name=region, **settings)
        _hush()
        return client


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress boto3's log, except warnings, in this thread meanwhile."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


def _hush() -> None:
    """Give boto3's loggers a filter.

    At DEBUG it logs whole answers, with the data keys that KMS opened and the credentials of a role, and signatures.
    A program that logs everything should have none of it in its log; but its own business with AWS is its own, so the
    loggers keep their levels. Each has to have the filter: that of a parent is not asked.
    """
    import logging

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("boto3", "botocore", "urllib3"):
            logging.getLogger(name).addFilter(_may_be_told)


def _may_be_told(record: logging.LogRecord) -> bool:
    return record.levelno >= _WARNING or not _is_ours.get()


def forget() -> None:
    """Begin a new session with the next client: refused credentials may have been renewed in another window."""
    with _lock:
        _made.clear()


def core_session() -> Any:
    """Return a session of botocore, with the one reader of AWS's models."""
    import botocore.session

    core = botocore.session.get_session()
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    return core


def _begun(region: str) -> Any:
    import boto3.session
    from botocore.credentials import create_credential_resolver

    core = core_session()
    providers = create_credential_resolver(core, region_name=region)
    # botocore's own prompter reads standard input where there is no terminal. There a provider's key may be waiting,
    # which would be sent to AWS as the code; and kojikey asks no person behind its own back.
    providers.get_provider("assume-role")._prompter = _refuse_to_ask
    core.register_component("credential_provider", providers)
    core.register_component("response_parser_factory", Parsers(core.get_component("response_parser_factory")))
    return boto3.session.Session(botocore_session=core)


def _refuse_to_ask(_prompt: str) -> Never:
    raise MfaWanted


def _settings() -> tuple[object, ...]:
    """Return the settings that credentials depend on: environment and files may change while a program runs."""
    names = sorted(name for name in os.environ if name.startswith(("AWS_", "BOTO")) or name in ("HOME", "USERPROFILE"))
    return (*((name, os.environ[name]) for name in names), *(_stamp(*file) for file in _FILES.items()))


def _stamp(variable: str, default: str) -> int | None:
    try:
        return os.stat(os.path.expanduser(os.environ.get(variable) or default)).st_mtime_ns
    except (OSError, ValueError):
        return None


@cache
def _loader(path: str | None) -> Any:
    # It keeps what it read, which takes the second session of a process from 70 ms to 10.
    from botocore.loaders import create_loader

    return create_loader(path)


def _begin_in_child() -> None:
    # Another thread may have held the lock, or one of the session's own, when the process was forked.
    global _lock
    _lock = threading.RLock()
    forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
