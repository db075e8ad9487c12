"""A helper process that can be killed reads the keychain, and only a real keychain gets a KEK."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import KekMissing, KekUnavailable, WrongKek
from kojikey.sealing.kek import keychain
from kojikey.sealing.kek.base import KekInputs, LocalKek
from kojikey.sealing.kek.registry import available_default, describe, discard, load, make

pytestmark = pytest.mark.external

REQUEST = ("get", "kojikey", "entry")
SPEC = {"source": "keychain", "service": "kojikey", "entry": "s1.k", "kid": "k"}


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.fixture
def nothing(tmp_path: Path) -> KekInputs:
    """An environment without a session bus, so without a keychain."""
    return KekInputs({"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, None)


def test_waiting_for_a_keychain_that_never_answers_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silence")
    silent = ("sh", "-c", f"exec 4<>'{tmp_path}/silence'; read answer <&4")
    with pytest.raises(KekUnavailable, match=r"the keychain did not answer within 0\.05 s") as caught:
        keychain.ask(REQUEST, os.environ, seconds=0.05, helper=silent)
    for source in ("passphrase", "env", "file:PATH"):
        assert source in str(caught.value.hint)


def test_giving_up_also_ends_the_processes_that_the_helper_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)

    def out_of_time(self: Any, *_: object, timeout: float) -> None:
        while not os.read(reader, 2):
            pass  # the end of the file: the grandchild has not opened it yet
        raise subprocess.TimeoutExpired("helper", timeout)

    monkeypatch.setattr(subprocess.Popen, "communicate", out_of_time)
    # A grandchild that holds the pipe and waits for a line that never comes.
    waits = ("sh", "-c", f"(exec 4>'{fifo}'; printf up >&4; exec cat <&5) 5<>'{fifo}.other' & wait")
    os.mkfifo(f"{fifo}.other")
    try:
        with pytest.raises(KekUnavailable, match="did not answer within 3 s"):
            keychain.ask(REQUEST, os.environ, helper=waits)
        # The pipe comes to its end only when all who could write are gone; the bound is for when they are not.
        assert select.select([reader], [], [], 20)[0]
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_ctrl_c_ends_the_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def interrupted(self: subprocess.Popen[bytes], *_: object, timeout: float) -> None:
        started.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keychain.ask(REQUEST, os.environ, helper=("cat",))
    assert started[0].returncode is not None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("error locked", "the keychain is locked"),
        ("error no_keychain", "there is no keychain here"),
        ("error failed", "the keychain refused"),
        ("error what_is_this", "the keychain refused"),
        ("Traceback (most recent call last): canary", "the keychain refused"),
        ("", "the keychain refused"),
    ],
)
def test_a_malformed_answer_is_an_error_that_names_the_alternatives(answer: str, message: str) -> None:
    with pytest.raises(KekUnavailable, match=message) as caught:
        keychain.ask(REQUEST, os.environ, helper=script(f"print({answer!r})"))
    assert caught.value.hint == "other KEK sources: passphrase, env, file:PATH"
    assert "canary" not in str(caught.value)


def test_a_helper_that_cannot_be_started_is_a_kojikey_error() -> None:
    with pytest.raises(KekUnavailable, match="could not be read"):
        keychain.ask(REQUEST, os.environ, helper=("/nowhere/helper",))


def test_the_helper_gets_the_kek_by_a_pipe_and_not_as_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    shows = script("import sys; print('ok', sys.stdin.read(), *sys.argv)")
    monkeypatch.setattr(keychain, "HELPER", shows)
    seen: list[str] = []
    real = keychain.ask
    monkeypatch.setattr(keychain, "ask", lambda *a, **k: seen.append(real(*a, **k)))
    spec, _ = make("keychain", store_id="s1", inputs=KekInputs(dict(os.environ), None))
    value, *arguments = seen[0].split(" ")
    assert len(value) == 43
    assert arguments == ["-c", "set", "kojikey", spec["entry"]]


def test_without_a_session_there_is_no_keychain(nothing: KekInputs) -> None:
    assert available_default(nothing, interactive=True) is None
    for attempt in (lambda: make("keychain", store_id="s1", inputs=nothing), lambda: load(SPEC, nothing)):
        with pytest.raises(KekUnavailable, match="there is no keychain here"):
            attempt()
    discard(SPEC, nothing)


@pytest.mark.parametrize(
    "backend",
    ["keyring.backends.null.Keyring", "keyring.backends.fail.Keyring", "keyring.backends.chainer.ChainerBackend"],
)
def test_the_fallback_backends_of_keyring_are_refused(nothing: KekInputs, backend: str) -> None:
    inputs = KekInputs({**nothing.environ, "PYTHON_KEYRING_BACKEND": backend}, None)
    assert available_default(inputs, interactive=True) is None


PLAIN_FILE = """
from keyring.backend import KeyringBackend
class PlaintextKeyring(KeyringBackend):
    priority = 9
    def get_password(self, service, username): return None
    def set_password(self, service, username, password): open({path!r}, "w").write(password)
    def delete_password(self, service, username): pass
"""


def test_a_keyring_of_plain_files_is_refused(nothing: KekInputs, tmp_path: Path) -> None:
    (tmp_path / "plainfile.py").write_text(PLAIN_FILE.format(path=str(tmp_path / "leaked")))
    chosen = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "plainfile.PlaintextKeyring"}
    inputs = KekInputs({**nothing.environ, **chosen}, None)
    with pytest.raises(KekUnavailable, match="there is no keychain here"):
        make("keychain", store_id="s1", inputs=inputs)
    assert not (tmp_path / "leaked").exists()


def test_a_module_in_the_working_directory_is_not_handed_the_kek(
    nothing: KekInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert available_default(nothing, interactive=True) is None
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("arguments", [[], ["get"], ["fly", "a", "b", "c"]])
def test_the_helper_never_shows_a_traceback(nothing: KekInputs, arguments: list[str]) -> None:
    done = subprocess.run(
        [*keychain.HELPER, *arguments], env=dict(nothing.environ), capture_output=True, text=True, input="canary"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("error failed\n", "", 0)


def test_a_missing_entry_and_one_of_another_kek_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keychain, "ask", lambda *_: "")
    with pytest.raises(KekMissing, match=r"the keychain has no entry s1\.k of kojikey"):
        load(SPEC, KekInputs({}, None))
    monkeypatch.setattr(keychain, "ask", lambda *_: "A" * 43)
    with pytest.raises(WrongKek, match="is not this store's"):
        load(SPEC, KekInputs({}, None))
    monkeypatch.setattr(keychain, "ask", lambda *_: "canary")
    with pytest.raises(KekUnavailable, match="is not a KEK") as caught:
        load(SPEC, KekInputs({}, None))
    assert "canary" not in str(caught.value)


def test_each_kek_has_its_own_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    # Re-keying from keychain to keychain: both are needed until every account is wrapped anew.
    monkeypatch.setattr(keychain, "ask", lambda *_, **__: "")
    specs = [make("keychain", store_id="s1", inputs=KekInputs({}, None))[0] for _ in range(2)]
    assert len({spec["entry"] for spec in specs}) == 2
    assert all(spec["entry"].startswith("s1.") for spec in specs)


def test_only_the_helper_imports_keyring() -> None:
    code = "import sys, kojikey.sealing.kek.keychain; sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_description_names_the_keychain_and_its_user() -> None:
    assert describe(SPEC).startswith("the system keychain, entry kojikey/s1.k: readable by")
    assert LocalKek(bytes(32)).kid not in describe(SPEC)
