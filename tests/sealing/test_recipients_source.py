"""A KEK that is sealed to several people: the identities that open it, and refused recipients."""

from __future__ import annotations

import asyncio
import hmac
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest

from kojikey.model.errors import CannotOpen, KekMissing, KekUnavailable, RecordChanged, UsageError
from kojikey.model.secret import Secret
from kojikey.sealing import base64url
from kojikey.sealing.derivation import RECIPIENTS
from kojikey.sealing.kek import recipients, registry
from kojikey.sealing.kek.age_recipients import Recipient, guarded, parsed, parsed_file
from kojikey.sealing.kek.base import Kek, KekInputs, LocalKek
from support.each import each
from support.identities import CAROL, CAROLS_FILE, WORDS, identity, ssh_file, ssh_recipient
from support.keks import Spec, private

ANNA, BOB = identity("anna"), identity("bob")
EVERYBODY = (ANNA.recipient, BOB.recipient, ssh_recipient("ed25519"), ssh_recipient("rsa"))


def inputs(secret: str = "", *, path: Path | None = None, words: bytes | None = None) -> KekInputs:
    environ = {"KOJIKEY_IDENTITY": secret} if secret else {"KOJIKEY_IDENTITY_FILE": str(path)} if path else {}
    ask = None if words is None else lambda _: Secret(words.decode())
    return KekInputs(environ, None, ask_identity=ask, actor="anna@laptop")


def made(*named: Recipient) -> tuple[Spec, Kek]:
    return registry.make("recipients", store_id="a store", inputs=inputs(ANNA.secret)._replace(recipients=named))


SHARED_WITH_ANNA = made(ANNA.recipient)
CHANGED = " has a list of recipients that was changed outside kojikey"


@pytest.fixture(scope="module")
def shared() -> tuple[Spec, Kek]:
    return made(*EVERYBODY)


@pytest.mark.parametrize("person", [ANNA, BOB])
def test_each_recipient_opens_it_with_the_identity_itself_or_a_file(
    shared: tuple[Spec, Kek], tmp_path: Path, person: Any
) -> None:
    spec, kek = shared
    path = private(tmp_path / "identity", f"# made today\n{person.secret}\n")
    assert registry.load(spec, inputs(person.secret)).kid == kek.kid
    assert registry.load(spec, inputs(path=path)).kid == kek.kid


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("words", [None, WORDS])
def test_an_ssh_key_opens_it_with_and_without_a_passphrase(
    shared: tuple[Spec, Kek], tmp_path: Path, kind: str, words: bytes | None
) -> None:
    spec, kek = shared
    path = ssh_file(tmp_path / "id", kind, words=words)
    assert registry.load(spec, inputs(path=path, words=words)).kid == kek.kid


@pytest.mark.parametrize("words", [None, WORDS])
def test_an_rsa_key_in_the_old_form_opens_it(shared: tuple[Spec, Kek], tmp_path: Path, words: bytes | None) -> None:
    spec, kek = shared
    path = ssh_file(tmp_path / "id", "rsa", words=words, is_old=True)
    assert registry.load(spec, inputs(path=path, words=words)).kid == kek.kid


def test_an_identity_file_with_a_passphrase_opens_it(tmp_path: Path) -> None:
    spec, kek = made(ANNA.recipient, CAROL.recipient)
    path = private(tmp_path / "identity.age", CAROLS_FILE)
    assert registry.load(spec, inputs(path=path, words=WORDS)).kid == kek.kid


