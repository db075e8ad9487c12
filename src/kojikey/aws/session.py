"""The AWS session of this process: credential helpers and role assumption run once.

Owns: the decision when a new session begins, and keeping boto3 from asking a person or logging secrets.
Must not: make requests itself, or classify errors.
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
_current: list[Any] = []  # the settings that a session depends on, and the session; empty if there is none
_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
_WARNING = 30  # logging.WARNING
_is_ours: ContextVar[bool] = ContextVar("kojikey_asks_aws", default=False)


class MfaWanted(Exception):
    """The role of the profile requires an MFA code."""


def new_client(service: str, *, region: str, **settings: Any) -> Any:
    """Return a client of this process's session; a new session begins if the settings have changed.

    So a role is assumed, or a program asked for credentials, once for all clients. A role is assumed in the ``region``
    of the first client; its credentials are valid in all regions.
    """
    with _lock:  # neither creating a session nor creating a client is safe in two threads
        depends = _settings()
        with without_debug_log():
            if not _current or _current[0] != depends:
                forget()
                _current.extend((depends, _begun(region)))
            client = _current[1].client(service, region_name=region, **settings)
        _filter_loggers()
        return client


@contextmanager
def without_debug_log() -> Iterator[None]:
    """Suppress boto3's log records below WARNING in this thread."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


def _filter_loggers() -> None:
    """Add a filter to boto3's loggers.

    At DEBUG boto3 logs signatures and whole answers, with data keys from KMS and the credentials of a role. They must
    not be in the log of a program that uses kojikey. The levels are not changed, because the program may use AWS
    itself. Each logger needs the filter, because a parent's filters do not apply.
    """
    import logging

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("boto3", "botocore", "urllib3"):
            logging.getLogger(name).addFilter(_may_be_logged)


def _may_be_logged(record: logging.LogRecord) -> bool:
    return record.levelno >= _WARNING or not _is_ours.get()


def forget() -> None:
    """Begin a new session with the next client, because refused credentials may have been renewed meanwhile."""
    with _lock:
        _current.clear()


def core_session() -> Any:
    """Return a session of botocore that shares the loader of AWS's models."""
    import botocore.session

    core = botocore.session.get_session()
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    return core


def _begun(region: str) -> Any:
    import boto3.session
    from botocore.credentials import create_credential_resolver

    core = core_session()
    providers = create_credential_resolver(core, region_name=region)
    # botocore's prompter reads standard input if there is no terminal: a provider's key there would be sent to AWS as
    # the MFA code
    providers.get_provider("assume-role")._prompter = _refuse_to_ask
    core.register_component("credential_provider", providers)
    core.register_component("response_parser_factory", Parsers(core.get_component("response_parser_factory")))
    return boto3.session.Session(botocore_session=core)


def _refuse_to_ask(_prompt: str) -> Never:
    raise MfaWanted


def _settings() -> tuple[object, ...]:
    """Return the settings that credentials depend on; environment and files may change while a program runs."""
    names = sorted(name for name in os.environ if name.startswith(("AWS_", "BOTO")) or name in ("HOME", "USERPROFILE"))
    return (*((name, os.environ[name]) for name in names), *(_stamp(*file) for file in _FILES.items()))


def _stamp(variable: str, default: str) -> int | None:
    try:
        return os.stat(os.path.expanduser(os.environ.get(variable) or default)).st_mtime_ns
    except (OSError, ValueError):
        return None


@cache
def _loader(path: str | None) -> Any:
    # it caches the models: a second session takes 10 ms instead of 70
    from botocore.loaders import create_loader

    return create_loader(path)


def _begin_in_child() -> None:
    # at the fork, another thread may have held this lock or one of the session
    global _lock
    _lock = threading.RLock()
    forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
