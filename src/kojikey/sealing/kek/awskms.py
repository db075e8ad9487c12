"""The KEK in AWS KMS: a symmetric key that never leaves KMS, which wraps each account's data key with one Encrypt.

Owns: the form of a wrapped data key, ``kms1.KID.CIPHERTEXT``; ``kid`` is a hash of the key's ARN. Must not: import
boto3 before KMS is used, or repeat an answer.

KMS binds the data key to an EncryptionContext of store and account: a data key of one account does not open for another
(https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html), and IAM and key policies can allow
``kms:Decrypt`` for one account alone (``kms:EncryptionContext:account``).

Someone who can write to the store can change the spec in its header. So the spec's endpoint is used only if it belongs
to KMS or to this machine, or if ``AWS_ENDPOINT_URL_KMS`` names it: data keys are not sent elsewhere.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kojikey.model.base_url import is_loopback
from kojikey.model.errors import Effect, KekUnavailable, RecordChanged, UsageError, WrongKek
from kojikey.model.plain_text import shell_quoted
from kojikey.model.ref import place_of_data_key
from kojikey.model.secret import HiddenBytes
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.kek.base import Kek, KekInputs, Spec, text_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kojikey.aws.client import Sleep

PREFIX = "kms1"
SHAPE = "awskms:KEY-ID[?region=R&endpoint=URL], for example awskms:alias/kojikey?region=eu-central-1"
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_KMS"

_CIPHERTEXT_LIMIT = 6144  # bytes, of KMS's CiphertextBlob (its API reference, Encrypt)
_KID = re.compile(r"kms-[0-9a-f]{16}")
_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")  # the API reference's pattern for aliases, ids and ARNs
_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/([A-Za-z0-9-]{1,256})")
_OF_KMS = r"https://(vpce-[a-z0-9-]+\.)?kms(-fips)?\.{region}\.(vpce\.)?(amazonaws\.com(\.cn)?|api\.aws)"


class KeyAddress(NamedTuple):
    """The parts of a typed source; None for a part that was not given."""

    key: str
    region: str | None
    endpoint: str | None


class AwsKmsKek(Kek):
    """A KMS key. Wrapping and unwrapping are one call each; nothing is sent before."""

    __slots__ = ("_arn", "_client", "_endpoint", "_region", "_sleep", "kid")

    def __init__(self, arn: str, *, region: str, endpoint: str | None, sleep: Sleep = time.sleep) -> None:
        self._arn, self._region, self._endpoint, self._sleep = arn, region, endpoint, sleep
        self._client: Any = None
        self.kid = kid_of(arn)

    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """See :meth:`Kek.wrap`.

        Raises:
            CannotOpen: KMS refused, cannot be reached, or has no such key; nothing was wrapped.
            UsageError: an AWS setting in the environment or the profile is not valid.
        """
        context = {"store": store, "account": account}
        request = {"KeyId": self._arn, "Plaintext": data_key, "EncryptionContext": context}
        (ciphertext,) = self._ask("encrypt", account, ("CiphertextBlob",), **request)
        return f"{PREFIX}.{self.kid}.{base64url.encode(ciphertext)}"

    def unwrap(self, record: str, *, store: str, account: str) -> HiddenBytes:
        """See :meth:`Kek.unwrap`.

        Raises:
            CannotOpen: KMS refused, cannot be reached, or has no such key. UsageError: as :meth:`wrap`.
        """
        kid, ciphertext = parsed(record, where=place_of_data_key(account))
        if kid != self.kid:
            raise WrongKek(f"the {place_of_data_key(account)} was wrapped by another KEK")
        context = {"store": store, "account": account}
        request = {"KeyId": self._arn, "CiphertextBlob": ciphertext, "EncryptionContext": context}
        data_key = HiddenBytes(self._ask("decrypt", account, ("Plaintext",), **request)[0])
        if len(data_key) != KEY_BYTES:
            raise RecordChanged(place_of_data_key(account), "holds something other than a data key")
        return data_key

    def try_out(self, *, store: str, account: str) -> None:
        """See :meth:`Kek.try_out`. Makes one Encrypt and drops its result.

        Raises:
            CannotOpen: the key is disabled, deleted or denied, or KMS cannot be reached.
        """
        self.wrap(HiddenBytes(os.urandom(KEY_BYTES)), store=store, account=account)

    def _ask(self, operation: str, account: str, wanted: tuple[str, ...], **request: Any) -> list[Any]:
        """Return the wanted members of KMS's answer."""
        from kojikey.aws.answers import member
        from kojikey.aws.client import make_client, with_retries
        from kojikey.sealing.kek.awskms_errors import translated

        def call() -> Any:
            if self._client is None:
                self._client = make_client("kms", region=self._region, endpoint=self._endpoint)
            return getattr(self._client, operation)(**request)

        try:
            answer = with_retries(call, sleep=self._sleep)
            return [member(answer, name) for name in wanted]
        except UsageError:
            raise
        except Exception as error:
            # `from None`: botocore's exceptions contain the request, which has the data key
            raise translated(error, self._arn, place_of_data_key(account), region=self._region) or error from None

    def __repr__(self) -> str:
        return f"<AwsKmsKek {self.kid}>"


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that a spec names. Nothing is sent to KMS yet.

    Raises:
        RecordChanged: the spec is damaged. KekUnavailable: its endpoint is not trusted here.
    """
    arn, region, _ = text_member(spec, "key"), text_member(spec, "region"), _name_of(spec)
    match = _ARN.fullmatch(arn)
    if match is None or match[1] != region:
        raise RecordChanged("header", "does not say where its KEK lives (its key is not that of a KMS key)")
    endpoint = text_member(spec, "endpoint") if spec.get("endpoint") is not None else None
    return AwsKmsKek(arn, region=region, endpoint=_trusted(endpoint, region, inputs.environ))


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return the KEK for a new store: an existing KMS key, after a trial.

    Raises:
        UsageError: the argument does not name a KMS key, or no region is known. CannotOpen: the key cannot be used.
    """
    address = parse_source(argument)
    region = address.region or _own_region(inputs.environ)
    endpoint = _trusted(address.endpoint, region, inputs.environ)
    trial, arn = _tried(address.key, region, endpoint, store_id)
    match = _ARN.fullmatch(arn)
    if match is None or match[1] != region:
        raise KekUnavailable(
            "KMS answered with something other than a key of that region", effect=Effect.NOTHING_CREATED
        )
    spec = {"source": "awskms", "key": arn, "region": region, "name": address.key, "kid": trial.kid}
    return spec | ({"endpoint": endpoint} if endpoint else {}), trial


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Do nothing: kojikey does not create KMS keys."""


def describe(spec: Spec) -> str:
    """Return a text that says where the KEK is kept and who can read it."""
    _name_of(spec)
    key = text_member(spec, "key")
    return f"the AWS KMS key {key}: nobody can read it; anyone whom IAM allows kms:Decrypt can open data keys"


def mismatch(spec: Spec) -> str:
    """Return the message for a KMS key whose id differs from the spec's."""
    return f"the KMS key {text_member(spec, 'key')} is not the one that this store was created with"


