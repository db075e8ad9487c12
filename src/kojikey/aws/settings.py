"""Checks endpoints and regions from AWS's settings and from URLs, and names the variable that is wrong.

Owns: the rule for endpoints, and the messages about settings that boto3 rejects. Must not: repeat a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from kojikey.model.base_url import check_base_url, problem_of_base_url
from kojikey.model.errors import Effect, UsageError

PROFILES = "the endpoint_url of AWS's configuration file"
_REFERENCE = "https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html"
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_VARIABLES = {
    "InvalidConfigError": "",
    "InvalidDefaultsMode": "AWS_DEFAULTS_MODE",
    "InvalidIMDSEndpointError": "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "InvalidIMDSEndpointModeError": "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "InvalidMaxRetryAttemptsError": "AWS_MAX_ATTEMPTS",
    "InvalidRetryModeError": "AWS_RETRY_MODE",
    "InvalidSTSRegionalEndpointsConfigError": "AWS_STS_REGIONAL_ENDPOINTS",
}


class MalformedCredentials(Exception):
    """The environment's credentials have characters that no credential has. The error repeats nothing of them."""


def check_credentials_of_environment() -> None:
    """Check the form of the environment's credentials, if there are any.

    Raises:
        MalformedCredentials: they have an invalid character, usually a line end.
    """
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        return
    values = (os.environ.get(name, "") for name in _CREDENTIALS)
    if not all(value.isascii() and value.isprintable() for value in values):
        raise MalformedCredentials


def checked_endpoint(text: str, *, of: str = "") -> str:
    """Return an endpoint in its canonical form. ``of`` names its setting, if it is from one.

    Raises:
        UsageError: it is not ``https://…`` (or ``http://`` on this machine). The message does not repeat it.
    """
    problem = problem_of_base_url(text, carries="what is stored")
    if problem:
        raise UsageError(
            f"{of or 'that'} is not an endpoint of AWS: {problem}",
            hint="an endpoint is, for example, https://vpce-0a1b.dynamodb.eu-central-1.vpce.amazonaws.com; "
            "http only for loopback",
            effect=Effect.NOTHING_SENT if of else None,
        )
    return check_base_url(text)


def check_endpoint_of_environment(service: str) -> None:
    """Check the endpoint in the environment for a service, if there is one.

    Raises:
        UsageError: it is not an endpoint; the message names the variable.
    """
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return
    for variable in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if os.environ.get(variable):
            checked_endpoint(os.environ[variable], of=variable)
            return


def checked_region(text: str) -> str:
    """Return the name of a region.

    Raises:
        UsageError: it is not one, and would become part of a host name.
    """
    if not re.fullmatch(r"[a-z]{2,8}(-[a-z]{1,12}){1,3}-\d{1,2}", text):
        raise UsageError("that is not the name of an AWS region", hint="for example region=eu-central-1")
    return text


def refusal_of(error: Exception) -> UsageError | None:
    """Return the error for a setting that boto3 rejected, None if boto3 failed for another reason.

    boto3 converts settings without a check (``int("abc")``), and its error does not name the setting.
    """
    from botocore.exceptions import BotoCoreError

    name = type(error).__name__
    if name not in _VARIABLES and (isinstance(error, BotoCoreError) or not isinstance(error, ValueError)):
        return None
    if str(error).startswith("Invalid endpoint"):  # not the environment's, which was checked before
        return UsageError(f"{PROFILES} is not an endpoint of AWS", hint=_REFERENCE, effect=Effect.NOTHING_SENT)
    variable = _VARIABLES.get(name) or next(_inconvertible(), "")
    if not variable:
        hint = f"see the variables AWS_… and aws configure list: {_REFERENCE}"
        return UsageError("boto3 rejected one of the AWS_… settings", hint=hint, effect=Effect.NOTHING_SENT)
    return UsageError(
        f"{variable} (or its setting in the profile) is not accepted by boto3",
        hint=f"unset {variable}, or see what it may be: {_REFERENCE}",
        effect=Effect.NOTHING_SENT,
    )


def _inconvertible() -> Iterator[str]:
    from botocore.session import Session

    for _, variables, _, convert in Session.SESSION_VARIABLES.values():
        for variable in variables if isinstance(variables, list) else [variables]:
            if convert is not None and variable in os.environ:
                try:
                    convert(os.environ[variable])
                except ValueError:
                    yield str(variable)
