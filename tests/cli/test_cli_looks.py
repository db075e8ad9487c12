"""The looks of the output: no line too wide, nothing cut that must be typed, colour only where wanted, no KEK."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from kojikey.cli.registry import load
from support.program import KEK, PATIENT, Program
from support.pseudo_terminal import end, on_a_terminal, printed_on_a_terminal

ESCAPE = "\x1b"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_that_must_be_typed_is_cut(
    kojikey: Program, columns: int
) -> None:
    account = "a-rather-long-account-name.of-an-enterprise_customer"
    key = kojikey.added("google_gemini", "ok", "--account", account, "--label", "a label of some length " * 4)
    kojikey.added("elevenlabs", "missing_permission", "--allow-limited")
    commands = (
        ["list", "--all-accounts"], ["test", "--all-accounts"], ["list"], ["history", "elevenlabs"], ["providers"],
        ["providers", "google_gemini"], ["audit", "--all-accounts"], ["store", "info"], ["doctor"],
        ["help", "exit-codes"], ["--help"], ["rotate", "--help"], ["account", "list"],
    )  # fmt: skip
    for command in commands:
        lines = lines_of(kojikey, *command, columns=columns)
        if "--help" in command:
            lines = [line for line in lines if not line.startswith("    kojikey ")]  # examples are to be copied
        text = "\n".join(lines)
        for line in lines:  # a path or a URL that is wider by itself is to be copied
            assert len(line.rstrip()) <= columns or len(line.split()) == 1, f"{command}: {line!r}"
        if "--all-accounts" in command and command[0] == "list":
            assert (account in text) is (columns != 80)  # shortened there, rather than the table given up
            assert f"••••••••{key.key[-4:]}" in text
            assert "google_gemini" in text


def test_a_long_account_name_is_shortened_in_the_middle_and_every_row_stays_a_line(kojikey: Program) -> None:
    account = "a-rather-long-account-name.of-an-enterprise_customer-nr-58"
    for name in ("acme", account):
        kojikey.added("elevenlabs", "missing_permission", "--allow-limited", "--account", name)
    for columns in (80, 100, 120):
        head, first, second, totals = lines_of(kojikey, "list", "--all-accounts", columns=columns)
        assert head.split()[:2] == ["ACCOUNT", "PROVIDER"]
        start, _, rest = first.split()[0].partition("…")
        assert account.startswith(start)
        assert account.endswith(rest)
        assert second.startswith("acme ")
        assert totals.startswith("2 keys of 2 accounts: 2 limited")
    assert account in "\n".join(lines_of(kojikey, "list", "--all-accounts", columns=160))
    assert account in kojikey("list", "--all-accounts").out
    assert account in kojikey("list", "--all-accounts", "--csv").out
    assert account in kojikey("list", "--all-accounts", "--json").out


@pytest.mark.parametrize("word", ["x" * 100, "\u65e5\u672c\u8a9e" * 20], ids=["Latin", "wide"])
def test_a_long_word_in_a_label_is_shortened_rather_than_the_table_given_up(kojikey: Program, word: str) -> None:
    kojikey.added("elevenlabs", "missing_permission", "--allow-limited", "--label", f"production {word} keys")
    head, first, *_ = lines_of(kojikey, "list", "elevenlabs", columns=80)
    assert (head.split()[0], first.split()[0]) == ("PROVIDER", "elevenlabs")
    text = " ".join(lines_of(kojikey, "list", "elevenlabs", columns=80))
    assert re.search(rf"production\s+{word[:6]}\w* ?\u2026\s+keys", text)
    assert word not in text
    assert word in kojikey("list", "elevenlabs").out


def lines_of(kojikey: Program, *command: str, columns: int) -> list[str]:
    _, text = printed_on_a_terminal(kojikey, *command, columns=columns, NO_COLOR="1")
    return re.sub(r"\x1b\[[0-9?;]*[a-zA-Z]", "", text).replace("\r", "\n").splitlines()


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", [["providers"], ["providers", "elevenlabs"]], ids=" ".join)
def test_a_url_is_never_cut(kojikey: Program, command: list[str], columns: int) -> None:
    urls = re.findall(r"https://[^\s,]+", kojikey(*command).out)
    assert len(urls) > 1
    words = " ".join(lines_of(kojikey, *command, columns=columns)).replace(",", " ").split()
    assert [url for url in urls if url not in words] == []


@pytest.mark.parametrize("columns", [40, 80])
def test_the_place_and_the_id_of_a_store_are_never_cut(kojikey: Program, columns: int) -> None:
    kojikey.added()
    (info,) = kojikey("store", "info", "--json").results
    words = " ".join(lines_of(kojikey, "store", "info", columns=columns)).split()
    assert {info["place"], info["store_id"]} <= set(words)


def test_the_versions_of_a_key_are_a_table_at_80_columns_and_blocks_with_a_heading_at_40(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate("elevenlabs", "missing_permission", "--allow-limited")
    table, blocks = (lines_of(kojikey, "history", "elevenlabs", columns=columns) for columns in (80, 40))
    assert table[0].split() == ["VER", "STAGE", "KEY", "FINGERPRINT", "SAVED", "LAST", "TEST"]
    assert [line for line in blocks if not line.startswith(" ")] == ["version 2", "version 1"]
    assert any(re.fullmatch(r"  saved  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line) for line in blocks)


def test_the_continuation_of_a_long_line_is_indented(kojikey: Program) -> None:
    for account in ("one", "two"):
        kojikey.added("elevenlabs", "invalid_key", "--no-test", "--account", account)
    lines = lines_of(kojikey, "test", "--all-accounts", columns=60)
    first = next(number for number, line in enumerate(lines) if line.startswith("    next:"))
    assert " ".join(" ".join(lines[first : first + 2]).split()).endswith("kojikey rotate --batch FILE")
    assert lines[first + 1].startswith("      ")


@pytest.mark.parametrize("columns", [30, 50, 70, 96])
def test_no_command_of_a_result_is_broken_over_lines(kojikey: Program, columns: int) -> None:
    kojikey.added()
    new = ("--from-env", "NEW_KEY")
    _, text = printed_on_a_terminal(
        kojikey, "rotate", "elevenlabs", *new, columns=columns, NEW_KEY=kojikey.key("elevenlabs", "ok_2").key
    )
    for option in ("--retire", "--rollback"):
        assert f"kojikey rotate elevenlabs {option}" in text
    kojikey.added("google_gemini", "invalid_key", "--no-test", "--account", "acme")
    for command in (["test", "google_gemini", "--account", "acme"], ["test", "--all-accounts"]):
        _, text = printed_on_a_terminal(kojikey, *command, columns=columns)
        assert "kojikey rotate google_gemini --account acme" in text


def test_the_next_step_for_a_key_is_printed_once(kojikey: Program) -> None:
    for account in ("one", "two"):
        kojikey.added("elevenlabs", "missing_permission", "--allow-limited", "--account", account)
    kojikey.added("google_gemini", "restricted_api", "--allow-limited", "--account", "one")
    said = kojikey("test", "--all-accounts").out
    assert said.count("allow it in the key's permissions") == 2  # under each of the two keys
    assert said.count("allow the Generative Language API") == 1
    assert "2 elevenlabs limited: missing_permission" in said


@pytest.mark.parametrize(
    ("options", "environ", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        ([], {"TERM": None}, False),
        (["--no-color"], {"FORCE_COLOR": "1"}, False),
    ],
    ids=["a terminal", "--no-color", "NO_COLOR", "TERM=dumb", "no TERM", "both"],
)
@pytest.mark.parametrize("command", [["list"], ["test"], ["doctor"]], ids=" ".join)
def test_colour_is_only_where_it_is_wanted(
    kojikey: Program, command: list[str], options: list[str], environ: dict[str, Any], coloured: bool
) -> None:
    kojikey.added()
    code, text = printed_on_a_terminal(kojikey, *command, *options, **environ)
    assert code == 0
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", text)) is coloured
    if "TERM" in environ:
        assert ESCAPE not in text


@pytest.mark.parametrize("columns", [40, 120])
def test_the_width_of_a_dumb_terminal_is_respected(kojikey: Program, columns: int) -> None:
    kojikey.added()
    code, text = printed_on_a_terminal(kojikey, "store", "info", columns=columns, TERM="dumb")
    wide = [line for line in text.splitlines() if len(line) > columns and "/" not in line]  # a path stays whole
    assert (code, wide) == (0, [])
    whole = "the environment variable KOJIKEY_KEK: readable by this user's processes"
    assert (whole in text) == (columns == 120)


def test_no_signal_can_leave_a_terminal_without_its_cursor(kojikey: Program) -> None:
    kojikey.added()
    code, text = printed_on_a_terminal(kojikey, "test", "elevenlabs")
    assert (code, "asking the providers" in text) == (0, True)
    assert "\x1b[?25" not in text


@pytest.mark.parametrize(
    "command", [["list"], ["test"], ["doctor"], ["add", "google_gemini"], ["providers"]], ids=" ".join
)
def test_a_pipe_gets_no_escape_codes_unless_forced(kojikey: Program, command: list[str]) -> None:
    kojikey.added()
    for environ in ({}, {"TERM": "xterm-256color"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        assert ESCAPE not in kojikey(*command, **environ).said
    assert (ESCAPE in kojikey("list", FORCE_COLOR="1", TERM="xterm").out) is True
    assert ESCAPE not in kojikey("list", "--json", FORCE_COLOR="1").said


def test_the_status_line_is_only_on_a_terminal(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("test")
    assert ended.err == "kojikey: asking the providers\n"
    assert kojikey("test", "--quiet").err == ""
    with kojikey.sandbox.hold() as gate, on_a_terminal(kojikey, "test", *PATIENT) as child:
        kojikey.sandbox.wait_for_request()
        child.expect_exact("asking the providers")
        gate.open()
        assert end(child)[0] == 0


def test_colour_is_forced_by_any_value_that_is_not_empty(kojikey: Program) -> None:
    for value in ("1", "0", "false"):  # https://force-color.org, as rich has it too: "regardless of its value"
        assert ESCAPE in kojikey("list", FORCE_COLOR=value, TERM="xterm").out
    assert ESCAPE not in kojikey("list", FORCE_COLOR="", TERM="xterm").out


@pytest.mark.parametrize("more", [(), ("--tour",)])
def test_a_port_that_another_program_uses_is_refused_with_the_way_to_a_free_one(
    kojikey: Program, more: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = kojikey("sandbox", "--port", str(port), *more)
    assert (ended.code, ended.out) == (2, "")
    assert f"port {port} of 127.0.0.1 is not available" in ended.err
    assert "port 0 takes a free one" in ended.err


def test_a_quiet_tour_has_the_commands_and_their_results_alone(kojikey: Program) -> None:
    told, quiet = kojikey.installed("sandbox", "--tour"), kojikey.installed("sandbox", "--tour", "-q")
    assert (told.code, quiet.code, quiet.err) == (0, 0, "")
    typed = [line for line in told.out.splitlines() if line.startswith("$ ")]
    assert [re.sub(r":\d+", "", line) for line in quiet.out.splitlines() if line.startswith("$ ")] == [
        re.sub(r":\d+", "", line) for line in typed
    ]
    assert len(typed) == 8
    for words in ("A tour", "1. ", "throwaway", "next:", "falls back", "\n\n"):
        assert (words in told.out, words in quiet.out) == (True, False), words


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_bullets_gets_stars(kojikey: Program, encoding: str) -> None:
    key = kojikey.added("elevenlabs", "ok", "--label", "naïve – 鍵 ✓")
    for command in (["list"], ["test"], ["history", "elevenlabs"], ["doctor"], ["audit"], ["store", "info"]):
        ended = kojikey(*command, encoding=encoding)
        assert ended.code == 0, ended.said
        assert "Traceback" not in ended.err
        if command[0] in ("list", "test", "history"):
            assert f"********{key.key[-4:]}" in ended.out


def test_the_kek_is_shown_nowhere(kojikey: Program) -> None:
    kojikey.added()
    for command in (["list"], ["store", "info"], ["doctor"], ["audit"]):
        assert KEK not in kojikey(*command).said


# help


HELP = [["--help"], ["store", "--help"], ["rotate", "--help"], ["help", "rotate"], ["list", "-h"]]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_is_drawn_on_a_terminal_and_plain_where_that_is_wanted(kojikey: Program, command: list[str]) -> None:
    code, text = printed_on_a_terminal(kojikey, *command)
    assert code == 0
    assert "╭─ " in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert ESCAPE in text
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")):
        environ: dict[str, Any] = {name: value}
        plain = printed_on_a_terminal(kojikey, *command, **environ)[1]
        assert "╭" not in plain
        assert ESCAPE not in plain
    piped = kojikey(*command)
    assert (piped.code, "╭" in piped.out, ESCAPE in piped.out) == (0, False, False)


@pytest.mark.parametrize(("columns", "widest"), [(80, 80), (100, 100), (160, 100)])
def test_help_has_the_width_of_the_terminal_up_to_100(kojikey: Program, columns: int, widest: int) -> None:
    _, text = printed_on_a_terminal(kojikey, "rotate", "--help", columns=columns)
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(len(line.rstrip()) for line in drawn) == widest
    plain = lines_of(kojikey, "rotate", "--help", columns=columns)
    assert widest - 12 < max(len(line.rstrip()) for line in plain) <= widest


@pytest.mark.parametrize("is_drawn", [False, True])
def test_help_has_the_command_s_own_options_first_and_the_common_ones_last(kojikey: Program, is_drawn: bool) -> None:
    if is_drawn:
        text = re.sub(r"\x1b\[[0-9;]*m", "", printed_on_a_terminal(kojikey, "test", "--help")[1])
    else:
        text = kojikey("test", "--help").out
    heads = ["Examples", "Arguments", " Options" if is_drawn else "\nOptions", "Common options"]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    own, common = text[places[2] : places[3]], text[places[3] :]
    for option in ("--all-accounts", "--allow-empty", "--junit"):
        assert option in own
    for option in ("--account", "--store", "--json", "--no-input", "--quiet", "--no-color", "--help"):
        assert re.search(rf"{option}\b(?!-)", common)
        assert not re.search(rf"(?m)^[ │]*{option}\b(?!-)", own)


def test_help_has_the_many_options_of_a_command_under_titles_each_option_once(kojikey: Program) -> None:
    text = kojikey("rotate", "--help").out
    titles = ["Options", "The key", "The test", "At the provider", "On a timer", "Many keys", "Common options"]
    assert [line.rstrip(":") for line in text.splitlines() if re.fullmatch(r"[A-Z][a-z ]+:", line)] == [
        "Arguments", *titles,
    ]  # fmt: skip
    options = re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", text)
    assert sorted(options) == sorted(["--help", *(option.spelling for option in load("rotate").options)])


def test_narrow_help_is_plain_and_as_wide_as_the_terminal(kojikey: Program) -> None:
    for columns in (40, 60):
        text = printed_on_a_terminal(kojikey, "rotate", "--help", columns=columns)[1]
        assert "╭" not in text
        assert columns - 8 < max(len(line) for line in text.splitlines() if "kojikey" not in line) <= columns


def test_help_names_no_type_of_python(kojikey: Program) -> None:
    for command in (["rotate", "--help"], ["test", "--help"], ["run", "--help"], ["store", "init", "--help"]):
        text = re.sub(r"\x1b\[[0-9;]*m", "", printed_on_a_terminal(kojikey, *command)[1])
        assert "Arguments" in text
        assert not re.search(r"<\w+>", text), text


def test_help_shows_brackets_that_rich_reads_as_markup(kojikey: Program) -> None:
    text = printed_on_a_terminal(kojikey, "run", "--help")[1]
    assert "[ARGUMENTS]" in text


# a request that fails


def test_a_request_that_fails_says_what_happened_what_was_not_changed_and_what_to_type(kojikey: Program) -> None:
    kojikey.sandbox.fault("elevenlabs", "down")
    added = kojikey.add("elevenlabs", "ok", "--timeout", "1").out.splitlines()
    kojikey.sandbox.mend()
    kojikey.added("elevenlabs")
    kojikey.sandbox.fault("elevenlabs", "down")
    tested = kojikey("test", "--timeout", "1").out.splitlines()
    rotated = kojikey.rotate("elevenlabs", "ok_2", "--timeout", "1").out.splitlines()
    for lines in (added, tested, rotated):
        assert len(lines) == 4
        assert lines[0].startswith("? elevenlabs")
        assert lines[3].startswith("  next: check the network, HTTPS_PROXY and the base URL; ")
    assert [lines[2].strip() for lines in (added, tested, rotated)] == [
        "nothing was saved", "the saved key was not changed", "version 2 stays staged; the key in use is unchanged",
    ]  # fmt: skip
    assert added[3].endswith("the same command tries again; --allow-unverified saves it anyway")
    assert tested[3].endswith("kojikey test elevenlabs tries again")
    assert rotated[3].endswith(
        "kojikey rotate elevenlabs --resume tries again; kojikey rotate elevenlabs --abort discards it"
    )


def test_a_refused_key_is_reported_in_the_same_order(kojikey: Program) -> None:
    lines = kojikey.add("google_gemini", "invalid_key").out.splitlines()
    assert [line.strip() for line in lines[2:]] == [
        "nothing was saved",
        "next: create another at https://aistudio.google.com/api-keys, then kojikey add google_gemini",
    ]


@pytest.mark.parametrize("words", [("rotate",), ("store", "init"), ()], ids=" ".join)
def test_the_help_command_prints_the_same_as_the_help_option(kojikey: Program, words: tuple[str, ...]) -> None:
    by_option, by_command = kojikey(*words, "--help"), kojikey("help", *words)
    assert by_command.out == by_option.out
    assert by_command.out.count("\n") > 10


@pytest.mark.parametrize("words", [(), ("store",), ("account",)], ids=" ".join)
def test_a_group_alone_shows_its_help(kojikey: Program, words: tuple[str, ...]) -> None:
    ended = kojikey(*words)
    assert ended.code == 0
    assert ended.out == kojikey(*words, "--help").out
