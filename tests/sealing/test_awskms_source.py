"""How a KMS key is named as the source of a KEK, and what a spec in the store's header may not make kojikey do."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from kojikey.model.errors import KekUnavailable, RecordChanged, UsageError, WrongKek
from kojikey.sealing.kek.base import KekInputs
from kojikey.sealing.kek.registry import describe, load, make, same_source
from support.each import each
from support.servers.aws import REGION, Aws

NOBODY = KekInputs({}, None)
CANARY = "CANARY"


def source(aws: Aws, key: str | None = None) -> str:
    return f"awskms:{key or aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"


@pytest.fixture
def spec(aws: Aws) -> dict[str, Any]:
    return make(source(aws), store_id="s1", inputs=NOBODY)[0]


# the source


def test_a_key_may_be_named_by_id_arn_or_alias(aws: Aws) -> None:
    arn = aws.new_key()
    client = aws.client("kms")
    client.create_alias(AliasName="alias/kojikey-names", TargetKeyId=arn)
    client.close()
    for name in (arn, arn.rpartition("/")[2], "alias/kojikey-names"):
        asked = source(aws, name)
        found, made = make(asked, store_id="s1", inputs=NOBODY)
        assert found["key"] == arn
        assert made.kid == load(found, NOBODY).kid
        assert same_source(found, asked)
        assert same_source(found, f"awskms:{arn}")
        assert not same_source(found, source(aws))
        assert not same_source(found, "awskms:alias/kojikey-names?region=us-east-1")
        assert not same_source(found, "env")
        assert not same_source({"source": "env", "name": "KOJIKEY_KEK"}, asked)
        assert CANARY not in str(found)


def test_the_region_is_that_of_the_arn_or_of_the_environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = aws.new_key()
    endpoint = f"?endpoint={aws.endpoint}"
    assert make(f"awskms:{arn}{endpoint}", store_id="s1", inputs=NOBODY)[0]["region"] == REGION
    bare = f"awskms:{arn.rpartition('/')[2]}{endpoint}"
    with pytest.raises(UsageError, match="no AWS region"):
        make(bare, store_id="s1", inputs=NOBODY)
    assert make(bare, store_id="s1", inputs=KekInputs({"AWS_REGION": REGION}, None))[0]["region"] == REGION
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert make(bare, store_id="s1", inputs=NOBODY)[0]["region"] == REGION


@each(
    "argument",
    [
        "",
        "?region=eu-central-1",
        "a b?region=eu-central-1",
        "k?region=eu-central-1&region=eu-central-1",
        "k?region=",
        "k?region=evil.example",
        "k?region=eu-central-1.evil.example/",
        "k?zone=CANARY",
        "k?region=eu-central-1&endpoint=http://10.0.0.1",
        "k?region=eu-central-1&endpoint=https://user:CANARY@kms.example",
        "k?region=eu-central-1&endpoint=ftp://kms.example",
        "arn:aws:kms:us-east-1:123456789012:key/k?region=eu-central-1",
    ],
)
def test_an_argument_that_names_no_key_is_refused_and_not_repeated(argument: str) -> None:
    with pytest.raises(UsageError) as raised:
        make(f"awskms:{argument}", store_id="s1", inputs=NOBODY)
    assert raised.value.hint
    assert CANARY not in f"{raised.value} {raised.value.hint}"


# a spec that was changed outside kojikey


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example",
        "https://x.execute-api.eu-central-1.amazonaws.com",
        "https://kms.eu-central-1.amazonaws.com.evil.example",
        "https://evil.example/kms.eu-central-1.amazonaws.com",
        "https://evil-kms.eu-central-1.amazonaws.com",
        "http://kms.eu-central-1.amazonaws.com",
        "https://kms.s3.amazonaws.com",
        "https://kms.us-east-1.amazonaws.com",
        "https://vpce-0a1-b2.kms.us-east-1.vpce.amazonaws.com",
    ],
)
def test_no_data_key_is_sent_to_an_endpoint_that_only_the_store_names(spec: dict[str, Any], endpoint: str) -> None:
    with pytest.raises(KekUnavailable, match="endpoint"):
        load(spec | {"endpoint": endpoint}, NOBODY)


def test_the_command_that_confirms_an_endpoint_runs_nothing_else(spec: dict[str, Any]) -> None:
    endpoint = "https://kms.corp.example/$(CANARY);x&'y'"
    with pytest.raises(KekUnavailable) as raised:
        load(spec | {"endpoint": endpoint}, NOBODY)
    command = str(raised.value.hint).partition(": ")[2]
    assert shlex.split(command) == ["export", f"AWS_ENDPOINT_URL_KMS={endpoint}"]
    assert (
        subprocess.run(
            ["sh", "-c", f'{command}; printf %s "$AWS_ENDPOINT_URL_KMS"'], capture_output=True, text=True, check=True
        ).stdout
        == endpoint
    )


def test_an_endpoint_that_the_environment_confirms_is_used(spec: dict[str, Any]) -> None:
    confirmed = KekInputs({"AWS_ENDPOINT_URL_KMS": "https://kms.corp.example/"}, None)
    assert load(spec | {"endpoint": "https://kms.corp.example"}, confirmed).kid == spec["kid"]
    for own in ("https://kms.eu-central-1.amazonaws.com", "https://vpce-0a1-b2.kms.eu-central-1.vpce.amazonaws.com"):
        assert load(spec | {"endpoint": own}, NOBODY).kid == spec["kid"]


@pytest.mark.parametrize(
    "change",
    [
        {"key": "k"},
        {"key": "arn:aws:s3:eu-central-1:123456789012:key/k"},
        {"key": "arn:aws:kms:us-east-1:123456789012:key/k"},
        {"region": "us-east-1"},
        {"key": None},
        {"region": 7},
        {"endpoint": 7},
        {"endpoint": "https://\x1b[2J"},
        {"kid": None},
        {"name": "alias/\x1b[2J"},
        {"name": "alias/x; rm -rf ~"},
        {"name": 7},
    ],
)
def test_a_damaged_spec_is_reported_as_such(spec: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(RecordChanged):
        load(spec | change, NOBODY)
    if "name" in change:
        for use in (describe, lambda damaged: same_source(damaged, "awskms:alias/x")):
            with pytest.raises(RecordChanged):
                use(spec | change)


def test_a_key_that_does_not_match_the_id_in_its_spec_is_refused(spec: dict[str, Any], aws: Aws) -> None:
    with pytest.raises(WrongKek):
        load(spec | {"key": aws.new_key()}, NOBODY)
