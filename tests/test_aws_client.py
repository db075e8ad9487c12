"""How a client is made: past proxies on this machine, and what is wrong with AWS's settings is said by name."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from aws import REGION, Aws
from scripted_aws import Answer, Scripted, scripted

from kojikey.aws import make_client
from kojikey.sealing.kek import KekInputs, load, make

NOBODY = KekInputs({}, None)


@pytest.fixture
def proxy(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Return a proxy that the environment names, and that answers everything itself."""
    with scripted(aws.endpoint) as server:
        server.always("*", Answer(403, b"{}"))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, server.endpoint)
        yield server


def test_no_data_key_on_its_way_to_this_machine_is_sent_to_a_proxy(aws: Aws, proxy: Scripted) -> None:
    source = f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"
    spec, _ = make(source, store_id="s", inputs=NOBODY)
    kek, place = load(spec, NOBODY), {"store": "s", "account": "a"}
    data_key = os.urandom(32)
    assert kek.unwrap(kek.wrap(data_key, **place), **place) == data_key
    assert proxy.seen == []


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"])
def test_nor_where_the_environment_names_this_machine(
    aws: Aws, proxy: Scripted, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, aws.endpoint)
    client = make_client("kms", region=REGION, endpoint=None)
    assert "Keys" in client.list_keys()
    client.close()
    assert proxy.seen == []
