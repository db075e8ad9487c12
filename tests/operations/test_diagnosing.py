"""Checking a store: the KEK is really tried, it is asked for only once, no name is shown unchecked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kojikey.cli.commands.doctor.findings import findings_of
from kojikey.model.errors import KekMissing, KekUnavailable, KojikeyError
from kojikey.model.ref import Ref, account_ref, key_ref
from kojikey.model.secret import Secret
from kojikey.operations.adding import NewKey
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.store_admin.creating import create
from kojikey.operations.store_admin.diagnosing import Broken, Diagnosis, KekWorks, KeysTried, TrailUntried, diagnose
from kojikey.sealing.kek import awskms
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change
from kojikey.stores.memory import MemoryStore
from support.rotation import add
from support.servers.aws import REGION, Aws
from support.servers.scripted_aws import DROPPED, Answer, Scripted, refusal, scripted

NOBODY = KekInputs({}, None)
LOCAL = KekInputs({"KOJIKEY_KEK": "A" * 43}, None)


@pytest.fixture
def front(aws: Aws) -> Iterator[Scripted]:
    with scripted(aws.endpoint) as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(awskms.AwsKmsKek.__init__, "__kwdefaults__", {"sleep": waits.append})
    return waits


@pytest.fixture
def store(aws: Aws, front: Scripted, waits: list[float]) -> MemoryStore:
    """Return a store whose KEK is in KMS."""
    made = MemoryStore()
    create(made, source=f"awskms:{aws.new_key()}?region={REGION}&endpoint={front.endpoint}", inputs=NOBODY)
    front.seen.clear()
    return made


def custody_of(store: MemoryStore, inputs: KekInputs = NOBODY) -> OpenStore:
    return OpenStore(store, store.open().document, inputs, actor="test")


def fill(store: MemoryStore, count: int, inputs: KekInputs = NOBODY) -> None:
    open_store = custody_of(store, inputs)
    for number in range(count):
        target = Target("elevenlabs", "https://api.elevenlabs.io")
        new = NewKey(f"account-{number:02}", target, Secret("sk_" + "0" * 48), KeySettings())
        add(open_store, new, test=None, approve=lambda _: True)


def found_in(store: MemoryStore, inputs: KekInputs = NOBODY, **options: Any) -> list[Diagnosis]:
    return list(diagnose(custody_of(store, inputs), **options))


def errors_in(found: list[Diagnosis]) -> dict[str, KojikeyError]:
    return {str(diagnosis.what): diagnosis.error for diagnosis in found if isinstance(diagnosis, Broken)}


# the KEK


def test_a_kek_in_kms_is_tried_once_for_the_account_that_asks(store: MemoryStore, front: Scripted) -> None:
    assert isinstance(found_in(store, account="acme")[0], KekWorks)
    assert front.operations() == ["Encrypt"]
    assert front.seen[0][1]["EncryptionContext"]["account"] == "acme"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal("DisabledException"), "is disabled"),
        (refusal("KMSInvalidStateException"), "pending deletion"),
        (refusal("AccessDeniedException", "not authorized to perform: kms:Encrypt on x"), "lack kms:Encrypt"),
        (refusal("NotFoundException"), "has no key"),
        (DROPPED, "cannot be reached"),
    ],
)
@pytest.mark.parametrize("accounts", [0, 2])
def test_a_kek_that_cannot_be_used_is_a_finding(
    store: MemoryStore, front: Scripted, answer: Answer, words: str, accounts: int
) -> None:
    fill(store, accounts)
    front.always("*", answer)
    found = found_in(store)
    assert len(found) == 1
    assert words in str(errors_in(found)["KEK"])


def test_a_setting_of_aws_that_makes_no_sense_is_shown_with_the_kek(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = store.open().document["kek"]
    del spec["endpoint"]
    header = store.open()
    store.commit([Change(header.ref, header.document | {"kek": spec}, header.revision)])
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://10.0.0.1")
    assert "loopback" in str(errors_in(found_in(store))["KEK"])


# keys


@pytest.mark.parametrize("answer", [refusal("ThrottlingException"), DROPPED, refusal("DisabledException")])
def test_a_kms_that_does_not_answer_is_not_asked_for_every_account(
    store: MemoryStore, front: Scripted, answer: Answer
) -> None:
    fill(store, 12)
    front.seen.clear()
    front.always("Decrypt", answer)
    found = found_in(store)
    asked = {request["EncryptionContext"]["account"] for name, request in front.seen if name == "Decrypt"}
    assert asked == {"account-00"}
    assert isinstance(errors_in(found)["key/account-00/elevenlabs"], KekUnavailable)
    assert KeysTried(opened=0, broken=1, untried=11) in found
    assert found[-1] == TrailUntried()


def test_one_key_that_does_not_open_does_not_stop_the_others(store: MemoryStore, front: Scripted) -> None:
    fill(store, 4)

    def script(operation: str, request: dict[str, Any]) -> Answer | None:
        is_second = request.get("EncryptionContext", {}).get("account") == "account-01"
        return refusal("InvalidCiphertextException") if operation == "Decrypt" and is_second else None

    front.script = script
    found = found_in(store)
    assert KeysTried(opened=3, broken=1, untried=0) in found
    assert "audit trail" in errors_in(found)


def test_a_kek_of_a_re_keying_that_is_missing_stops_at_the_first_key() -> None:
    store = MemoryStore()
    create(store, source="env", inputs=LOCAL)
    fill(store, 3, LOCAL)
    header = store.open()
    other = KekInputs({"OTHER": "B" * 42 + "A"}, None)
    second = MemoryStore()
    spec = create(second, source="env:OTHER", inputs=other)[0]["kek"]
    store.commit([Change(header.ref, header.document | {"next_kek": spec}, header.revision)])
    found = found_in(store, other)
    assert isinstance(errors_in(found)["key/account-00/elevenlabs"], KekMissing)
    assert KeysTried(opened=0, broken=1, untried=2) in found


# names that somebody put into the store


HOSTILE = "\x1b[2J\x1b]0;x\x07"
PLANTED: dict[str, Callable[[MemoryStore], Ref]] = {
    "key": lambda store: key_ref(HOSTILE, "elevenlabs"),
    "provider": lambda store: key_ref("acme", HOSTILE),
    "account": lambda store: account_ref(HOSTILE),
}


@pytest.mark.parametrize("where", PLANTED)
@pytest.mark.parametrize("document", [{}, {"account": HOSTILE, "provider": HOSTILE, "wrapped": HOSTILE}])
def test_names_from_the_store_are_shown_as_printable_text(where: str, document: dict[str, Any]) -> None:
    store = MemoryStore()
    create(store, source="env", inputs=LOCAL)
    store.commit([Change(PLANTED[where](store), document, None)])
    found = found_in(store, LOCAL)
    assert errors_in(found)
    for finding in (finding for diagnosis in found for finding in findings_of(diagnosis)):
        shown = f"{finding.name}{finding.detail}{finding.fix}"
        assert shown.isprintable(), shown
