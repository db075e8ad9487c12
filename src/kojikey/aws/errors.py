"""Classifies errors of boto3 and of AWS's services.

Owns: the codes of AWS and the classes of boto3, grouped by what a caller can do. boto3 is imported only when an error
is classified. Must not: make a call, or use a text of the service, which may repeat the request.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from kojikey.aws.answers import ForeignAnswer
from kojikey.aws.session import MfaWanted
from kojikey.aws.settings import MalformedCredentials

EXTRA_HINT = "python3 -m pip install 'kojikey[aws]'"
MALFORMED_HINT = (
    "look for a line end at the end of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or where the "
    "profile gets them from"
)
MFA_HINT = (
    "get temporary credentials first, with aws sts get-session-token or aws sso login, then set AWS_PROFILE or "
    "AWS_ACCESS_KEY_ID and the variables that belong to it"
)
CREDENTIALS_HINT = (
    "aws sts get-caller-identity says who you are to AWS; set AWS_PROFILE, or run aws configure, aws login or "
    "aws sso login"
)

Kind = Literal[
    "credentials", "denied", "unreachable", "tls", "foreign", "throttled", "busy", "server", "missing", "other"
]


class Trouble(NamedTuple):
    """A classified error. ``code`` is AWS's own code, ``permission`` the refused action or ``""``."""

    kind: Kind
    code: str
    permission: str = ""

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed soon."""
        return self.kind in ("throttled", "busy", "server", "unreachable")

    @property
    def is_outcome_unknown(self) -> bool:
        """Whether AWS may have carried out the call nevertheless."""
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
_NEEDED = {  # the permission for a call, if it is not the action of DynamoDB with the same name
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "Decrypt": "kms:Decrypt",
    "Encrypt": "kms:Encrypt",
    "GetRoleCredentials": "sso:GetRoleCredentials",
    "TransactWriteItems": "dynamodb:PutItem or dynamodb:DeleteItem",
}
_PERMISSION = re.compile(r"to perform:? ([a-z0-9-]{1,40}:[A-Za-z]{1,60})\b")
_CODE = re.compile(r"[A-Za-z0-9_.]{1,64}")


def trouble(error: Exception) -> Trouble | None:
    """Return the class of an error of boto3, None for any other error."""
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
        return Trouble("credentials", "InvalidEndpoint")  # of a source of credentials, for example STS
    return Trouble("foreign", "ResponseParserError") if isinstance(error, ResponseParserError) else None


def of_code(code: str) -> Trouble:
    """Return the class of an AWS code that cancelled a transaction."""
    kind = _CODES.get(code, "other")
    needed = _NEEDED["TransactWriteItems"] if kind == "denied" else ""
    return Trouble(kind, code if _CODE.fullmatch(code) else "unknown", needed)


def _of_answer(response: Any, operation: str) -> Trouble:
    fields = response.get("Error") or {}
    code, status = str(fields.get("Code", "")), response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    kind = _CODES.get(code)
    if kind is None and isinstance(status, int) and status >= 500:
        kind = "server"
    elif kind is None and status == 403:
        kind = "denied"  # by AWS, or by a gateway on the way
    elif kind is None:
        # where AWS's code is missing, boto3 has the status in its place: a portal, a proxy or another server answers
        kind = "foreign" if code in ("", str(status)) else "other"
    shown = code if _CODE.fullmatch(code) else f"status {status}"
    return Trouble(kind, shown, _permission(code, str(fields.get("Message", "")), operation))


def _permission(code: str, message: str, operation: str) -> str:
    """Return the action that a refusal names, else the action of the refused call."""
    named = _PERMISSION.search(message)
    if named:
        return named[1]
    # a gateway's 403 has no AWS code, and is not about permissions
    return _NEEDED.get(operation, f"dynamodb:{operation}") if _CODES.get(code) == "denied" else ""


def _are_malformed_credentials(error: Exception) -> bool:
    """Return whether the error is about a header with the credentials, the only foreign text in a header.

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
        raised.MissingDependencyException,  # of a kind of credentials, for example those of aws login
        getattr(raised, "LoginError", ()),  # newer than the oldest supported boto3
    )
    return "credentials" if isinstance(error, about_credentials) else "other"
