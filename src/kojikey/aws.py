"""Amazon's interfaces as the DynamoDB store and the KMS source of a KEK use them: one client each, one way to fail.

Owns: how a client is made (credentials from boto3's default chain, one attempt a call, a checked endpoint), what an
error of boto3 or of the service means, and the one loop that tries again. boto3 is imported when a client is made.
Must not: know what a table or a key is for, or let a text of the service through; it may repeat what was sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from kojikey.aws_answers import ForeignAnswer
from kojikey.aws_session import MfaWanted, core_session, forget, new_client, quietly
from kojikey.aws_settings import (
    PROFILES,
    MalformedCredentials,
    check_credentials_of_environment,
    check_endpoint_of_environment,
    checked_endpoint,
    refusal_of,
)
from kojikey.model.base_url import is_loopback
from kojikey.model.errors import UsageError

T = TypeVar("T")
Sleep = Callable[[float], None]

EXTRA_HINT = "python3 -m pip install 'kojikey[aws]'"
MALFORMED_HINT = (
    "look for a line end at the end of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or of what the "
    "profile has them from"
)
MFA_HINT = (
    "get temporary credentials first, with aws sts get-session-token or aws sso login, and let AWS_PROFILE or "
    "AWS_ACCESS_KEY_ID and its kin name them"
)
CREDENTIALS_HINT = (
    "aws sts get-caller-identity says who you are to AWS; set AWS_PROFILE, or run aws configure, aws login or "
    "aws sso login"
)

Kind = Literal[
    "credentials", "denied", "unreachable", "tls", "foreign", "throttled", "busy", "server", "missing", "other"
]


class Trouble(NamedTuple):
    """What an error means. ``code`` is AWS's own word, ``permission`` the action that was refused (or ``""``)."""

    kind: Kind
    code: str
    permission: str = ""

    @property
    def passes(self) -> bool:
        """Whether the same call may well succeed in a moment."""
        return self.kind in ("throttled", "busy", "server", "unreachable")

    @property
    def unknown(self) -> bool:
        """Whether the call may have been carried out all the same."""
        return self.kind in ("server", "unreachable", "foreign")


class Boto3Missing(Exception):
    """boto3 is not installed."""


# Codes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html,
# https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
_CODES: dict[str, Kind] = {
    "AccessDenied": "denied",
    "AccessDeniedException": "denied",
    "NotAuthorized": "denied",
    "UnauthorizedOperation": "denied",
    "OptInRequired": "denied",
    "ExpiredToken": "credentials",
    "ExpiredTokenException": "credentials",
    "IncompleteSignature": "credentials",
    "IncompleteSignatureException": "credentials",
    "InvalidAccessKeyId": "credentials",
    "InvalidClientTokenId": "credentials",
    "InvalidSignatureException": "credentials",
    "MissingAuthenticationToken": "credentials",
    "MissingAuthenticationTokenException": "credentials",
    "RequestExpired": "credentials",
    "SignatureDoesNotMatch": "credentials",
    "UnrecognizedClientException": "credentials",
    "AuthFailure": "credentials",
    "LimitExceededException": "throttled",
    "ProvisionedThroughputExceeded": "throttled",  # as a reason of a cancelled transaction
    "ProvisionedThroughputExceededException": "throttled",
    "RequestLimitExceeded": "throttled",
    "SlowDown": "throttled",
    "Throttling": "throttled",
    "ThrottlingError": "throttled",  # as a reason of a cancelled transaction
    "ThrottlingException": "throttled",
    "TooManyRequestsException": "throttled",
    "ReplicatedWriteConflictException": "busy",
    "ResourceInUseException": "busy",
    "TransactionConflict": "busy",  # as a reason of a cancelled transaction
    "TransactionConflictException": "busy",
    "TransactionInProgressException": "busy",
    "DependencyTimeoutException": "server",
    "InternalFailure": "server",
    "InternalServerError": "server",
    "InternalServerErrorException": "server",
    "KeyUnavailableException": "server",
    "KMSInternalException": "server",
    "ServiceUnavailable": "server",
    "ServiceUnavailableException": "server",
    "NotFoundException": "missing",
    "ResourceNotFound": "missing",
    "ResourceNotFoundException": "missing",
    "TableNotFoundException": "missing",
}
_NEEDED = {  # by a call, where that is not the action of DynamoDB that has its name
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "Decrypt": "kms:Decrypt",
    "Encrypt": "kms:Encrypt",
    "GetRoleCredentials": "sso:GetRoleCredentials",
    "TransactWriteItems": "dynamodb:PutItem or dynamodb:DeleteItem",
}
_PERMISSION = re.compile(r"to perform:? ([a-z0-9-]{1,40}:[A-Za-z]{1,60})\b")
_CODE = re.compile(r"[A-Za-z0-9_.]{1,64}")

_ATTEMPTS = 10
_ATTEMPTS_UNREACHABLE = 3  # a person waits: a wrong endpoint does not get better
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 15


def make_client(service: str, *, region: str, endpoint: str | None) -> Any:
    """Return a boto3 client that makes each call once; nothing is sent yet.

    Raises:
        Boto3Missing: the extra is not installed. UsageError: boto3 does not take one of AWS's settings, or the endpoint
            of ``AWS_ENDPOINT_URL`` and its kin would send requests unencrypted to another machine; which it was is
            said. Any error that :func:`trouble` knows.
    """
    _require_boto3()
    check_credentials_of_environment()
    if endpoint is None:
        check_endpoint_of_environment(service)
    is_here = endpoint is not None and is_loopback(endpoint)
    client = _new_client(service, region, endpoint, past_proxies=is_here)
    try:
        asked = checked_endpoint(client.meta.endpoint_url, of=PROFILES)
    except UsageError:
        client.close()
        raise
    if is_here or not is_loopback(asked):
        return client
    client.close()  # the environment or the profile named this machine
    return _new_client(service, region, endpoint, past_proxies=True)