def argument_of(spec: Spec) -> str:
    """Return the key with the region and, if the spec has one, the endpoint."""
    endpoint = f"&endpoint={text_member(spec, 'endpoint')}" if spec.get("endpoint") else ""
    return f"{text_member(spec, 'key')}?region={text_member(spec, 'region')}{endpoint}"


def is_same(spec: Spec, argument: str) -> bool:
    """Return whether a typed argument means a spec's KMS key: by ARN, by id, or by the name that was typed first.

    Raises:
        UsageError: the argument does not name a KMS key. RecordChanged: the spec is damaged.
    """
    address = parse_source(argument)
    arn = str(spec.get("key"))
    return (
        address.key in (arn, arn.rpartition("/")[2], _name_of(spec))
        and address.region in (None, spec.get("region"))
        and address.endpoint in (None, spec.get("endpoint"))
    )


def iam_statement(arns: list[str], *, store: str, account: str) -> dict[str, Any]:
    """Return the IAM policy statement that allows wrapping and unwrapping one account's data key, and no other."""
    return {
        "Sid": "KojikeyDataKey",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:Encrypt"],
        "Resource": arns,
        "Condition": {"StringEquals": {"kms:EncryptionContext:store": store, "kms:EncryptionContext:account": account}},
    }


def parse_source(argument: str) -> KeyAddress:
    """Return the parts of ``KEY-ID[?region=R&endpoint=URL]``.

    Raises:
        UsageError: the text has another form. It is not repeated.
    """
    from urllib.parse import parse_qsl

    from kojikey.aws.settings import checked_endpoint, checked_region

    key, _, options = argument.partition("?")
    found = parse_qsl(options, keep_blank_values=True)
    given = dict(found)
    if not _KEY.fullmatch(key) or len(given) != len(found) or not given.keys() <= {"region", "endpoint"}:
        raise UsageError("that does not name a KMS key", hint=SHAPE, effect=Effect.NOTHING_CREATED)
    of_arn = key.split(":")[3] if key.startswith("arn:") and key.count(":") == 5 else None
    region = checked_region(given["region"]) if "region" in given else of_arn
    if of_arn not in (None, region):
        raise UsageError("the key's ARN belongs to another region", hint=SHAPE, effect=Effect.NOTHING_CREATED)
    return KeyAddress(key, region, checked_endpoint(given["endpoint"]) if "endpoint" in given else None)


