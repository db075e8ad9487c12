"""Translates KMS's errors during wrapping and unwrapping into ours.

Owns: the sentences. Must not: repeat a text of the service, or let an exception of botocore through.
"""

from __future__ import annotations

import re

from kojikey.aws.errors import CREDENTIALS_HINT, EXTRA_HINT, MALFORMED_HINT, MFA_HINT, Kind, Trouble, trouble
from kojikey.model.errors import Effect, KekMissing, KekUnavailable, KojikeyError, RecordChanged, WrongKek
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import shell_quoted

_ALIAS = re.compile(r"(^|:)alias/")
_REACH = Hint("check the network, HTTPS_PROXY, and the region and endpoint that ", next_step("store info"), " shows")
_KINDS: dict[Kind, tuple[str, str]] = {
    "credentials": ("there are no valid credentials for AWS here, and the KEK is in KMS", CREDENTIALS_HINT),
    "throttled": ("KMS throttled requests for {key} for too long", "try again later"),
    "busy": ("KMS is changing the key {key}", "try again in a minute"),
    "server": ("KMS is down, or cannot use {key} now", "https://health.aws.amazon.com/health/status"),
    "unreachable": ("KMS cannot be reached to use {key}", _REACH),
    "foreign": ("something else answers in place of KMS; {key} was not used", _REACH),
    "tls": (
        "the server that answers for KMS could not be verified (TLS)",
        "if there is a proxy, set AWS_CA_BUNDLE to its certificates",
    ),
}
# https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, "Errors"
_UNUSABLE: dict[str, tuple[str, str]] = {
    "DisabledException": ("the KMS key {key} is disabled", "aws kms enable-key --region {region} --key-id {id}"),
    "KMSInvalidStateException": (
        "the KMS key {key} cannot be used in its present state (pending deletion, import or creation)",
        "aws kms describe-key --region {region} --key-id {name}; while deletion is pending: "
        "aws kms cancel-key-deletion --region {region} --key-id {id}",
    ),
    "InvalidKeyUsageException": (
        "the KMS key {key} is not a symmetric key for encryption",
        "aws kms create-key --region {region} creates one",
    ),
    "MalformedCredentials": (
        "AWS's credentials here are malformed (they contain a line end or another invalid character), and the KEK "
        "is in KMS",
        MALFORMED_HINT,
    ),
    "MfaWanted": (
        "AWS requires an MFA code for the role of this profile before the KEK in KMS can be used, and kojikey never "
        "asks "
        "for one",
        MFA_HINT,
    ),
    "Boto3Missing": ("the KEK is in AWS KMS, and boto3, which talks to it, is not installed", EXTRA_HINT),
}


def translated(error: Exception, key: str, where: str, *, region: str = "") -> KojikeyError | None:
    """Return our error for an error of boto3 about the data key ``where``, None for other errors."""
    found = trouble(error)
    if found is None:
        return None
    if found.code == "InvalidCiphertextException":
        return RecordChanged(where, "was changed, or belongs to another store or account")
    if found.code == "IncorrectKeyException":
        return WrongKek(f"the {where} was wrapped by another KMS key")
    if found.kind == "missing":
        return KekMissing(
            f"AWS KMS has no key {key}",
            hint="check the key's id, region and AWS account; a deleted key no longer opens anything",
            effect=Effect.NOTHING_OPENED,
        )
    return _unavailable(found, key, region)


def _unavailable(found: Trouble, key: str, region: str) -> KekUnavailable:
    if found.kind == "denied":
        what = found.permission or "a permission"
        hint = "IAM and the key's own policy must both allow it; " + CREDENTIALS_HINT
        return KekUnavailable(
            f"these AWS credentials lack {what} on the KMS key {key}", hint=hint, effect=Effect.NOTHING_OPENED
        )
    texts = _UNUSABLE.get(found.code) or _KINDS.get(found.kind)
    message, hint = texts or (f"KMS refused to use {{key}}, with {found.code}", next_step("doctor"))
    if not isinstance(hint, Hint):  # `format` would return a text without the hint's commands
        hint = hint.format(region=region, name=shell_quoted(key), id=_id_for_shell(key, region))
    return KekUnavailable(message.format(key=key), hint=hint, effect=Effect.NOTHING_OPENED)


def _id_for_shell(key: str, region: str) -> str:
    """Return a shell expression for the key's id: only describe-key accepts an alias."""
    if not _ALIAS.search(key):
        return shell_quoted(key)
    command = f"aws kms describe-key --region {region} --key-id {shell_quoted(key)}"
    return f'"$({command} --query KeyMetadata.KeyId --output text)"'