def _new_client(service: str, region: str, endpoint: str | None, *, past_proxies: bool) -> Any:
    from botocore.config import Config

    # Data keys may go unencrypted to this machine, and HTTP_PROXY would send them to another one.
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
    """Return the region that AWS's own tools would use here (``AWS_DEFAULT_REGION``, the profile), None without one.

    Raises:
        Boto3Missing: the extra is not installed. Any error that :func:`trouble` knows.
    """
    _require_boto3()
    region: str | None = core_session().get_config_variable("region")
    return region


def _require_boto3() -> None:
    try:
        import boto3.session  # noqa: F401
    except ImportError:
        raise Boto3Missing from None


def trouble(error: Exception) -> Trouble | None:
    """Return what an error of boto3 means, None for what is not boto3's."""
    if isinstance(error, Boto3Missing):
        return Trouble("other", "Boto3Missing")
    if isinstance(error, ForeignAnswer):
        return Trouble("foreign", "ForeignAnswer")
    from boto3.exceptions import Boto3Error
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, (MfaWanted, exceptions.RefreshWithMFAUnsupportedError)):
        return Trouble("credentials", "MfaWanted")
    if isinstance(error, exceptions.ClientError):
        return _of_answer(error.response, error.operation_name)
    if _are_malformed_credentials(error):
        return Trouble("credentials", "MalformedCredentials")
    if isinstance(error, (exceptions.BotoCoreError, Boto3Error)):
        return Trouble(_kind_of_class(error), type(error).__name__)
    if type(error) is ValueError and str(error).startswith("Invalid endpoint"):
        return Trouble("credentials", "InvalidEndpoint")  # of what the credentials come from, such as STS
    return Trouble("foreign", "ResponseParserError") if isinstance(error, ResponseParserError) else None


def of_code(code: str) -> Trouble:
    """Return what one of AWS's codes means that cancelled a transaction."""
    kind = _CODES.get(code, "other")
    needed = _NEEDED["TransactWriteItems"] if kind == "denied" else ""
    return Trouble(kind, code if _CODE.fullmatch(code) else "unknown", needed)


def _of_answer(response: Any, operation: str) -> Trouble:
    told = response.get("Error") or {}
    code, status = str(told.get("Code", "")), response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    kind = _CODES.get(code)
    if kind is None:
        # No code of its own, but a status: a gateway in between, or a service that is down.
        kind = "server" if isinstance(status, int) and status >= 500 else "denied" if status == 403 else "other"
    shown = code if _CODE.fullmatch(code) else f"status {status}"
    return Trouble(kind, shown, _permission(code, str(told.get("Message", "")), operation))


def _permission(code: str, message: str, operation: str) -> str:
    """Return the action that a refusal names; where it names none, that of the call which was refused."""
    named = _PERMISSION.search(message)
    if named:
        return named[1]
    # A gateway that says 403 has no code of AWS's, and knows nothing of permissions.
    return _NEEDED.get(operation, f"dynamodb:{operation}") if _CODES.get(code) == "denied" else ""


def _are_malformed_credentials(error: Exception) -> bool:
    """Tell whether it was the credentials that could not be sent: nothing else in a header comes from outside.

    The text of such an error repeats the header.
    """
    from botocore.exceptions import HTTPClientError

    cause = getattr(error, "kwargs", {}).get("error") if isinstance(error, HTTPClientError) else error
    is_header = type(cause) is ValueError and str(cause).startswith("Invalid header value")
    return is_header or isinstance(cause, (UnicodeEncodeError, MalformedCredentials))


def _kind_of_class(error: Exception) -> Kind:
    from botocore import exceptions as raised

    if isinstance(error, raised.SSLError):
        return "tls"
    if isinstance(error, (raised.HTTPClientError, raised.ConnectionError)):
        return "unreachable"
    about_credentials = (
        raised.NoCredentialsError,
        raised.PartialCredentialsError,
        raised.CredentialRetrievalError,
        raised.ProfileNotFound,
        raised.ConfigNotFound,
        raised.ConfigParseError,
        raised.TokenRetrievalError,
        raised.SSOError,
        raised.MetadataRetrievalError,
        raised.InfiniteLoopConfigError,
        raised.NoAuthTokenError,
        raised.MissingDependencyException,  # of a kind of credentials, such as those of aws login
        getattr(raised, "LoginError", ()),  # newer than the oldest boto3 that is enough
    )
    return "credentials" if isinstance(error, about_credentials) else "other"


def patiently(
    call: Callable[[], T], *, sleep: Sleep = time.sleep, meaning: Callable[[Exception], Trouble | None] = trouble
) -> T:
    """Return what a call gives, and make it again while its errors are such as pass: with backoff and full jitter
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).

    Only for calls that may be repeated: reads, and writes that a token or a condition makes count once.

    Raises:
        Exception: the last error, once the attempts are used up, and at once any that does not pass.
    """
    attempt = 0
    while True:
        try:
            with quietly():
                return call()
        except Exception as error:
            attempt += 1
            found = meaning(error)
            if found is not None and found.kind == "credentials":
                forget()
            if found is None or not found.passes or attempt >= _attempts(found):
                raise
        sleep(_waiting(attempt))


def _attempts(found: Trouble) -> int:
    return _ATTEMPTS_UNREACHABLE if found.kind == "unreachable" else _ATTEMPTS


def _waiting(attempt: int) -> float:
    import os

    fraction = int.from_bytes(os.urandom(2), "big") / 0xFFFF
    return fraction * float(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt))