def test_the_default_ssh_keys_are_tried_where_nothing_is_set(
    shared: tuple[Spec, Kek], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, kek = shared
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    with pytest.raises(KekMissing, match="no identity of yours was found"):
        registry.load(spec, inputs())
    ssh_file(tmp_path / ".ssh" / "id_rsa", "rsa")
    assert registry.load(spec, inputs()).kid == kek.kid
    with pytest.raises(KekMissing, match="none of your identities"):  # what is set is used alone
        registry.load(spec, inputs(identity("mallory").secret))


def test_no_passphrase_is_asked_for_a_key_that_is_not_a_recipients(tmp_path: Path) -> None:
    spec, _ = made(ANNA.recipient)
    path = ssh_file(tmp_path / "id", "ed25519", words=WORDS)
    with pytest.raises(KekMissing, match="none of your identities"):
        registry.load(spec, inputs(path=path)._replace(ask_identity=lambda _: pytest.fail("somebody was asked")))


def test_a_wrong_passphrase_is_asked_for_again_three_times_in_all(shared: tuple[Spec, Kek], tmp_path: Path) -> None:
    spec, kek = shared
    path, typed = ssh_file(tmp_path / "id", "ed25519", words=WORDS), ["wrong", "wrong again", WORDS.decode()]
    ask = inputs(path=path)._replace(ask_identity=lambda _: Secret(typed.pop(0)), warn=lambda _: None)
    assert registry.load(spec, ask).kid == kek.kid
    typed += ["wrong"] * 3
    with pytest.raises(KekUnavailable, match="not the passphrase") as caught:
        registry.load(spec, ask)
    assert not typed
    assert "KOJIKEY_IDENTITY_FILE to another identity" in str(caught.value.hint)


def test_when_nobody_can_be_asked_the_passphrase_is_missing(shared: tuple[Spec, Kek], tmp_path: Path) -> None:
    path = ssh_file(tmp_path / "id", "ed25519", words=WORDS)
    with pytest.raises(KekMissing, match="and there is no terminal"):
        registry.load(shared[0], inputs(path=path))


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_an_identity_that_others_can_use_is_refused(shared: tuple[Spec, Kek], tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "identity", ANNA.secret, mode)
    with pytest.raises(KekUnavailable) as caught:
        registry.load(shared[0], inputs(path=path))
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("content", ["", "hello", "AGE-SECRET-KEY-1QQ", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"])
def test_text_that_is_not_an_identity_is_refused_and_not_repeated(
    shared: tuple[Spec, Kek], tmp_path: Path, content: str
) -> None:
    with pytest.raises(CannotOpen) as caught:
        registry.load(shared[0], inputs(path=private(tmp_path / "identity", content)))
    assert not content or content not in str(caught.value) + str(caught.value.hint)
    assert "failed" not in str(caught.value)


def test_the_age_program_opens_a_sealed_member(shared: tuple[Spec, Kek], tmp_path: Path) -> None:
    """The commands are those of the documentation; the Debian package is ``age``."""
    spec, kek = shared
    age = shutil.which("age")
    assert age is not None, "the program age is needed: apt-get install age"
    path = private(tmp_path / "identity", ANNA.secret)
    member = private(tmp_path / "member.age", spec["recipients"][0]["sealed"])
    opened = subprocess.run([age, "-d", "-i", path, member], capture_output=True, check=True).stdout
    assert LocalKek(base64url.decode(opened.decode())).kid == kek.kid


def test_no_store_is_created_without_ones_own_key_among_the_recipients() -> None:
    with pytest.raises(UsageError, match=r"your own public key is not among .*; nothing was created") as caught:
        made(BOB.recipient)
    assert str(caught.value.hint).startswith("name it as well, or set KOJIKEY_IDENTITY_FILE to the identity")


def test_without_a_recipient_no_store_is_created() -> None:
    with pytest.raises(UsageError, match="sealed to the recipients that you name; nothing was created") as caught:
        made()
    assert caught.value.hint == "--recipient R for each, your own among them, or --recipient @FILE"


def test_more_recipients_than_a_header_holds_are_refused() -> None:
    many = [Recipient(str(pyrage.x25519.Identity.generate().to_public()), "x" * 100) for _ in range(40)]
    with pytest.raises(
        UsageError, match="no room for 41 recipients with keys of this size; nothing was changed"
    ) as caught:
        made(ANNA.recipient, *many)
    assert caught.value.hint == "keys of the kind ssh-ed25519 or age1 are the shortest"


def test_the_kek_is_nowhere_in_the_spec(shared: tuple[Spec, Kek]) -> None:
    spec, kek = shared
    assert isinstance(kek, LocalKek)
    text = json.dumps(spec)
    assert base64url.encode(kek.reveal()) not in text
    assert kek.reveal().hex() not in text


def _renamed(spec: Spec) -> None:
    spec["recipients"][1]["comment"] = "somebody else"


def _added_by(spec: Spec) -> None:
    spec["recipients"][1]["added_by"] = "mallory@nowhere"


def _taken_out(spec: Spec) -> None:
    del spec["recipients"][1]


def _put_in(spec: Spec) -> None:
    spec["recipients"].append({**spec["recipients"][1], "recipient": identity("mallory").recipient.text})


def _other_kek(spec: Spec) -> None:
    spec["recipients"][0]["sealed"] = made(ANNA.recipient)[0]["recipients"][0]["sealed"]


@pytest.mark.parametrize("change", [_renamed, _added_by, _taken_out, _put_in, _other_kek])
def test_a_list_that_was_changed_from_outside_is_refused(shared: tuple[Spec, Kek], change: Any) -> None:
    spec = json.loads(json.dumps(shared[0]))
    change(spec)
    with pytest.raises(RecordChanged, match="header"):
        registry.load(spec, inputs(ANNA.secret))


@pytest.mark.parametrize(
    "hostile",
    [
        None, [], {}, [None], [{}], [{"recipient": 1}], "x",
        [{"recipient": "age1../../x1qqqq", "comment": "", "added_by": "x", "added_at": "x", "sealed": ""}],
        [{"recipient": ANNA.recipient.text, "comment": "\x1b[2J", "added_by": "x", "added_at": "x", "sealed": ""}],
        [{"recipient": ANNA.recipient.text, "comment": "", "added_by": "x", "added_at": "2026-11-27T10:00:00Z",
          "sealed": "x" * 100_000}],
    ],
)  # fmt: skip
def test_a_malformed_list_of_recipients_is_reported_as_damage(shared: tuple[Spec, Kek], hostile: object) -> None:
    spec = {**shared[0], "recipients": hostile}
    with pytest.raises(RecordChanged):
        registry.load(spec, inputs(ANNA.secret))
    with pytest.raises(RecordChanged):
        registry.describe(spec)


MISTYPED = ANNA.recipient.text[:-1] + ("p" if ANNA.recipient.text.endswith("q") else "q")


@each(
    "line",
    [
        "", "hello", "age1qqq", "ssh-dss AAAAB3NzaC1kc3M=", "ssh-ed25519 AAAA", "ssh-ed25519", "age1../x1qqqq",
        'from="10.0.0.1" ' + ssh_recipient("ed25519").text, ANNA.recipient.text.upper(), MISTYPED,
        ANNA.recipient.text + " \x1b[2J", ANNA.recipient.text + " " + "x" * 101,
    ],
)  # fmt: skip
def test_text_that_is_not_a_recipient_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parsed(line)


@pytest.mark.parametrize(
    "secret",
    [ANNA.secret, ANNA.secret.lower(), "-----BEGIN OPENSSH PRIVATE KEY-----"],
    ids=["capitals", "small", "SSH"],
)
def test_a_secret_in_place_of_a_recipient_is_not_repeated(secret: str) -> None:
    with pytest.raises(UsageError, match="secret identity") as caught:
        parsed(secret)
    assert secret not in str(caught.value)


def test_a_file_has_a_recipient_a_line_with_its_comment() -> None:
    text = f"# the team\n\n{ANNA.recipient.text} anna\n  {ssh_recipient('rsa').text} bob at work\n"
    assert [recipient.comment for recipient in parsed_file(text)] == ["anna", "bob at work"]
    with pytest.raises(UsageError, match="line 2"):
        parsed_file(f"{ANNA.recipient.text}\nhello\n")
    with pytest.raises(UsageError, match="no recipient"):
        parsed_file("# nobody\n")


def _raising(error: BaseException) -> Callable[[object], object]:
    def work(_: object) -> object:
        raise error

    return work


def test_a_panic_of_the_age_library_is_an_error_without_its_text() -> None:
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(KekUnavailable) as raised:
        guarded(_raising(panic("CANARY")), "the age library")
    assert str(raised.value) == "the age library failed; nothing was changed"
    assert raised.value.__context__ is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit, MemoryError])
def test_an_interruption_is_not_an_error_of_the_age_library(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        guarded(_raising(kind()), "the age library")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "one recipient, who opens it with their identity: anna"),
        (2, "2 recipients, each of whom opens it with their own identity: anna, p1"),
        (6, "6 recipients, each of whom opens it with their own identity: anna, p1, p2, p3, p4, p5"),
        (
            8,
            "8 recipients, each of whom opens it with their own identity: anna, p1, p2, p3, p4, p5 and 2 more",
        ),
    ],
)
def test_the_description_names_six_recipients_and_counts_the_others(count: int, text: str) -> None:
    spec, _ = made(ANNA.recipient, *(identity(f"p{number}").recipient for number in range(1, count)))
    assert registry.describe(spec) == f"sealed to {text}"


