"""Clients of AWS for the DynamoDB store and the KEK source KMS, and the retries of their calls.

Owns: creating a client (credentials from boto3's default chain, one attempt per call, a checked endpoint) and the one
retry loop. boto3 is imported when a client is created. Must not: know tables or keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from kojikey.aws.errors import Boto3Missing, Trouble, trouble
from kojikey.aws.session import core_session, forget, new_client, without_debug_log
from kojikey.aws.settings import (
    PROFILES,
    check_credentials_of_environment,
    check_endpoint_of_environment,
    checked_endpoint,
    refusal_of,
)
from kojikey.model.base_url import is_loopback
from kojikey.model.errors import UsageError

T = TypeVar("T")
Sleep = Callable[[float], None]

_ATTEMPTS = 10
_ATTEMPTS_UNREACHABLE = 3  # fewer, because the endpoint may be wrong, and a person waits
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 15


def make_client(service: str, *, region: str, endpoint: str | None) -> Any:
    """Return a boto3 client that makes each call once; nothing is sent yet.

    Raises:
        Boto3Missing: the extra is not installed.
        UsageError: boto3 rejects an AWS setting, or an endpoint in the environment would send requests unencrypted to
            another machine; the message names the variable.
        Exception: any error that :func:`.trouble` knows.
    """
    _require_boto3()
    check_credentials_of_environment()
    if endpoint is None:
        check_endpoint_of_environment(service)
    is_here = endpoint is not None and is_loopback(endpoint)
    client = _new_client(service, region, endpoint, past_proxies=is_here)
    try:
        used = checked_endpoint(client.meta.endpoint_url, of=PROFILES)
    except UsageError:
        client.close()
        raise
    if is_here or not is_loopback(used):
        return client
    client.close()  # the environment or the profile names this machine
    return _new_client(service, region, endpoint, past_proxies=True)


def _new_client(service: str, region: str, endpoint: str | None, *, past_proxies: bool) -> Any:
    from botocore.config import Config

    # data keys may be sent unencrypted to this machine, but HTTP_PROXY would send them to another one
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
        proxies={} if past_proxies else None,
    )
    try:
        return new_client(service, region=region, endpoint_url=endpoint, config=config)
    except Exception as error:
        raise refusal_of(error) or error from None


def default_region() -> str | None:
    """Return the region that AWS's tools use here (``AWS_DEFAULT_REGION``, the profile), None if there is none.

    Raises:
        Boto3Missing: the extra is not installed. Exception: any error that :func:`.trouble` knows.
    """
    _require_boto3()
    region: str | None = core_session().get_config_variable("region")
    return region


def _require_boto3() -> None:
    try:
        import boto3.session  # noqa: F401
    except ImportError:
        raise Boto3Missing from None


def with_retries(
    call: Callable[[], T], *, sleep: Sleep = time.sleep, classify: Callable[[Exception], Trouble | None] = trouble
) -> T:
    """Return the result of a call, repeated while its errors are temporary, with backoff and full jitter.

    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/) Only for calls that are safe to
    repeat: reads, and writes with a token or a condition.

    Raises:
        Exception: the last error when the attempts are used up, any other error at once.
    """
    attempt = 0
    while True:
        try:
            with without_debug_log():
                return call()
        except Exception as error:
            attempt += 1
            found = classify(error)
            if found is not None and found.kind == "credentials":
                forget()
            if found is None or not found.is_temporary or attempt >= _attempts(found):
                raise
        sleep(_delay(attempt))


def _attempts(found: Trouble) -> int:
    return _ATTEMPTS_UNREACHABLE if found.kind == "unreachable" else _ATTEMPTS


def _delay(attempt: int) -> float:
    import os

    fraction = int.from_bytes(os.urandom(2), "big") / 0xFFFF
    return fraction * float(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt))
