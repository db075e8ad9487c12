"""Re-keying the remote stores, and any store into KMS and out of it: killed at each commit, run again, done.

The local sources on the embedded stores are in ``test_rekey_pairs.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aws import REGION, Aws, new_table
from faulty import Crash, FaultyStore
from vault import ACCOUNT, OLD, Held, Vault

from kojikey.operations import storing
from kojikey.sealing.kek import wrapped_kid
from kojikey.stores.base import Store
from kojikey.stores.dynamodb import DynamoStore
from kojikey.stores.postgres import PostgresStore
from kojikey.stores.postgres_address import read_address
from kojikey.stores.sqlite import SqliteStore

OTHER = "globex"
KEK = {"KOJIKEY_KEK": "A" * 43}
COMMITS = 4  # the announcement, two accounts, the end


OF_KMS = ("env to kms", "kms to env", "kms to kms")
OF_FILES = ("env to file", "file to env", "file to kms", "kms to file")
RUNS = [
    (engine, pair)
    for engine, pairs in (("dynamodb", OF_KMS), ("postgresql", OF_KMS + OF_FILES), ("sqlite", OF_KMS))
    for pair in pairs
]


@pytest.fixture
def opener(request: pytest.FixtureRequest, aws: Aws, engine: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    with ExitStack() as stack:
        store: Store = SqliteStore(str(tmp_path / "store" / "keys.db"))
        if engine == "dynamodb":
            store = DynamoStore(new_table(), region=REGION, endpoint=aws.endpoint)
        elif engine == "postgresql":
            server = request.getfixturevalue("postgres")
            store = PostgresStore(read_address(server.url(stack.enter_context(server.database()))))
        stack.callback(store.close)
        yield lambda: store


def sources(aws: Aws, pair: str, folder: Path) -> list[str]:
    made: dict[str, Callable[[int], str]] = {
        "env": lambda number: "env",
        "file": lambda number: f"file:{folder / f'kek-{number}'}",
        "kms": lambda number: f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}",
    }
    return [made[side](number) for number, side in enumerate(pair.split(" to "))]


@pytest.mark.parametrize(("engine", "pair"), RUNS)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_killed_at_any_commit_every_key_opens_and_once_more_finishes(
    aws: Aws, opener: Callable[[], Store], pair: str, at: int, after: bool, tmp_path: Path
) -> None:
    old, new = sources(aws, pair, tmp_path)
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