def test_the_list_is_authenticated_as_every_release_does_it(shared: tuple[Spec, Kek]) -> None:
    # Fixed: another form of the text would lock the recipients of all stores out.
    spec, kek = shared
    assert isinstance(kek, LocalKek)
    content = {name: spec[name] for name in ("kid", "recipients", "source")}
    content["recipients"] = [dict(sorted(entry.items())) for entry in spec["recipients"]]
    covered = json.dumps(content, separators=(",", ":")).encode("ascii")
    pseudorandom_key = hmac.digest(bytes(32), kek.reveal(), "sha256")  # HKDF (RFC 5869) without salt
    derived = hmac.digest(pseudorandom_key, RECIPIENTS + b"\x01", "sha256")
    assert RECIPIENTS == b"kojikey/1 recipients"
    assert spec["mac"] == hmac.digest(derived, covered, "sha256").hex()


def is_damage_of_header(error: RecordChanged, words: str) -> bool:
    return error.where == "header" and error.message.endswith(words)


@each("mac", [None, "", 7, "é" * 64, "0" * 64])
def test_a_mac_that_no_release_wrote_is_reported_as_damage(mac: object) -> None:
    spec = {**SHARED_WITH_ANNA[0], "mac": mac}
    with pytest.raises(RecordChanged) as caught:
        registry.load(spec, inputs(ANNA.secret))
    assert is_damage_of_header(caught.value, CHANGED)


