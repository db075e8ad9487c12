"""The AWS session of a process: credential sources are asked once, and a person is never asked."""

from __future__ import annotations

import logging
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kojikey.aws import session
from kojikey.aws.client import make_client
from kojikey.model.errors import KekUnavailable, StoreDenied
from kojikey.sealing.kek.base import KekInputs
from kojikey.sealing.kek.registry import load, make
from kojikey.stores.dynamodb.store import DynamoStore
from support.program import Program
from support.servers.aws import REGION, Aws, set_credentials

Profile = Callable[..., None]
NOBODY = KekInputs({}, None)
MFA = "arn:aws:iam::123456789012:mfa/somebody"


@pytest.fixture
def profile(tmp_path: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a function that replaces the credentials in the environment by one profile."""

    def use(**members: str) -> None:
        file = tmp_path / "aws-config"
        base = "[profile base]\naws_access_key_id = AKIAMADEUPMADEUP0000\naws_secret_access_key = made-up\n"
        mine = "".join(f"{name} = {value}\n" for name, value in members.items())
        file.write_text(f"{base}[profile mine]\n{mine}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "mine")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.endpoint)

    return use


@pytest.fixture
def counted(tmp_path: Path, profile: Profile) -> Callable[[], int]:
    """Return the number of calls of the credential process."""
    asked, program = tmp_path / "asked", tmp_path / "program"
    answer = '{"Version": 1, "AccessKeyId": "AKIAMADEUPMADEUP0000", "SecretAccessKey": "made-up"}'
    program.write_text(f"#!/bin/sh\necho asked >> {asked}\necho '{answer}'\n")
    program.chmod(0o700)
    profile(credential_process=str(program))
    return lambda: len(asked.read_text().splitlines()) if asked.exists() else 0


def with_mfa(profile: Profile) -> None:
    profile(role_arn="arn:aws:iam::123456789012:role/r", source_profile="base", mfa_serial=MFA)


def aws_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


# nobody is asked


@pytest.mark.parametrize("options", [["--stdin"], ["--stdin", "--no-input"]])
def test_no_mfa_code_is_read_from_the_standard_input_of_a_key(
    kojikey: Program, aws: Aws, profile: Profile, options: list[str]
) -> None:
    store = DynamoStore(url := "kojikey-mfa", region=REGION, endpoint=aws.endpoint)
    store.close()
    with_mfa(profile)
    kojikey.environ |= aws_environ() | {"KOJIKEY_STORE": aws.url(url)}
    key = kojikey.key("elevenlabs", "ok")
    ended = kojikey.installed("rotate", "elevenlabs", *options, "--json", stdin=key.key)
    assert ended.code == 7, ended.said
    assert "AWS requires an MFA code" in ended.error["message"]
    assert "nothing was changed" in ended.error["message"]
    assert "aws sts get-session-token" in ended.error["hint"]
    assert MFA not in ended.said


def test_no_mfa_code_is_asked_for_a_kek_in_kms(aws: Aws, profile: Profile) -> None:
    spec, _ = make(f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}", store_id="s", inputs=NOBODY)
    with_mfa(profile)
    kek = load(spec, NOBODY)
    for _ in range(2):  # botocore says something else the second time
        with pytest.raises(KekUnavailable, match="never asks for one; nothing was opened") as raised:
            kek.wrap(bytes(32), store="s", account="a")
        assert "aws sso login" in str(raised.value.hint)


def test_a_role_without_mfa_is_assumed(aws: Aws, profile: Profile) -> None:
    profile(role_arn="arn:aws:iam::123456789012:role/r", source_profile="base")
    client = make_client("kms", region=REGION, endpoint=aws.endpoint)
    assert client.list_keys()
    client.close()


# nothing secret is logged


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Return the list of all records of a program's log at every level."""
    told: list[str] = []

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(f"{record.name} {record.getMessage()} {record.exc_text or record.exc_info}")

    root, handler = logging.getLogger(), Log()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield told
    root.removeHandler(handler)
    root.setLevel(before)


def test_a_program_that_logs_everything_logs_no_data_key(aws: Aws, log: list[str]) -> None:
    source = f"awskms:{aws.new_key()}?region={REGION}&endpoint={aws.endpoint}"
    log.clear()  # of what the test itself asked
    _, kek = make(source, store_id="s", inputs=NOBODY)
    data_key = os.urandom(32)
    assert kek.unwrap(kek.wrap(data_key, store="s", account="a"), store="s", account="a") == data_key
    store = DynamoStore("kojikey-logs", region=REGION, endpoint=aws.endpoint)
    store.create({"format": 1})
    store.close()
    text = "\n".join(log)
    for secret in (b64encode(data_key).decode(), repr(data_key), "Signature", "Plaintext", "Authorization"):
        assert secret not in text
    assert not [line for line in log if line.startswith(("boto", "urllib3"))]


def test_the_credentials_of_an_assumed_role_are_not_logged(aws: Aws, profile: Profile, log: list[str]) -> None:
    profile(role_arn="arn:aws:iam::123456789012:role/r", source_profile="base")
    store = DynamoStore("kojikey-logs-role", region=REGION, endpoint=aws.endpoint)
    store.create({"format": 1})
    store.close()
    assert not [line for line in log if "SecretAccessKey" in line or "SessionToken" in line]


def test_calls_that_a_program_itself_makes_to_aws_are_still_logged(aws: Aws, log: list[str]) -> None:
    from kojikey.aws.client import with_retries

    client = make_client("dynamodb", region=REGION, endpoint=aws.endpoint)
    with_retries(client.list_tables)
    assert log == []
    client.list_tables()
    assert [line for line in log if line.startswith("botocore.endpoint")]
    logging.getLogger("botocore.endpoint").warning("something is odd")
    client.close()


# one session


def test_a_program_is_asked_for_credentials_once_for_all_clients(aws: Aws, counted: Callable[[], int]) -> None:
    for service in ("dynamodb", "kms", "dynamodb"):
        make_client(service, region=REGION, endpoint=aws.endpoint).close()
    assert counted() == 1


def test_threads_that_start_together_share_one_session(aws: Aws, counted: Callable[[], int]) -> None:
    made = []

    def begin() -> None:
        made.append(make_client("dynamodb", region=REGION, endpoint=aws.endpoint))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in made:
        client.close()
    assert (len(made), counted()) == (8, 1)


def test_each_client_has_its_own_region(aws: Aws) -> None:
    clients = [make_client("dynamodb", region=region, endpoint=aws.endpoint) for region in (REGION, "us-east-1")]
    assert [client.meta.region_name for client in clients] == [REGION, "us-east-1"]
    for client in clients:
        client.close()


def test_changed_credentials_are_used_by_the_next_client(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("AKIAMADEUPMADEUP0001", "AKIAMADEUPMADEUP0002"):
        set_credentials(monkeypatch, key)
        client = make_client("dynamodb", region=REGION, endpoint=aws.endpoint)
        assert client._request_signer._credentials.access_key == key
        client.close()


def test_a_file_of_credentials_that_changed_is_read_again(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for number, key in enumerate(("AKIAMADEUPMADEUP0001", "AKIAMADEUPMADEUP0002")):
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = made-up\n")
        os.utime(file, (number, number))
        client = make_client("dynamodb", region=REGION, endpoint=aws.endpoint)
        assert client._request_signer._credentials.access_key == key
        client.close()


def test_credentials_that_aws_refused_are_asked_for_again(aws: Aws, counted: Callable[[], int]) -> None:
    from botocore.exceptions import TokenRetrievalError

    from kojikey.aws.client import with_retries

    def refused() -> None:
        raise TokenRetrievalError(provider="sso", error_msg="expired")

    make_client("dynamodb", region=REGION, endpoint=aws.endpoint).close()
    with pytest.raises(TokenRetrievalError):
        with_retries(refused)
    make_client("dynamodb", region=REGION, endpoint=aws.endpoint).close()
    assert counted() == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_makes_its_own_session(aws: Aws, counted: Callable[[], int]) -> None:
    make_client("dynamodb", region=REGION, endpoint=aws.endpoint).close()
    lock = session._lock  # which another thread may hold at that moment
    child = os.fork()
    if not child:
        os._exit(7 if session._lock is not lock and not session._current else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert session._current
    assert session._lock is lock


def test_a_store_whose_role_requires_mfa_is_denied(aws: Aws, profile: Profile) -> None:
    with_mfa(profile)
    store = DynamoStore("kojikey-mfa", region=REGION, endpoint=aws.endpoint)
    with pytest.raises(StoreDenied, match="kojikey never asks for one; nothing was changed"):
        store.open()
    store.close()
