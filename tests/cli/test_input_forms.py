"""Input as people have it: encodings of files, empty variables, spans, ``~``, no home, mounted secrets."""

from __future__ import annotations

import base64
import codecs
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.model.account import checked_account
from kojikey.model.errors import BadAccount
from kojikey.model.text_file import decoded
from support.each import each
from support.program import KEK, SECONDS, Program, pieces_in
from support.pseudo_terminal import end, hides, on_a_terminal, type_key

ENCODINGS = {
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16LE": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}


def private(path: Path, content: bytes) -> str:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return str(path)


# byte-order marks and UTF-16


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("source", ["--stdin", "--from-file"])
def test_a_key_with_a_byte_order_mark_is_read_without_a_message(
    kojikey: Program, tmp_path: Path, encoding: str, source: str
) -> None:
    key = kojikey.key()
    data = ENCODINGS[encoding](key.key + "\r\n")
    options = ["--stdin"] if source == "--stdin" else [source, private(tmp_path / "key", data)]
    ended = kojikey("add", "elevenlabs", *options, "--base-url", key.base_url, stdin=data)
    assert ended.code == 0, ended.said
    assert "mark" not in ended.said
    assert kojikey("get", "elevenlabs", "--reveal").out == key.key


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_passphrase_file_with_a_byte_order_mark_is_read(kojikey: Program, tmp_path: Path, encoding: str) -> None:
    del kojikey.environ["KOJIKEY_KEK"]
    plain = private(tmp_path / "plain", "Größe im Wald\n".encode())
    marked = private(tmp_path / "marked", ENCODINGS[encoding]("Größe im Wald\r\nsecond line\r\n"))
    assert kojikey("store", "init", "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=plain).code == 0
    key = kojikey.key()
    added = kojikey("add", "elevenlabs", "--no-test", "--stdin", stdin=key.key, KOJIKEY_PASSPHRASE_FILE=marked)
    assert added.code == 0, added.said


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_config_file_with_a_byte_order_mark_is_read_and_added_to(
    kojikey: Program, tmp_path: Path, encoding: str
) -> None:
    kojikey.home.mkdir(mode=0o700)
    private(kojikey.home / "config.toml", ENCODINGS[encoding]('account = "acme"\r\n'))
    url = f"sqlite://{tmp_path / 'team.db'}"
    assert kojikey("store", "init", url, "--name", "team").code == 0
    assert kojikey("list", "--store", "team", "--json").results[0]["account"] == "acme"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_kek_file_with_a_byte_order_mark_is_read(kojikey: Program, tmp_path: Path, encoding: str) -> None:
    path = private(tmp_path / "kek", ENCODINGS[encoding](KEK + "\n"))
    kojikey.added()
    assert kojikey("store", "rekey", "--kek", f"file:{path}").code == 0
    assert kojikey("get", "elevenlabs", "--reveal", KOJIKEY_KEK=None).out == kojikey.key().key


def test_a_batch_with_a_byte_order_mark_is_read(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    key = kojikey.key("elevenlabs", "ok_2")
    line = f'{{"account": "default", "provider": "elevenlabs", "key": "{key.key}"}}\n'
    assert kojikey("rotate", "--batch", private(tmp_path / "batch", codecs.BOM_UTF8 + line.encode())).code == 0


def test_bytes_that_are_not_text_are_not_decoded() -> None:
    assert decoded(b"caf\xe9") is None
    assert decoded(codecs.BOM_UTF16_LE + b"x") is None
    assert decoded(b"") == ""


# empty values


def test_an_empty_variable_is_named_with_why_ci_leaves_it_empty(kojikey: Program) -> None:
    ended = kojikey("add", "google_gemini", "--from-env", "GEMINI_API_KEY", "--json", GEMINI_API_KEY="")
    assert ended.code == 2
    assert "the variable GEMINI_API_KEY is empty" in ended.error["message"]
    assert "forks and bots get no secrets" in ended.error["hint"]


def test_an_empty_file_and_an_empty_pipe_are_named(kojikey: Program, tmp_path: Path) -> None:
    path = private(tmp_path / "no key", b" \n")
    assert f"the file {path} is empty" in kojikey("add", "elevenlabs", "--from-file", path).err
    assert "standard input is empty" in kojikey("add", "elevenlabs", "--stdin").err


# spans


@pytest.mark.parametrize(
    ("option", "value"),
    [("--expires", "12m"), ("--rotate-after", "12m"), ("--expires", "90s"), ("--rotate-after", "m")],
)
def test_a_span_in_minutes_or_seconds_is_refused_and_changes_nothing(kojikey: Program, option: str, value: str) -> None:
    ended = kojikey.add("elevenlabs", "ok", option, value)
    assert (ended.code, kojikey.home.exists()) == (2, False)
    assert ("minutes or months" in ended.err) == (value == "12m")


def test_max_age_refuses_minutes_and_tested_within_takes_them(kojikey: Program) -> None:
    kojikey.added()
    check = ("check", "--require", "elevenlabs")
    refused = kojikey(*check, "--max-age", "12m")
    assert (refused.code, "minutes or months" in refused.err) == (2, True)
    assert kojikey(*check, "--tested-within", "30m").code == 0
    assert kojikey("audit", "--since", "90s").code == 0
    assert kojikey("test", "--not-tested-since", "30m").code == 0


def test_a_span_is_printed_as_the_date_that_it_means(kojikey: Program) -> None:
    ended = kojikey.add("elevenlabs", "ok", "--expires", "2w", "--rotate-after", "1y")
    assert ended.code == 0, ended.said
    row = kojikey.listed()
    assert (row["rotate_after_days"], row["expires_at"][:10] in ended.err) == (365, True)
    assert "the next rotation is due on 20" in ended.err
    assert "a key created before 20" in kojikey("check", "--require", "elevenlabs", "--max-age", "90d").err


# a KEK in base64


def test_a_kek_is_read_in_both_alphabets(kojikey: Program) -> None:
    raw = bytes(range(224, 256))
    standard, url = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert standard != url
    key = kojikey.key()
    added = kojikey("add", "elevenlabs", "--no-test", "--stdin", stdin=key.key, KOJIKEY_KEK=standard)
    assert added.code == 0, added.said
    assert kojikey("get", "elevenlabs", "--reveal", KOJIKEY_KEK=url).out == key.key


# where files are


@pytest.mark.parametrize("home", [None, ""], ids=["unset", "empty"])
@pytest.mark.parametrize("what", ["list", "resolve"])
def test_without_any_home_folder_kojikey_home_has_to_be_set(kojikey: Program, home: str | None, what: str) -> None:
    # A uid without passwd entry: pwd is made to know nobody, as in a container that runs as any number.
    call = (
        "from kojikey.__main__ import main; main()"
        if what == "list"
        else "import kojikey; from kojikey.model.errors import KojikeyError\ntry: kojikey.resolve('elevenlabs')\n"
        "except KojikeyError as e: print(e, e.hint, file=sys.stderr); sys.exit(2)"
    )
    script = f"import pwd, sys\ndef nobody(*_): raise KeyError\npwd.getpwuid = nobody\nsys.argv[1:] = ['list']\n{call}"
    environ = kojikey.with_environ({"KOJIKEY_HOME": None, "HOME": home})
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "set KOJIKEY_HOME" in ended.stderr
    assert "bug" not in ended.stderr


def test_a_tilde_that_no_shell_expanded_is_the_home_folder(kojikey: Program, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    key = kojikey.key()
    added = kojikey("add", "elevenlabs", "--no-test", "--stdin", stdin=key.key, KOJIKEY_HOME="~/own", **home)
    assert added.code == 0, added.said
    assert (tmp_path / "own" / "keys.db").is_file()
    made = kojikey("store", "init", "sqlite:///~/x.db", "--kek", "file:~/kek", **home)
    assert made.code == 0, made.said
    assert (tmp_path / "x.db").is_file()
    assert (tmp_path / "kek").is_file()
    again = kojikey("store", "init", "sqlite:///~/x.db", "--kek", "file:~/kek", **home)
    assert (again.code, "exists already" in again.out) == (0, True)


def test_a_tilde_with_an_unknown_user_is_refused(kojikey: Program) -> None:
    for environ in ({"KOJIKEY_HOME": "~no-such-user/x"}, {"KOJIKEY_STORE": "sqlite:///~no-such-user/x.db"}):
        ended = kojikey("list", **environ)
        assert (ended.code, "no such home folder" in ended.err) == (2, True)


# mounted secrets


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every file system tell that it is read-only, as a mounted secret's does."""
    real = os.fstatvfs

    class Told:
        def __init__(self, descriptor: int) -> None:
            self.f_flag = real(descriptor).f_flag | os.ST_RDONLY

    monkeypatch.setattr(os, "fstatvfs", Told)


@pytest.mark.usefixtures("read_only")
def test_a_kek_file_that_others_read_is_used_on_a_read_only_file_system(kojikey: Program, tmp_path: Path) -> None:
    path = tmp_path / "kek"
    private(path, KEK.encode())
    path.chmod(0o444)
    made = kojikey("store", "init", "--kek", f"file:{path}", KOJIKEY_KEK=None)
    assert (made.code, "read-only" in made.err, "chmod" in made.err) == (0, True, False)
    assert "others on this machine too" in kojikey("store", "info").out


def test_a_kek_file_that_others_read_is_refused_elsewhere(kojikey: Program, tmp_path: Path) -> None:
    path = tmp_path / "kek"
    private(path, KEK.encode())
    path.chmod(0o444)
    made = kojikey("store", "init", "--kek", f"file:{path}", KOJIKEY_KEK=None)
    assert (made.code, f"chmod 600 {path}" in made.err) == (8, True)


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("what", ["KEK file", "passphrase file"])
def test_a_file_that_others_can_write_is_refused_everywhere(
    kojikey: Program, tmp_path: Path, what: str, mode: int
) -> None:
    path = tmp_path / "secret"
    private(path, KEK.encode())
    path.chmod(mode)
    source, environ = (
        (f"file:{path}", {}) if what == "KEK file" else ("passphrase", {"KOJIKEY_PASSPHRASE_FILE": str(path)})
    )
    made = kojikey("store", "init", "--kek", source, KOJIKEY_KEK=None, **environ)
    assert (made.code, f"others can write to the {what}" in made.err) == (8, True)


# accounts


@pytest.mark.parametrize("name", ["anna@example.org", "a+b@c.d", "x" * 128, "0", "a_b-c.d"])
def test_an_e_mail_address_can_be_an_account(kojikey: Program, name: str) -> None:
    added = kojikey.add("elevenlabs", "ok", "--account", name)
    assert (added.code, f"the new account {name}" in added.out) == (0, True)
    assert kojikey("get", "elevenlabs", "--account", name, "--reveal").out == kojikey.key().key
    assert [row["account"] for row in kojikey("account", "list", "--json").results] == [name]


@each("name", ["", "x" * 129, "-a", ".a", "@a", "a b", "a/b", "ä", "a\n"])
def test_a_malformed_account_is_refused(name: str) -> None:
    with pytest.raises(BadAccount):
        checked_account(name)


def test_an_account_with_capitals_is_refused_and_the_hint_has_small_letters(kojikey: Program) -> None:
    ended = kojikey("list", "--account", "Anna.Berger@Example.org", "--json")
    assert (ended.code, ended.error["hint"]) == (2, "did you mean anna.berger@example.org?")


@pytest.mark.parametrize("name", ["Qz7Xw3Kp9Vn5Ht1Rb8Yd4Lf6Gs2Jm0", "AbcdefghijklmnopqrstuvwxyZ", "AB C"])
def test_an_account_name_that_may_be_a_key_is_not_repeated(name: str) -> None:
    with pytest.raises(BadAccount) as caught:
        checked_account(name)
    assert name.lower() not in str(caught.value.hint).lower()


def test_only_the_first_key_of_an_account_says_that_it_is_new(kojikey: Program) -> None:
    assert "the new account acme" in kojikey.add("elevenlabs", "ok", "--account", "acme").out
    assert "new account" not in kojikey.add("google_gemini", "ok", "--account", "acme").out


# which key


@pytest.mark.parametrize("command", ["rotate", "remove", "history", "get"])
def test_without_a_provider_the_keys_are_offered_by_number(kojikey: Program, command: str) -> None:
    kojikey.added()
    kojikey.added("google_gemini")
    new = kojikey.key("google_gemini", "ok_2").key
    more = {"get": ["--reveal"], "rotate": ["--no-test"]}.get(command, [])
    with on_a_terminal(kojikey, command, *more) as child:
        child.expect(r"1 +elevenlabs +••••••••")
        child.expect(r"2 +google_gemini +••••••••")
        child.expect_exact("Which key of account default? [1-2] ")
        child.sendline("3")
        child.expect_exact("that is not one of them")
        child.expect_exact("[1-2] ")
        child.sendline("2")
        if command == "rotate":
            type_key(child, "key (hidden): ", new)
        if command == "remove":
            child.expect_exact("[y/N] ")
            child.sendline("y")
        code, text = end(child)
    assert code == 0
    assert {"rotate": "version 2", "remove": "removed", "history": "current", "get": "AQ."}[command] in text


@pytest.mark.parametrize("command", ["rotate", "remove", "history", "get"])
def test_without_a_provider_and_without_a_terminal_one_has_to_be_named(kojikey: Program, command: str) -> None:
    kojikey.added()
    more = ["--reveal"] if command == "get" else []
    ended = kojikey(command, *more, "--json")
    assert (ended.code, ended.error["hint"]) == (2, " ".join(["kojikey", command, "PROVIDER", *more]))


def test_an_account_without_keys_offers_nothing(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "remove", "--account", "acme") as child:
        code, text = end(child)
    assert (code, "no key" in text, "kojikey add PROVIDER --account acme" in text) == (5, True, True)


def test_a_key_typed_at_the_question_for_a_provider_is_reported_and_not_used(kojikey: Program) -> None:
    key = kojikey.key()
    with on_a_terminal(kojikey, "add", "--no-test", columns=200) as child:
        child.expect_exact("Which provider? [1-")
        child.sendline(key.key)
        child.expect_exact("that looks like a key")
        child.expect_exact("Which provider? [1-")
        child.sendline("elevenlabs")
        child.expect_exact("https://elevenlabs.io/app/settings/api-keys")
        child.expect_exact("ElevenLabs key (hidden): ")
        assert hides(child)
        child.sendline(key.key)
        assert end(child)[0] == 0


def test_remove_asks_with_the_masked_key_its_age_and_its_last_test(kojikey: Program) -> None:
    key = kojikey.added()
    with on_a_terminal(kojikey, "remove", "elevenlabs", columns=200) as child:
        child.expect_exact(f"••••••••{key.key[-4:]}, 0 days old, last tested 20")
        child.expect_exact(": valid)? [y/N] ")
        child.sendline("n")
        _, text = end(child)
    assert pieces_in(key.key, text) == []
