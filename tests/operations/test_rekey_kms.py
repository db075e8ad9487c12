"""Re-keying a DynamoDB store into KMS, out of it and from key to key: killed at each commit, run again, done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from aws import REGION, Aws, new_table
from faulty import Crash, FaultyStore
from vault import ACCOUNT, OLD, Held, Vault

from kojikey.operations import storing
from kojikey.sealing.kek import wrapped_kid
from kojikey.stores.base import Store
from kojikey.stores.dynamodb import DynamoStore

OTHER = "globex"
KEK = {"KOJIKEY_KEK": "A" * 43}
COMMITS = 4  # the announcement, two accounts, the end


@pytest.fixture
def opener(aws: Aws) -> Iterator[Callable[[], Store]]:
    store = DynamoStore(new_table(), region=REGION, endpoint=aws.endpoint)
    yield lambda: store
    store.close()


def sources(aws: Aws, pair: str) -> list[str]:
    kms = f"awskms:{{}}?region={REGION}&endpoint={aws.endpoint}"
    return ["env" if side == "env" else kms.format(aws.new_key()) for side in pair.split(" to ")]


@pytest.mark.parametrize("pair", ["env to kms", "kms to env", "kms to kms"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_killed_at_any_commit_every_key_opens_and_once_more_finishes(
    aws: Aws, opener: Callable[[], Store], pair: str, at: int, after: bool
) -> None:
    old, new = sources(aws, pair)
    vault = Vault(opener, dict(KEK))
    storing.create(opener(), source=old, inputs=vault.inputs())
    for account in (ACCOUNT, OTHER):
        vault.add(account=account)
    sealed = [stored.document for stored in opener().scan()]

    dying = FaultyStore(opener(), Crash(), at=at, after=after)
    with pytest.raises(Crash):
        storing.rekey(vault.custody(dying), source=new, new_inputs=vault.inputs())
    assert vault.held(ACCOUNT) == vault.held(OTHER) == Held(OLD)

    finished = at == COMMITS and after
    if not finished:
        storing.rekey(vault.custody(), source=new, new_inputs=vault.inputs())
    header = opener().open().document
    assert (header["kek"]["source"], header["next_kek"]) == (new.partition(":")[0], None)
    alone = Vault(opener, dict(KEK) if new == "env" else {})
    assert alone.held(ACCOUNT) == alone.held(OTHER) == Held(OLD)
    assert {wrapped_kid(stored.document["wrapped"]) for stored in opener().accounts()} == {header["kek"]["kid"]}
    assert [stored.document for stored in opener().scan()] == sealed
    alone.verify()
