"""Pasted, mistyped and piped input: nothing is sent or changed, and no traceback and no key is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from unittest import mock

import pytest

from kojikey import resolve
from kojikey.model.errors import UnknownProvider
from support.exhaustive import exhaustive
from support.program import Ended, Program, pieces_in

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"
GEMINI = "AQ.Qz7Xw3Kp9Vn5Ht1Rb8Yd4Lf6Gs2Jm0CeTuWaIo3NxBvPq"


def add(kojikey: Program, text: str | bytes, *more: str) -> Ended:
    return kojikey("add", "elevenlabs", "--stdin", "--base-url", kojikey.key().base_url, "--json", *more, stdin=text)


# key hygiene


@pytest.mark.parametrize("around", ["{}\n\n", "{} \r\n", "  {}", "{}\t", "\n\n{}\n\n", "\u00a0{}\u3000"])
def test_white_space_around_a_key_is_removed_with_a_message(kojikey: Program, around: str) -> None:
    key = kojikey.key()
    ended = add(kojikey, around.format(key.key))
    assert ended.code == 0, ended.said
    assert "removed" in ended.err
    assert kojikey("get", "elevenlabs", "--reveal").out == key.key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        (f'"{KEY}"', "quotes"),
        (f"'{KEY}'", "quotes"),
        (f"`{KEY}`", "quotes"),
        (f"“{KEY}”", "quotes"),
        (f"Bearer {KEY}", "Bearer"),
        (f"bearer {KEY}", "Bearer"),
        (f"ELEVENLABS_API_KEY={KEY}", "NAME=value"),
        (f"export ELEVENLABS_API_KEY={KEY}", "NAME=value"),
        (f"xi-api-key: {KEY}", "header"),
        (f"{KEY[:20]} {KEY[20:]}", "white space"),
        (f"{KEY[:20]}\n{KEY[20:]}", "white space"),
        (f"{KEY[:20]}\0{KEY[20:]}", "control"),
        (f"{KEY[:20]}\x1b[31m{KEY[20:]}", "control"),
        (f"{KEY[:20]}\u200b{KEY[20:]}", "invisible"),
        (f"{KEY[:20]}\u202e{KEY[20:]}", "invisible"),
        (f"{KEY[:20]}é{KEY[20:]}", "ASCII"),
        (f"ѕк_{KEY[3:]}", "ASCII"),
        (f'{{"key": "{KEY}"}}', "JSON"),
        (f"https://api.elevenlabs.io/?key={KEY}", "URL"),
        ("••••••••9d36", "masked"),
        (KEY * 100, "longer than"),
        (GEMINI, "Google"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_malformed_key_is_refused_with_the_reason_and_not_repeated(kojikey: Program, text: str, reason: str) -> None:
    ended = add(kojikey, text)
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert reason in ended.error["message"]
    assert pieces_in(KEY, ended.said) == pieces_in(GEMINI, ended.said) == []
    assert kojikey.sandbox.requests == ()
    assert not kojikey.home.exists()


def test_a_key_of_another_provider_names_it_and_can_be_forced(kojikey: Program) -> None:
    ended = add(kojikey, GEMINI)
    assert ("Google" in ended.error["message"], "--force-shape" in ended.error["hint"]) == (True, True)
    assert add(kojikey, GEMINI, "--force-shape", "--no-test").code == 0


def test_an_unknown_shape_is_a_warning_and_never_a_refusal(kojikey: Program) -> None:
    ended = add(kojikey, "some-new-format-of-2031-abcdefghijkl", "--no-test")
    assert (ended.code, "warning" in ended.err) == (0, True)


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\xfd" * 20, b"\0" * 64, b"\x80" + KEY.encode()], ids=["binary", "zeros", "mixed"]
)
def test_bytes_that_are_not_text_are_refused(kojikey: Program, data: bytes) -> None:
    ended = add(kojikey, data)
    assert (ended.code, pieces_in(KEY, ended.said)) == (2, [])


def test_a_megabyte_is_refused_without_being_read_whole(kojikey: Program) -> None:
    path = kojikey.home.parent / "big"
    path.write_bytes(b"x" * (1 << 20))
    for ended in (add(kojikey, b"x" * (1 << 20)), kojikey("add", "elevenlabs", "--from-file", str(path), "--json")):
        assert (ended.code, "bytes" in ended.error["message"]) == (2, True)


@pytest.mark.parametrize("path", ["/dev/null", "/", "/there/is/none", "", "a\0b", "\udcff"], ids=ascii)
def test_a_file_that_holds_no_key_is_refused(kojikey: Program, path: str) -> None:
    ended = kojikey("add", "elevenlabs", "--from-file", path, "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")


def test_a_key_comes_through_a_pipe_that_the_shell_made(kojikey: Program) -> None:
    key = kojikey.key()
    ended = kojikey.shell(f"kojikey add elevenlabs --no-test --from-file <(printf %s '{key.key}')")
    assert ended.code == 0, ended.said


def test_a_key_in_a_variable_that_is_not_text_is_refused(kojikey: Program) -> None:
    ended = kojikey.shell("NEW=$'sk_\\xff\\xfe' kojikey add elevenlabs --from-env NEW --json")
    assert (ended.code, ended.error["code"]) == (2, "usage")


# a key on the command line


@pytest.mark.parametrize(
    "key", [KEY, GEMINI, "AIzaSy" + "D4x9Kq2Lm7Wp" * 3 + "abcd"[:3], "0f9c" * 8], ids=lambda key: key[:4]
)
@pytest.mark.parametrize(
    "words",
    [
        ["add", "elevenlabs", "{}"], ["add", "{}"], ["{}"], ["add", "elevenlabs", "--key={}"],
        ["add", "elevenlabs", "--key", "{}"], ["add", "elevenlabs", "-k{}"], ["add", "elevenlabs", "--stdin={}"],
        ["add", "elevenlabs", "--from-env", "{}"], ["add", "elevenlabs", "--from-file", "{}"],
        ["add", "elevenlabs", "--label", "{}"], ["add", "elevenlabs", "--{}"], ["add", "elevenlabs", "API_KEY={}"],
        ["test", "elevenlabs", "{}"], ["rotate", "elevenlabs", "{}"], ["get", "{}", "--reveal"],
        ["list", "-a", "{}"], ["list", "--store", "{}"], ["list", "{}"], ["history", "{}"], ["remove", "{}", "--yes"],
        ["run", "-p", "{}", "--", "true"], ["run", "--env", "X={}", "--", "true"], ["store", "init", "{}"],
        ["store", "{}"], ["help", "{}"], ["providers", "{}"], ["audit", "--provider", "{}"],
        ["account", "remove", "{}"], ["sandbox", "--port", "{}"], ["test", "--timeout", "{}"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["", "json"])
def test_a_key_as_an_argument_is_refused_not_repeated_and_the_hint_is_to_revoke_it(
    kojikey: Program, words: list[str], key: str, more: list[str]
) -> None:
    tokens = [word.format(key) for word in words]
    tokens[-2:-2] = more if "--" in tokens else []
    ended = kojikey(*tokens, *([] if "--" in tokens else more))
    assert ended.code == 2
    assert pieces_in(key, ended.said) == []
    assert "revoke" in ended.err
    if more:
        assert "revoke" in ended.error["hint"]
    assert not kojikey.home.exists()


@pytest.mark.parametrize("key", ["AIzaSy" + "D4x9Kq2Lm7Wp" * 3 + "=", "0f9c" * 8 + "==", "API_KEY=" + "0f9c" * 8 + "="])
@pytest.mark.parametrize(
    "words", [["add", "elevenlabs", "{}"], ["add", "--nope", "{}"], ["store", "{}"], ["run", "-x", "{}", "--", "true"]],
    ids=" ".join,
)  # fmt: skip
def test_a_key_as_an_argument_that_ends_in_an_equals_sign_is_refused_too(
    kojikey: Program, words: list[str], key: str
) -> None:
    ended = kojikey(*(word.format(key) for word in words))
    assert (ended.code, "revoke" in ended.err) == (2, True)
    assert pieces_in(key, ended.said) == []


# streams


def nothing(_: Program) -> None:
    """Leave everything as it is."""


@pytest.mark.parametrize("closed", [exhaustive("<&-"), ">&-", exhaustive("2>&-"), "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("list", 0), ("list --json", 0), ("test", 0), ("doctor", 0), ("get elevenlabs --reveal", 0), ("--version", 0),
        ("--help", 0), ("list --nonsense", 2), ("add google_gemini --stdin", 2), ("remove elevenlabs", 2),
        ("run -q -- true", 0), ("run -q -- none-such", 127),
    ],
)  # fmt: skip
def test_a_closed_stream_causes_no_traceback(kojikey: Program, words: str, code: int, closed: str) -> None:
    kojikey.added()
    ended = kojikey.shell(f"kojikey {words} {closed}")
    for pain in ("Traceback", "Exception ignored", "a bug in"):
        assert pain not in ended.said
    lost = ">&-" in closed.split() and code == 0 and not words.startswith("run")
    assert ended.code == (7 if lost else code), ended.said


def test_a_program_finds_the_streams_closed_as_they_were(kojikey: Program) -> None:
    kojikey.added()
    look = "import os, sys; sys.stderr.write(str([n for n in (0, 1) if os.path.exists(f'/proc/self/fd/{n}')]))"
    ended = kojikey.shell(f'kojikey run -q -- "$PYTHON" -c "{look}" <&- >&-', PYTHON=sys.executable)
    assert ended.err == "[]"


@pytest.mark.parametrize("words", ["list --all-accounts", "list --json", "--help", "providers", "audit --json"])
def test_a_closed_pipe_is_not_an_error(kojikey: Program, words: str) -> None:
    kojikey.added()
    ended = kojikey.shell(f'kojikey {words} | head -c 1 >/dev/null; echo "${{PIPESTATUS[0]}}"')
    assert ended.out.strip() in ("0", "141")
    gone = kojikey.shell(f'kojikey {words} | true; echo "${{PIPESTATUS[0]}}"')
    assert gone.out.strip() in ("0", "141")
    for words_of_pain in ("Traceback", "BrokenPipe", "Broken pipe", "a bug in"):
        assert words_of_pain not in ended.err + gone.err


@pytest.mark.parametrize(
    ("reason", "words", "code"),
    [
        ("ok_2", "rotate elevenlabs --stdin", 0),
        ("missing_permission", "rotate elevenlabs --stdin", 3),
        ("redirected", "rotate elevenlabs --stdin --json", 4),
        ("invalid_key", "test elevenlabs --stdin --base-url $URL", 3),
        ("ok", "check --require google_gemini", 3),
    ],
)
def test_the_exit_code_does_not_depend_on_whether_the_output_is_read(
    kojikey: Program, reason: str, words: str, code: int
) -> None:
    kojikey.added()
    key = kojikey.key("elevenlabs", reason)
    # Nobody reads from the beginning on: the pipe's other end is closed before kojikey starts.
    script = f"exec 3> >(exec true); wait $!; kojikey {words} <<<$KEY >&3"
    ended = kojikey.shell(script, KEY=key.key, URL=key.base_url)
    assert (ended.code, "Broken" in ended.err, "Traceback" in ended.err) == (code, False, False), ended.said


@pytest.mark.parametrize(
    "words",
    # the last two are larger than the buffer of a file (4 KB), and than that of a text (8 KB)
    ["list", "list --json", "--help", "--version", "audit --json", "help rotate", "completion bash"],
)
def test_a_full_disk_under_stdout_is_reported(kojikey: Program, words: str) -> None:
    kojikey.added()
    ended = kojikey.shell(f"kojikey {words} > /dev/full")
    assert (ended.code, "Traceback" in ended.err, "Exception ignored" in ended.err) == (7, False, False)
    assert "standard output cannot be written (No space left on device)" in ended.err
    assert ended.err.count("cannot be written") == 1


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", ["doctor", "set elevenlabs --label new", "get elevenlabs --reveal"])
def test_standard_output_that_cannot_be_written_is_named_and_doctor_is_not_suggested(
    kojikey: Program, words: str, where: str
) -> None:
    kojikey.added()
    ended = kojikey.shell(f"kojikey {words} {where}")
    assert ended.code == 7
    assert "standard output cannot be written" in ended.err
    assert "what the command did before that is not undone" in ended.err
    assert "kojikey doctor" not in ended.err


@pytest.mark.parametrize("words", ["--version", "-V", "list --json", "help exit-codes"])
def test_unbuffered_output_fails_in_the_same_way(kojikey: Program, words: str) -> None:
    full = kojikey.shell(f"kojikey {words} > /dev/full", PYTHONUNBUFFERED="1")
    assert (full.code, "Traceback" in full.err) == (7, False), full.said
    assert full.err.startswith("kojikey: standard output cannot be written (No space left on device)")
    gone = kojikey.shell(f"exec 3> >(exec true); wait $!; kojikey {words} >&3", PYTHONUNBUFFERED="1")
    assert (gone.code, gone.err) == (0, "")


# words that are not text


@pytest.mark.parametrize(
    "word", ["\udcff\udcfe", "a\0b", "\x1b[31mred", "x" * 100_000, "‮", "%s{0}", "[bold]x"], ids=lambda w: ascii(w)[:12]
)
@pytest.mark.parametrize(
    "words",
    [["list", "{}"], ["get", "{}", "--reveal"], ["list", "-a", "{}"], ["list", "-s", "{}"], ["{}"], ["--{}"],
     ["add", "elevenlabs", "--from-env", "{}"], ["help", "{}"], ["rotate", "{}"], ["audit", "--provider", "{}"],
     ["store", "init", "{}", "--kek", "env"], ["store", "init", "--kek", "{}"], ["history", "{}"], ["providers", "{}"]],
    ids=" ".join,
)  # fmt: skip
def test_odd_words_are_a_usage_error_and_are_printed_without_control_characters(
    kojikey: Program, words: list[str], word: str
) -> None:
    ended = kojikey(*(part.replace("{}", word) for part in words))
    assert ended.code in (0, 2, 5), ended.said
    assert "a bug in" not in ended.said
    assert "\x1b" not in ended.said
    assert "\u202e" not in ended.said
    assert len(ended.said) < 2000


@pytest.mark.parametrize(
    "words",
    ["providers X", "list X", "test X", "add X --stdin", "rotate X", "remove X --yes", "history X", "get X --reveal",
     "set X --label a", "export X --reveal", "check --require X", "run -p X --dry-run", "run --env A=X --dry-run"],
)  # fmt: skip
def test_a_provider_that_is_no_text_is_unknown_where_there_is_a_store(kojikey: Program, words: str) -> None:
    kojikey.added()
    ended = kojikey(*words.replace("X", "n\udcff").split(), "--json")
    assert ended.code == 2, ended.said
    assert ended.error["message"].startswith("there is no provider of that name")
    with mock.patch.dict(os.environ, kojikey.environ, clear=True), pytest.raises(UnknownProvider):
        resolve("n\udcff\0")


def test_environment_variables_that_are_not_text_cause_no_traceback(kojikey: Program) -> None:
    kojikey.added()
    for name in ("KOJIKEY_ACCOUNT", "KOJIKEY_STORE", "KOJIKEY_KEK", "TERM", "NO_COLOR", "COLUMNS", "KOJIKEY_NO_INPUT"):
        ended = kojikey.shell(f"export {name}=$'\\xff\\xfe'; kojikey test --json")
        assert "a bug in" not in ended.said, name
        assert ended.code in (0, 2, 5, 8), ended.said
        assert ended.document["exit_code"] == ended.code


# a bug


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes listing raise an error that nobody foresaw."""

    def spoil() -> None:
        def fail(*_: object, **__: object) -> None:
            key = KEY
            raise RuntimeError(f"holding {key}")

        monkeypatch.setattr("kojikey.operations.listing.list_keys", fail)

    return spoil


def test_a_bug_is_reported_by_its_place_and_exits_1(kojikey: Program, broken: Callable[[], None]) -> None:
    broken()
    ended = kojikey("list", "--json")
    assert (ended.code, ended.error["code"]) == (1, "internal")
    assert "RuntimeError at test_cli_hostile.py" in ended.error["message"]
    assert "https://" in ended.error["hint"]
    assert pieces_in(KEY, ended.said) == []
    assert "Traceback" not in ended.said


def test_a_file_that_cannot_be_read_is_reported(kojikey: Program) -> None:
    kojikey.added()
    path = kojikey.home / "keys.db"
    path.unlink()
    os.mkfifo(path, 0o600)
    ended = kojikey("list", "--json")
    assert (ended.code, ended.error["code"]) == (7, "store_unavailable")


@pytest.mark.parametrize("words", ["scan", "list", "store init --kek file:kek"])
def test_a_working_directory_that_was_removed_is_named(kojikey: Program, words: str) -> None:
    kojikey.added()
    gone = kojikey.home / "gone"
    ended = kojikey.shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; KOJIKEY_HOME=here kojikey {words}")
    assert (ended.code, ended.err) == (7, "kojikey: the working directory was removed\n  cd to a folder that exists\n")