@each(
    ("member", "value"),
    [
        ("recipient", "age1"), ("recipient", "hello"), ("comment", "x" * 101), ("comment", None), ("sealed", None),
        ("sealed", "é"), ("sealed", "x" * (8 * 1024 + 1)), ("added_by", None), ("added_by", "\x1b[2J"),
        ("added_at", "yesterday"), ("added_at", None),
    ],
)  # fmt: skip
def test_each_member_of_a_recipient_has_its_form(member: str, value: object) -> None:
    spec = SHARED_WITH_ANNA[0]
    listed = {**spec, "recipients": [{**spec["recipients"][0], member: value}]}
    with pytest.raises(RecordChanged) as caught:
        recipients.listed(listed)
    assert is_damage_of_header(caught.value, CHANGED)


@each(("member", "value"), [("comment", "x" * 100), ("sealed", "x" * (8 * 1024)), ("comment", "")])
def test_a_member_of_the_greatest_length_is_read(member: str, value: str) -> None:
    spec = SHARED_WITH_ANNA[0]
    (found,) = recipients.listed({**spec, "recipients": [{**spec["recipients"][0], member: value}]})
    assert value in (found.recipient.comment, found.sealed)


def resealed(text: str) -> Spec:
    """Return a spec whose only member holds a text in place of the KEK, with the id of the true one."""
    spec = SHARED_WITH_ANNA[0]
    public = pyrage.x25519.Recipient.from_str(ANNA.recipient.text)
    sealed = pyrage.encrypt(text.encode(), [public], armored=True).decode()
    return {**spec, "recipients": [{**spec["recipients"][0], "sealed": sealed}]}


@pytest.mark.parametrize("text", ["hello", "é", ""])
def test_a_member_that_holds_no_kek_is_reported_as_damage(text: str) -> None:
    with pytest.raises(RecordChanged) as caught:
        registry.load(resealed(text), inputs(ANNA.secret))
    assert is_damage_of_header(caught.value, " holds something other than a KEK for you")


def test_a_member_that_holds_another_kek_is_reported_as_damage() -> None:
    with pytest.raises(RecordChanged) as caught:
        registry.load(resealed(base64url.encode(bytes(32))), inputs(ANNA.secret))
    assert is_damage_of_header(caught.value, " holds a different KEK for you than the one it names")


def test_someone_who_is_no_recipient_reads_how_to_become_one(shared: tuple[Spec, Kek], tmp_path: Path) -> None:
    with pytest.raises(
        KekMissing, match=r"^none of your identities \(.*\) is one of this store's 4 recipients; nothing was opened$"
    ) as other:
        registry.load(shared[0], inputs(identity("mallory").secret))
    assert str(other.value.hint) == (
        "set KOJIKEY_IDENTITY_FILE to the right one, or ask a recipient to add you: "
        "kojikey store recipients add RECIPIENT"
    )


def test_someone_without_an_identity_reads_how_to_name_one(
    shared: tuple[Spec, Kek], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(KekMissing) as caught:
        registry.load(shared[0], inputs())
    assert caught.value.hint == "set KOJIKEY_IDENTITY_FILE to your age identity or private SSH key"
    assert recipients.own_recipients(shared[0], inputs(BOB.secret)) == (BOB.recipient.text,)
