"""A data key that KMS wrapped opens only for its store and account, and each failure says what to do.

Moto decrypts with a disabled key and never throttles: ``scripted_aws`` gives the answers of AWS in these cases, as AWS
documents them (https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html).
"""

from __future__ import annotations

import os
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kojikey.model.errors import (
    CannotOpen,
    KekMissing,
    KekUnavailable,
    KojikeyError,
    RecordChanged,
    WrongKek,
)
from kojikey.model.next_step import NextCommand, commands_of
from kojikey.model.ref import account_ref
from kojikey.model.secret import Secret
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin.creating import Difference, create, difference
from kojikey.operations.store_admin.rekeying import rekey
from kojikey.sealing.kek import awskms, registry
from kojikey.sealing.kek.base import Kek, KekInputs
from kojikey.sealing.kek.registry import describe, discard, load, make, wrapped_kid
from kojikey.stores.memory import MemoryStore
from support.servers.aws import REGION, Aws
from support.servers.scripted_aws import DROPPED, Answer, Scripted, refusal, scripted

DATA_KEY = bytes(range(32))
PLACE = {"store": "s1", "account": "acme"}
NOBODY = KekInputs({}, None)
CANARY = "CANARY"


@pytest.fixture
def front(aws: Aws) -> Iterator[Scripted]:
    with scripted(aws.endpoint) as server:
        yield server


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace every wait, and return the list of their lengths."""
    waits: list[float] = []
    monkeypatch.setattr(awskms.AwsKmsKek.__init__, "__kwdefaults__", {"sleep": waits.append})
    return waits


def source(aws: Aws, key: str | None = None, endpoint: str | None = None) -> str:
    return f"awskms:{key or aws.new_key()}?region={REGION}&endpoint={endpoint or aws.endpoint}"


@pytest.fixture
def spec(front: Scripted, aws: Aws) -> dict[str, Any]:
    return make(source(aws, endpoint=front.endpoint), store_id="s1", inputs=NOBODY)[0]


@pytest.fixture
def kms(spec: dict[str, Any], front: Scripted, patient: list[float]) -> Kek:
    front.seen.clear()
    return load(spec, NOBODY)


# wrapping


def test_a_data_key_comes_back_and_its_record_names_the_kek(kms: Kek, spec: dict[str, Any]) -> None:
    record = kms.wrap(DATA_KEY, **PLACE)
    assert kms.unwrap(record, **PLACE) == DATA_KEY
    assert wrapped_kid(record) == kms.kid == spec["kid"]
    assert re.fullmatch(r"kms1\.kms-[0-9a-f]{16}\.[A-Za-z0-9_-]+", record)


def test_loading_asks_nothing_and_each_wrapping_is_one_call(kms: Kek, front: Scripted) -> None:
    assert front.seen == []
    kms.unwrap(kms.wrap(DATA_KEY, **PLACE), **PLACE)
    assert front.operations() == ["Encrypt", "Decrypt"]
    assert [request["EncryptionContext"] for _, request in front.seen] == [PLACE, PLACE]


@pytest.mark.parametrize("other", [{"store": "s2", "account": "acme"}, {"store": "s1", "account": "acme2"}])
def test_a_record_of_another_place_does_not_open(kms: Kek, other: dict[str, str]) -> None:
    record = kms.wrap(DATA_KEY, **PLACE)
    with pytest.raises(RecordChanged, match="to another store or account"):
        kms.unwrap(record, **other)


def test_a_record_of_another_key_does_not_open(aws: Aws, kms: Kek) -> None:
    _, other = make(source(aws), store_id="s1", inputs=NOBODY)
    record = other.wrap(DATA_KEY, **PLACE)
    with pytest.raises(WrongKek):
        kms.unwrap(record, **PLACE)
    with pytest.raises(CannotOpen):
        kms.unwrap(record.replace(other.kid, kms.kid), **PLACE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record[:-1],
        lambda record: record + "A",
        lambda record: record + "=",
        lambda record: record.replace("kms1", "kms2"),
        lambda record: record.replace("kms-", "KMS-"),
        lambda record: record.rpartition(".")[0] + ".",
        lambda record: record.rpartition(".")[0],
        lambda record: record + ".x",
        lambda record: record[:-9] + ("A" if record[-9] != "A" else "B") + record[-8:],
        lambda record: record + "A" * 20_000,
        lambda record: "kms1",
        lambda record: "kms1..",
        lambda record: "",
        lambda record: None,
        lambda record: 7,
    ],
)
def test_a_damaged_record_is_reported_as_such(kms: Kek, damage: Any) -> None:
    with pytest.raises(RecordChanged):
        kms.unwrap(damage(kms.wrap(DATA_KEY, **PLACE)), **PLACE)


def test_a_plaintext_of_kms_that_is_not_a_data_key_is_refused(kms: Kek, aws: Aws, spec: dict[str, Any]) -> None:
    client = aws.client("kms")
    blob = client.encrypt(KeyId=spec["key"], Plaintext=b"short", EncryptionContext=PLACE)["CiphertextBlob"]
    client.close()
    from kojikey.sealing import base64url

    with pytest.raises(RecordChanged, match="something other than a data key"):
        kms.unwrap(f"kms1.{kms.kid}.{base64url.encode(blob)}", **PLACE)


def test_a_kek_shows_nothing_and_is_not_serialised(kms: Kek) -> None:
    assert repr(kms) == f"<AwsKmsKek {kms.kid}>"
    with pytest.raises(TypeError):
        pickle.dumps(kms)


def test_the_description_names_the_key_and_discarding_does_nothing(kms: Kek, spec: dict[str, Any]) -> None:
    assert spec["key"] in describe(spec)
    discard(spec, NOBODY)
    assert kms.unwrap(kms.wrap(DATA_KEY, **PLACE), **PLACE) == DATA_KEY


# what AWS refuses

FAILURES: dict[str, tuple[Answer, type[CannotOpen], str]] = {
    "disabled": (refusal("DisabledException"), KekUnavailable, "is disabled"),
    "pending deletion": (refusal("KMSInvalidStateException"), KekUnavailable, "pending deletion"),
    "gone": (refusal("NotFoundException"), KekMissing, "has no key"),
    "wrong usage": (refusal("InvalidKeyUsageException"), KekUnavailable, "not a symmetric key"),
    "wrong key": (refusal("IncorrectKeyException"), WrongKek, "another KMS key"),
    "changed": (refusal("InvalidCiphertextException"), RecordChanged, "changed"),
    "denied": (
        refusal(
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/CANARY is not authorized to perform: kms:Decrypt on resource: CANARY",
        ),
        KekUnavailable,
        "lack kms:Decrypt on",
    ),
    "denied without a word": (refusal("AccessDeniedException"), KekUnavailable, "lack kms:Decrypt on"),
    "expired": (refusal("ExpiredTokenException"), KekUnavailable, "no valid credentials"),
    "unknown credentials": (refusal("UnrecognizedClientException"), KekUnavailable, "no valid credentials"),
    "throttled": (refusal("ThrottlingException"), KekUnavailable, "throttled"),
    "internal": (refusal("KMSInternalException", status=500), KekUnavailable, "is down"),
    "key unavailable": (refusal("KeyUnavailableException", status=500), KekUnavailable, "is down"),
    "a proxy's page": (Answer(503, b"<html>CANARY</html>"), KekUnavailable, "is down"),
    "not AWS": (Answer(404, b"<html>CANARY</html>"), KekUnavailable, "something else answers"),
    "something new": (refusal("FutureException"), KekUnavailable, "with FutureException"),
    "a portal": (Answer(200, b"<html>CANARY</html>"), KekUnavailable, "something else answers in place of KMS"),
    "nothing": (Answer(200, b""), KekUnavailable, "something else answers in place of KMS"),
    "no members": (Answer(200, b"{}"), KekUnavailable, "something else answers in place of KMS"),
    "a number": (Answer(200, b'{"Plaintext": 5}'), KekUnavailable, "something else answers in place of KMS"),
    "no base64": (Answer(200, b'{"Plaintext": "C"}'), KekUnavailable, "something else answers in place of KMS"),
    "no answer": (DROPPED, KekUnavailable, "cannot be reached"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_distinguished_and_repeats_nothing(
    kms: Kek, front: Scripted, patient: list[float], name: str
) -> None:
    answer, kind, words = FAILURES[name]
    record = kms.wrap(DATA_KEY, **PLACE)
    front.always("Decrypt", answer)
    with pytest.raises(CannotOpen) as raised:
        kms.unwrap(record, **PLACE)
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert CANARY not in f"{raised.value} {raised.value.hint}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("code", ["DisabledException", "KMSInvalidStateException"])
@pytest.mark.parametrize("named_by", ["ARN", "alias"])
def test_the_command_that_fixes_a_key_names_its_region_and_no_alias(
    aws: Aws, front: Scripted, patient: list[float], code: str, named_by: str
) -> None:
    key = aws.new_key() if named_by == "ARN" else "alias/kojikey"
    front.always("*", refusal(code))
    with pytest.raises(KekUnavailable) as raised:
        make(source(aws, key, front.endpoint), store_id="s1", inputs=NOBODY)
    hint = str(raised.value.hint)
    for command in re.findall(r"aws kms (?:enable-key|cancel-key-deletion) .*", hint):
        asked = shlex.split(command)
        assert asked[3:6] == ["--region", REGION, "--key-id"]
        assert asked[6] == key if named_by == "ARN" else asked[6].startswith("$(aws kms describe-key --region")
    assert ("enable-key" if code == "DisabledException" else "cancel-key-deletion") in hint


def test_throttled_calls_are_retried(kms: Kek, front: Scripted, patient: list[float]) -> None:
    record = kms.wrap(DATA_KEY, **PLACE)
    front.once("Decrypt", *[refusal("ThrottlingException")] * 4)
    assert kms.unwrap(record, **PLACE) == DATA_KEY
    assert len(patient) == 4
    assert all(0 <= wait <= 2 for wait in patient)


def test_without_credentials_nothing_is_sent(kms: Kek, front: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(KekUnavailable, match="no valid credentials") as raised:
        kms.wrap(DATA_KEY, **PLACE)
    assert raised.value.hint
    assert "AWS_PROFILE" in raised.value.hint
    assert front.seen == []


def test_a_server_that_is_not_there_is_reported(aws: Aws, spec: dict[str, Any], patient: list[float]) -> None:
    with scripted(aws.endpoint) as gone:
        endpoint = gone.endpoint
    with pytest.raises(KekUnavailable, match="cannot be reached") as raised:
        load(spec | {"endpoint": endpoint}, NOBODY).wrap(DATA_KEY, **PLACE)
    assert len(patient) == 2
    assert commands_of(raised.value.hint or "") == (NextCommand("store info"),)  # to which the CLI adds --store


def test_without_boto3_it_says_what_to_install(spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(KekUnavailable, match="boto3") as raised:
        load(spec, NOBODY).wrap(DATA_KEY, **PLACE)
    assert raised.value.hint == "python3 -m pip install 'kojikey[aws]'"


def test_a_key_that_cannot_be_used_makes_no_store(aws: Aws, front: Scripted, patient: list[float]) -> None:
    key = aws.new_key()
    for operation in ("Encrypt", "Decrypt"):
        front.always(operation, refusal("AccessDeniedException", f"not authorized to perform: kms:{operation} on x"))
        store = MemoryStore()
        with pytest.raises(KekUnavailable, match=f"lack kms:{operation} on"):
            create(store, source=source(aws, key, front.endpoint), inputs=NOBODY)
        with pytest.raises(KojikeyError):
            store.open()


# in a store


def add(open_store: OpenStore, account: str) -> str:
    """Create an account, and return one of its sealed records."""
    sealed = []

    def plan(sealer: Any) -> Plan:
        sealed.append(sealer.seal(Secret(account), provider="p", version=1, base_url="https://x.example"))
        return Plan((), (EventDraft("added"),))

    Ledger(open_store).record(account, plan)
    return str(sealed[-1])


def opened(open_store: OpenStore, account: str, record: str) -> str:
    return open_store.sealer(account).open(record, provider="p", version=1, base_url="https://x.example").reveal()


def again(store: MemoryStore, inputs: KekInputs = NOBODY) -> OpenStore:
    return OpenStore(store, store.open().document, inputs, actor="test")


def test_an_account_costs_one_call_a_process(aws: Aws, front: Scripted) -> None:
    store = MemoryStore()
    create(store, source=source(aws, endpoint=front.endpoint), inputs=NOBODY)
    records = {name: add(again(store), name) for name in ("a", "b")}
    open_store = again(store)
    front.seen.clear()
    for _ in range(3):
        for name, record in records.items():
            assert opened(open_store, name, record) == name
    assert front.operations() == ["Decrypt", "Decrypt"]


@pytest.mark.parametrize("order", ["to KMS", "from KMS", "from key to key"])
def test_rekey_moves_a_store_between_kms_and_other_sources(aws: Aws, order: str) -> None:
    local = KekInputs({"KOJIKEY_KEK": "A" * 43}, None)
    sources = {
        "to KMS": ("env", source(aws)),
        "from KMS": (source(aws), "env"),
        "from key to key": (source(aws), source(aws)),
    }[order]
    store = MemoryStore()
    create(store, source=sources[0], inputs=local)
    records = {name: add(again(store, local), name) for name in ("a", "b", "c")}
    assert difference(store, store.open().document, source=sources[1]) is Difference.SOURCE
    result = rekey(again(store, local), source=sources[1], new_inputs=local)
    assert (result.rewrapped, result.resumed) == (3, False)
    assert difference(store, store.open().document, source=sources[1]) is None
    only_new = local if sources[1] == "env" else NOBODY
    for name, record in records.items():
        assert opened(again(store, only_new), name, record) == name
        stored = store.read(account_ref(name))
        assert stored is not None
        assert wrapped_kid(stored.document["wrapped"]) == store.open().document["kek"]["kid"]


def test_a_rekey_that_kms_interrupts_leaves_every_key_open_and_is_finished_later(
    aws: Aws, front: Scripted, patient: list[float]
) -> None:
    local = KekInputs({"KOJIKEY_KEK": "A" * 43}, None)
    store = MemoryStore()
    create(store, source="env", inputs=local)
    records = {name: add(again(store, local), name) for name in ("a", "b", "c")}
    target = source(aws, endpoint=front.endpoint)

    def after_two(operation: str, request: dict[str, Any]) -> Answer | None:
        done = [seen["EncryptionContext"]["account"] for name, seen in front.seen if name == "Encrypt"]
        return refusal("DisabledException") if operation == "Encrypt" and done[-1] == "c" else None

    front.script = after_two
    with pytest.raises(KekUnavailable, match="disabled"):
        rekey(again(store, local), source=target, new_inputs=local)
    for name, record in records.items():
        assert opened(again(store, local), name, record) == name
    front.script = lambda operation, request: None
    result = rekey(again(store, local), source=target, new_inputs=local)
    assert (result.rewrapped, result.resumed) == (1, True)
    for name, record in records.items():
        assert opened(again(store), name, record) == name


def test_naming_the_source_imports_no_boto3() -> None:
    script = (
        "import sys; from kojikey.sealing.kek.registry import *\n"
        "spec = {'source': 'awskms', 'key': 'arn:aws:kms:eu-central-1:123456789012:key/k', 'region': 'eu-central-1'}\n"
        "from kojikey.sealing.kek.awskms import kid_of\n"
        "describe(spec), load(spec | {'kid': kid_of(spec['key'])}, KekInputs({}, None))\n"
        "print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "kojikey.sealing.kek.awskms" in ran.stdout.split()
    assert not {"boto3", "botocore", "hashlib.md5"} & set(ran.stdout.split())
    assert "awskms" in registry.SOURCES
