"""Creating a client: it bypasses proxies on this machine, and a wrong AWS setting is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.aws.client import make_client
from kojikey.model.errors import KekUnavailable, StoreDenied, UsageError
from kojikey.sealing.kek.awskms import AwsKmsKek
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import load, make
from kojikey.stores.dynamodb.store import DynamoStore
from support.servers.aws import REGION, Aws
from support.servers.scripted_aws import Answer, Scripted, scripted

NOBODY = KekInputs({}, None)


@pytest.fixture
def proxy(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Return a proxy that the environment names and that answers every request itself."""
    with scripted(aws.endpoint) as server:
        server.always("*", Answer(403, b"{}"))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, server.endpoint)
        yield server


def test_a_data_key_for_a_kms_on_this_machine_goes_through_no_proxy(aws: Aws, proxy: Scripted) -> None:
    source = f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"
    spec, _ = make(source, store_id="s", inputs=NOBODY)
    kek, place = load(spec, NOBODY), {"store": "s", "account": "a"}
    data_key = os.urandom(32)
    assert kek.unwrap(kek.wrap(data_key, **place), **place) == data_key
    assert proxy.seen == []


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"])
def test_an_endpoint_on_this_machine_named_by_the_environment_goes_through_no_proxy(
    aws: Aws, proxy: Scripted, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, aws.endpoint)
    client = make_client("kms", region=REGION, endpoint=None)
    assert "Keys" in client.list_keys()
    client.close()
    assert proxy.seen == []


# settings that make no sense

PLACE = {"store": "s", "account": "a"}
ARN = "arn:aws:kms:eu-central-1:123456789012:key/k"


def store_of(endpoint: str | None = None) -> DynamoStore:
    return DynamoStore("kojikey-settings", region=REGION, endpoint=endpoint, sleep=lambda _: None)


def kek_of(endpoint: str | None = None) -> Kek:
    return AwsKmsKek(ARN, region=REGION, endpoint=endpoint, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL", "garbage"),
        ("AWS_ENDPOINT_URL", "http://10.1.2.3"),
        ("AWS_ENDPOINT_URL", "https://user:CANARY@host"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "CANARY"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "CANARY"),
        ("AWS_RETRY_MODE", "CANARY"),
        ("AWS_DEFAULTS_MODE", "CANARY"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "CANARY"),
    ],
)
def test_an_invalid_variable_is_named_and_its_value_not_repeated(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for use in (store_of().open, lambda: kek_of().wrap(bytes(32), **PLACE)):
        with pytest.raises(UsageError) as raised:
            use()
        said = f"{raised.value} {raised.value.hint}"
        assert str(raised.value).startswith(variable)
        assert str(raised.value).endswith("nothing was sent")
        assert raised.value.hint
        assert "CANARY" not in said
        assert "base URL" not in said
        assert "the key" not in said


def test_the_endpoint_of_a_service_comes_before_the_general_one(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "garbage")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://10.1.2.3")
    with pytest.raises(UsageError, match=r"^AWS_ENDPOINT_URL_DYNAMODB is not an endpoint of AWS: http would send"):
        store_of().open()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.endpoint)
    make_client("dynamodb", region=REGION, endpoint=None).close()
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    make_client("dynamodb", region=REGION, endpoint=None).close()


@pytest.mark.parametrize("endpoint", ["garbage", "http://10.1.2.3"])
def test_an_endpoint_of_the_profile_is_checked_like_one_of_the_environment(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    file = tmp_path / "config"
    file.write_text(f"[default]\nendpoint_url = {endpoint}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    with pytest.raises(UsageError, match=r"^the endpoint_url of AWS's configuration file is not an endpoint of AWS"):
        store_of().open()


def test_an_invalid_number_in_the_profile_is_an_error_and_not_a_bug(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nmetadata_service_timeout = CANARY\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    with pytest.raises(UsageError, match="boto3 rejected one of the AWS_… settings") as raised:
        store_of().open()
    assert "CANARY" not in str(raised.value)


def test_an_invalid_endpoint_of_sts_is_an_error_and_not_a_bug(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
    file.write_text(f"[default]\n{role}[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = x\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "garbage")
    with pytest.raises(StoreDenied, match="no valid credentials"):
        store_of(aws.endpoint).open()


@pytest.mark.parametrize("variable", ["AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
@pytest.mark.parametrize("odd", ["\n", "\r\nX-Evil: 1", "\x0b", "\u20ac"])
def test_malformed_credentials_are_reported_and_never_repeated(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, variable: str, odd: str
) -> None:
    monkeypatch.setenv(variable, f"CANARY{odd}CANARY")
    for kind, use in (
        (StoreDenied, store_of(aws.endpoint).open),
        (KekUnavailable, lambda: kek_of(aws.endpoint).wrap(bytes(32), **PLACE)),
    ):
        with pytest.raises(kind, match="malformed") as raised:
            use()
        assert "CANARY" not in f"{raised.value} {raised.value.hint}"
        assert raised.value.__suppress_context__


def test_malformed_credentials_of_a_credential_process_are_reported_and_never_repeated(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, file = tmp_path / "program", tmp_path / "config"
    answer = '{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "x", "SessionToken": "CANARY\\\\nCANARY"}'
    program.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
    program.chmod(0o700)
    file.write_text(f"[default]\ncredential_process = {program}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    with pytest.raises(StoreDenied, match="malformed") as raised:
        store_of(aws.endpoint).open()
    assert "CANARY" not in f"{raised.value} {raised.value.hint}"


def test_an_expired_login_is_reported_as_a_credentials_error() -> None:
    from botocore import exceptions

    from kojikey.aws.errors import trouble

    for kind in (exceptions.LoginError, exceptions.LoginRefreshRequired, exceptions.LoginInsufficientPermissions):
        assert trouble(kind()) == ("credentials", kind.__name__, "")
    missing = trouble(exceptions.MissingDependencyException(msg="awscrt"))
    assert missing is not None
    assert missing.kind == "credentials"
