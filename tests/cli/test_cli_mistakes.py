"""A command line that is wrong is answered with the command that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojikey.stores.base import Stored
from support.program import Program
from support.pseudo_terminal import printed_on_a_terminal

ACME = ("--account", "acme")

WRONG = [
    ("test --concurrency 0", "--concurrency 16 is the default"),
    ("test --rate 0", "--rate 5 for five per second"),
    ("test --timeout 0", "--timeout 10 is the default"),
    ("test --shard 5/4", "--shard 1/4 is the first of four parts"),
    ("test --jsonl --json", "--jsonl for one that reads each result as it arrives"),
    ("test --all elevenlabs", "kojikey test --all, or kojikey test PROVIDER"),
    ("test --fail-on nothing", "kojikey test --fail-on limited"),
    ("list --sort size", "kojikey list --sort age"),
    ("list --sort", "kojikey list --sort age"),
    ("export --reveal --format toml", "kojikey export --reveal --format dotenv"),
    ("test --all-accounts -a acme", "kojikey test --all-accounts"),
    ("list --all-accounts -a acme", "kojikey list --all-accounts"),
    ("rotate --batch nowhere.jsonl", "kojikey rotate --batch FILE"),
    ("rotate --batch - elevenlabs", "kojikey rotate --batch FILE"),
    ("rotate elevenlabs --resume --abort", "kojikey rotate elevenlabs --resume"),
    ("rotate elevenlabs --resume --stdin", "kojikey rotate elevenlabs --resume"),
    ("rotate elevenlabs --force", "kojikey rotate elevenlabs --retire --force"),
    ("account remove default --confirm other", "kojikey account remove default --confirm default"),
    ("run --env x -- true", "kojikey run --env MY_KEY=google_gemini -- CMD"),
    ("sandbox --port 99999", "kojikey sandbox"),
    ("audit --verify --since 7d", "kojikey audit --verify"),
]


@pytest.mark.parametrize(("words", "hint"), WRONG)
def test_for_a_mistake_in_an_option_the_right_command_is_suggested(kojikey: Program, words: str, hint: str) -> None:
    kojikey.added()
    ended = kojikey(*words.split())
    assert ended.code == 2
    assert hint in ended.err
    assert "kojikey --help" not in ended.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("-- list", "try: kojikey list"),
        ("-- run -- true", "try: kojikey run -- true"),
        ("account -- list --json", "try: kojikey account list --json"),
        ("-a x -- list", "try: kojikey list -a x"),
        ("--", "try: kojikey --help"),
        ("- list", "did you mean kojikey list?"),
        ("LIST", "did you mean kojikey list?"),
        ("config show", "did you mean kojikey config get?"),
    ],
)
def test_options_before_a_command_are_refused_with_the_right_order(kojikey: Program, words: str, hint: str) -> None:
    ended = kojikey(*words.split())
    assert (ended.code, ended.err.splitlines()[-1].strip()) == (2, hint)
    assert ("--json" in words) == ended.out.startswith("{")


def test_only_a_hint_that_can_be_typed_as_a_whole_line_begins_with_try(kojikey: Program) -> None:
    assert "\n  try: kojikey add elevenlabs\n" in kojikey("get", "elevenlabs", "--reveal").err
    assert "\n  kojikey providers lists them: elevenlabs, " in kojikey("list", "nowhere").err


def test_for_a_slip_in_a_provider_only_the_near_one_is_suggested(kojikey: Program) -> None:
    for typed in ("opena", "OpenAI"):
        hint = kojikey("add", typed, "--json").error["hint"]
        assert hint == "did you mean openai? kojikey providers lists them"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("version", "did you mean kojikey --version?"),
        ("-v", "try: kojikey --version"),
        ("help ls", "did you mean kojikey help list?"),
        ("help store ls", "did you mean kojikey help store list?"),
        ("help version", "kojikey help exit-codes, or kojikey help COMMAND"),
        ("help nonsense", "kojikey help exit-codes, or kojikey help COMMAND"),
    ],
)
def test_the_version_and_a_topic_of_help_are_found_by_a_slip_too(kojikey: Program, words: str, hint: str) -> None:
    ended = kojikey(*words.split())
    assert (ended.code, ended.err.splitlines()[-1].strip()) == (2, hint)


@pytest.mark.parametrize("columns", [30, 50, 66, 80])
def test_no_command_of_a_hint_is_broken_over_lines(kojikey: Program, columns: int) -> None:
    kojikey.added()
    _, text = printed_on_a_terminal(kojikey, "add", "elevenlabs", "--from-env", "HOME", columns=columns)
    for command in ("kojikey rotate elevenlabs", "kojikey add elevenlabs --account NAME"):
        assert command in text, text


def test_a_command_to_copy_is_not_broken_over_lines(kojikey: Program) -> None:
    account = "an-account-with-a-long-name@example.org"
    code, text = printed_on_a_terminal(kojikey, "get", "google_gemini", "--reveal", "-a", account, columns=40)
    assert (code, f"\n  try: kojikey add google_gemini --account {account}\n" in text) == (5, True), text


def test_version_with_other_words_is_refused_with_the_right_command(kojikey: Program) -> None:
    for words in (["--version", "--json"], ["list", "--version"], ["-V", "list"]):
        ended = kojikey(*words)
        assert (ended.code, "stands alone" in ended.err, "kojikey --version" in ended.err) == (2, True, True), (
            ended.said
        )


@pytest.mark.parametrize("words", [["list", "--help", "--json"], ["store", "init", "--json", "-h"]])
def test_help_with_json_is_one_document_too(kojikey: Program, words: list[str]) -> None:
    ended = kojikey(*words)
    topic = " ".join(word for word in words if not word.startswith("-"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.document == kojikey("help", *topic.split(), "--json").document
    assert ended.result["text"].startswith(f"Usage: kojikey {topic} ")


def test_the_hint_about_a_key_of_another_provider_is_the_same_command_there(kojikey: Program) -> None:
    key = kojikey.key("openai").key
    hint = kojikey("test", "elevenlabs", "--stdin", "--json", stdin=key).error["hint"]
    assert hint.startswith("kojikey test openai --stdin takes it there")
    hint = kojikey("add", "elevenlabs", "--stdin", "--json", stdin=key).error["hint"]
    assert hint.startswith("kojikey add openai takes it there")


def test_a_mistake_without_its_own_hint_suggests_the_help_of_the_command(kojikey: Program) -> None:
    assert kojikey("add", "elevenlabs", "--nonsense", "--json").error["hint"] == "kojikey add --help"


@pytest.mark.parametrize(
    ("words", "environ", "hint"),
    [
        ("add mistral --from-env LONG", {"LONG": "a" * 70_000}, "copy only the key"),
        ("scan - --git", {}, "kojikey scan - searches it alone"),
        ("list", {"KOJIKEY_HOME": "~nobody-of-this-name/x"}, "write the whole path"),
        ("list", {"KOJIKEY_ACCOUNT": f"sk_{'0a' * 24}"}, "unset KOJIKEY_ACCOUNT, or set it to a name"),
    ],
)
def test_a_wrong_value_from_elsewhere_has_a_hint_of_its_own_and_not_the_help_of_the_command(
    kojikey: Program, words: str, environ: dict[str, str], hint: str
) -> None:
    assert kojikey(*words.split(), "--json", **environ).error["hint"] == hint


@pytest.mark.parametrize("text", [b"\xff\xfa", b"a" * 70_000], ids=["not text", "too long"])
def test_standard_input_that_is_no_key_has_a_hint_of_its_own(kojikey: Program, text: bytes) -> None:
    ended = kojikey("add", "mistral", "--stdin", "--json", stdin=text)
    assert ended.error["hint"] == "give only the key, as plain text"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("add elevenlabs --timeout long", "kojikey add --timeout SECONDS"),
        ("test --concurrency many", "kojikey test --concurrency N"),
        ("list --account", "kojikey list --account NAME"),
        ("add elevenlabs --expires", "kojikey add --expires DATE"),
        ("list --all-accounts=1", "kojikey list --all-accounts"),
        ("store use", "kojikey store use NAME"),
        ("config set", "kojikey config set NAME VALUE"),
        ("add elevenlabs --concurrency 4", "kojikey add --batch FILE --concurrency N"),
        ("add elevenlabs --jsonl", "kojikey add --batch FILE --jsonl"),
        ("rotate elevenlabs --rate 4", "kojikey rotate --batch FILE --rate R"),
        ("completion", "kojikey completion SHELL"),
    ],
)
def test_a_missing_or_malformed_value_is_shown_in_the_suggested_command(
    kojikey: Program, words: str, hint: str
) -> None:
    ended = kojikey(*words.split())
    assert ended.code == 2
    assert ended.err.endswith(f"  try: {hint}\n")


@pytest.mark.parametrize("words", [("store", "init"), ("list", "--store")], ids=" ".join)
def test_a_store_that_was_named_by_its_file_is_suggested_by_its_url(
    kojikey: Program, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "is it 100%?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    ended = kojikey(*words, "some/place/x.db", "--json")
    url = f"sqlite://{tmp_path}/is it 100%25%3F/some/place/x.db"
    assert (ended.code, ended.error["hint"]) == (5, f"a file is named by its URL: {url}")
    assert "sqlite" not in kojikey(*words, "team", "--json").error["hint"]


def test_the_hint_about_a_missing_store_creates_it_by_the_url_that_was_typed(
    kojikey: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kojikey.model.errors import StoreNotFound
    from kojikey.stores import registry
    from kojikey.stores.memory import MemoryStore

    class Elsewhere(MemoryStore):
        place = "somewhere else"

        def _open(self) -> Stored:
            raise StoreNotFound(self.place)

    monkeypatch.setattr(registry, "_from_other_package", lambda _: lambda _: Elsewhere())
    ended = kojikey("list", "--store", "other://box/1", "--json")
    assert (ended.code, ended.error["hint"]) == (5, "kojikey store init other://box/1 --kek SOURCE")
    by_variable = kojikey("list", "--json", KOJIKEY_STORE="other://me:secret@box/1")
    assert (by_variable.code, by_variable.error["hint"]) == (5, "kojikey store init --kek SOURCE")
    url = f"sqlite://{tmp_path}/x.db"
    assert kojikey("list", "-s", url, "--json").error["hint"] == f"kojikey store init {url} --kek SOURCE"


def test_for_an_unknown_scheme_the_installed_ones_are_listed(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    entries = importlib.metadata.EntryPoints([importlib.metadata.EntryPoint("vault", "x:y", "kojikey.stores")])
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **wanted: entries.select(**wanted))
    ended = kojikey("list", "--store", "mongodb://x", "--json")
    assert (ended.code, ended.error["message"]) == (2, "there are no mongodb stores")
    assert ended.error["hint"] == "known are: sqlite://, postgresql://, dynamodb://, vault://"


def test_set_is_suggested_for_settings_that_a_rotation_to_the_same_key_ignored(kojikey: Program) -> None:
    key = kojikey.added()
    ended = kojikey("rotate", "elevenlabs", "--stdin", "--label", "prod", stdin=key.key)
    assert ended.code == 0
    assert "--label changed nothing" in ended.err
    assert "kojikey set elevenlabs" in ended.err


@pytest.mark.parametrize("words", ["get --reveal", "rotate --resume", "rotate --mint --allow-wider", "remove --yes"])
def test_a_command_without_its_provider_is_suggested_with_the_rest_of_it(kojikey: Program, words: str) -> None:
    kojikey.added()
    ended = kojikey(*words.split(), "--json")
    command, _, flags = words.partition(" ")
    assert (ended.code, ended.error["hint"]) == (2, f"kojikey {command} PROVIDER {flags}")


@pytest.mark.parametrize(
    "words",
    ["rotate elevenlabs --stdin --from-env X", "add elevenlabs --stdin --from-env X", "rotate --due --rate 0",
     "rotate --due --concurrency 0"],
)  # fmt: skip
def test_options_are_checked_before_a_store_is_opened(kojikey: Program, words: str) -> None:
    assert kojikey(*words.split()).code == 2
    assert kojikey(*words.split(), KOJIKEY_STORE="nowhere").code == 2
    assert not kojikey.home.exists()


# a command that is not one


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("rotat elevenlabs", "rotate"), ("rotat", "rotate"), ("ad elevenlabs --stdin", "add"), ("lst -a acme", "list"),
        ("sandbx --tour", "sandbox"), ("store inf", "store info"), ("stor info", "store info"), ("accont", "account"),
        ("account-remove acme", "account remove"), ("ls", "list"), ("rm elevenlabs", "remove"), ("login", "add"),
        ("account ls", "account list"), ("remov elevenlabs", "remove"), ("doctro", "doctor"), ("histroy x", "history"),
    ],
)  # fmt: skip
def test_the_probable_command_is_named_whatever_follows_it(kojikey: Program, words: str, meant: str) -> None:
    ended = kojikey(*words.split(), "--json")
    assert (ended.code, ended.error["hint"]) == (2, f"did you mean kojikey {meant}?")


@pytest.mark.parametrize(
    "words",
    ["account rename x y", "store remove", "store renew", "rename", "revoke", "removal-of x", "list --name x"],
)
def test_no_command_is_suggested_for_a_word_that_is_not_a_typing_mistake(kojikey: Program, words: str) -> None:
    """Least of all with a command that deletes, for a word that is not nearly its name."""
    ended = kojikey(*words.split(), "--json")
    assert ended.code == 2
    assert "did you mean" not in ended.error["hint"]


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        ("-a acme list", "kojikey list -a acme"),
        ("--json list google_gemini", "kojikey list --json google_gemini"),
        ("-q --store team test --all", "kojikey test -q --store team --all"),
        ("store -s team info", "kojikey store info -s team"),
        ("-a list list", "kojikey list -a list"),
        ("-s postgresql://koji:hunter2@db.example/koji list", "kojikey list, then its options"),
        ("-a \x1b[31m list", "kojikey list, then its options"),
    ],
)
def test_an_option_before_its_command_is_refused_and_the_hint_has_the_right_order(
    kojikey: Program, words: str, ordered: str
) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey(*words.split())
    assert (ended.code, ended.out if "--json" not in words else "") == (2, "")
    assert ordered in ended.err
    assert "hunter2" not in ended.said
    assert "\x1b" not in ended.said


@pytest.mark.parametrize("words", ["nonsense", "complet", "store nonsense", ""])
def test_for_a_word_that_resembles_no_command_the_help_is_suggested(kojikey: Program, words: str) -> None:
    ended = kojikey(*words.split(" "), "--json")
    assert (ended.code, ended.error["hint"]) == (2, f"kojikey {'store ' if 'store' in words else ''}--help")
