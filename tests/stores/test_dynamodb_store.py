"""The DynamoDB adapter passes the conformance suite. The ``test_dynamodb_*`` files test its own behaviour.

It runs against moto on a loopback port; ``servers/moto_server.py`` lists the differences from AWS.
"""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from kojikey.stores.dynamodb.store import DynamoStore
from kojikey.testing.conformance import Maker, SharedStoreConformance
from support.servers.aws import REGION, Aws, new_table


class TestDynamoStore(SharedStoreConformance):
    few, many, page = 100, 400, 60  # moto takes its time for each of them
    threads, increments = 3, 10

    @pytest.fixture
    def table(self) -> str:
        return new_table()

    @pytest.fixture
    def make_store(self, aws: Aws, table: str) -> Maker:
        return lambda: DynamoStore(table, region=REGION, endpoint=aws.endpoint, page=self.page // 2)

    @pytest.fixture
    def url(self, aws: Aws, table: str) -> str:
        return aws.url(table)

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        said = {"Error": {"Code": "ValidationException", "Message": "what an item says"}}
        return (
            BotoCoreError(),
            EndpointConnectionError(endpoint_url="https://secret.example"),
            ClientError(said, "TransactWriteItems"),
        )


@pytest.mark.exhaustive
class TestLargeDynamoStore(TestDynamoStore):
    """The conformance suite's tests of a large store."""

    few, many, page = 1_000, 10_000, 450
    threads, increments = 4, 25