def parsed(record: object, *, where: str) -> tuple[str, bytes]:
    """Return the KEK's id and the ciphertext in a record. Only the form is checked.

    Raises:
        RecordChanged: the record is damaged.
    """
    if not isinstance(record, str) or record.count(".") != 2 or len(record) > 2 * _CIPHERTEXT_LIMIT:
        raise RecordChanged(where, "is damaged")
    prefix, kid, text = record.split(".")
    try:
        ciphertext = base64url.decode(text)
    except ValueError:
        ciphertext = b""
    if prefix != PREFIX or not _KID.fullmatch(kid) or not 0 < len(ciphertext) <= _CIPHERTEXT_LIMIT:
        raise RecordChanged(where, "is damaged")
    return kid, ciphertext


def kid_of(arn: str) -> str:
    """Return the KEK id of a KMS key: a hash of its ARN."""
    import hashlib

    return "kms-" + hashlib.sha256(arn.encode()).hexdigest()[:16]


def _tried(key: str, region: str, endpoint: str | None, store_id: str) -> tuple[AwsKmsKek, str]:
    """Return the KEK and its ARN after a trial of Encrypt and Decrypt."""
    first = AwsKmsKek(key, region=region, endpoint=endpoint)
    context = {"store": store_id, "account": "trial"}
    sample = os.urandom(KEY_BYTES)
    request = {"KeyId": key, "Plaintext": sample, "EncryptionContext": context}
    arn, ciphertext = first._ask("encrypt", "trial", ("KeyId", "CiphertextBlob"), **request)
    kek = AwsKmsKek(str(arn), region=region, endpoint=endpoint)
    kek._client = first._client
    record = f"{PREFIX}.{kek.kid}.{base64url.encode(ciphertext)}"
    if kek.unwrap(record, **context) != sample:
        raise KekUnavailable("KMS did not return what it had encrypted", effect=Effect.NOTHING_CREATED)
    return kek, str(arn)


def _name_of(spec: Spec) -> str | None:
    """Return the name that was typed for the key, None if the spec has none; messages show it in commands.

    Raises:
        RecordChanged: it does not have the form of a key's name.
    """
    if spec.get("name") is None:
        return None
    name = text_member(spec, "name")
    if not _KEY.fullmatch(name):
        raise RecordChanged("header", "does not say where its KEK lives (its name is damaged)")
    return name


def _trusted(endpoint: str | None, region: str, environ: Mapping[str, str]) -> str | None:
    if endpoint is None:
        return None
    from kojikey.aws.settings import checked_endpoint

    try:
        endpoint = checked_endpoint(endpoint)
        confirmed = environ.get(ENDPOINT_VARIABLE)
        if (
            re.fullmatch(_OF_KMS.format(region=re.escape(region)), endpoint)
            or is_loopback(endpoint)
            or (confirmed and checked_endpoint(confirmed) == endpoint)
        ):
            return endpoint
    except UsageError as error:
        raise KekUnavailable(f"the endpoint of the KEK's KMS is not used: {error}", hint=error.hint) from None
    raise KekUnavailable(
        "the endpoint of the KEK's KMS is not one of AWS's, so no data key was sent there",
        hint=f"if it is yours, say so on this machine: export {ENDPOINT_VARIABLE}={shell_quoted(endpoint)}",
    )


def _own_region(environ: Mapping[str, str]) -> str:
    from kojikey.aws.client import default_region
    from kojikey.aws.settings import checked_region
    from kojikey.sealing.kek.awskms_errors import translated

    try:
        region = environ.get("AWS_REGION") or default_region()
    except Exception as error:
        raise translated(error, "", "") or error from None
    if not region:
        raise UsageError("no AWS region is known for the KMS key", hint=SHAPE, effect=Effect.NOTHING_CREATED)
    return checked_region(region)
