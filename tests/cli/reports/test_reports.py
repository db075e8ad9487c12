"""JUnit, GitHub and HTML reports are correct and complete, and a provider's text stays text in them."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lxml import etree
from msgspec.structs import replace

from kojikey.cli.command import Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.output import documents
from kojikey.cli.output.github_escape import escaped, escaped_json
from kojikey.cli.output.terminal import Terminal
from kojikey.cli.parsing.quick import read
from kojikey.cli.reports import github, html
from kojikey.cli.reports import screen as on_screen
from kojikey.cli.reports.junit import junit
from kojikey.config.settings import Settings
from kojikey.model.verdict import Reason, Usage
from kojikey.providers.answers.scrub import plain
from kojikey.testing import Sandbox
from support.program import Program
from support.reported import HOSTILE, results, run_of

SCHEMA = etree.XMLSchema(etree.parse(os.path.join(os.path.dirname(__file__), "junit.xsd")))
ALL_REASONS = tuple(Reason)
COMMAND = re.compile(r"\A\s*::|##\[")


@pytest.mark.parametrize("words", ["plain words", HOSTILE])
@pytest.mark.parametrize("fail_on", ["rejected", "limited", "indeterminate"])
def test_the_junit_report_is_valid_and_its_counts_are_right(words: str, fail_on: str) -> None:
    ending, rows = run_of(list(results(60, words=words, reasons=ALL_REASONS)), fail_on=fail_on)
    document = etree.fromstring("".join(junit(ending, rows)).encode("utf-8", "surrogatepass"))
    SCHEMA.assertValid(document)
    (suite,) = document
    for counted, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(counted, "")) == len(suite.findall(f"testcase/{element}"))
    assert int(suite.get("tests", "")) == len(suite.findall("testcase")) == 60


def test_a_report_without_keys_is_valid() -> None:
    ending, rows = run_of([])
    SCHEMA.assertValid(etree.fromstring("".join(junit(ending, rows)).encode()))
    assert "No key was tested" in "".join(html.page(ending, rows))
    assert list(github.key_annotations(ending, rows)) == []


@pytest.mark.parametrize(
    ("fail_on", "elements"),
    [("rejected", ["skipped", "failure", "error"]), ("limited", ["failure", "failure", "error"])],
)
def test_the_keys_that_count_as_failed_are_those_that_fail_the_run(fail_on: str, elements: list[str]) -> None:
    reasons = (Reason.MISSING_PERMISSION, Reason.INVALID_KEY, Reason.TIMEOUT)
    ending, rows = run_of(list(results(3, reasons=reasons)), fail_on=fail_on)
    document = etree.fromstring("".join(junit(ending, rows)).encode())
    assert [case[0].tag for case in document.iter("testcase")] == elements


def unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")


def test_hostile_text_in_an_annotation_makes_no_second_command() -> None:
    ending, rows = run_of(list(results(10, words=HOSTILE)))
    lines = list(github.key_annotations(ending, rows))
    assert len(lines) == 6
    for line in lines:
        match = re.fullmatch(r"::(error|warning) title=([^,:\r\n]*)::([^\r\n]*)", line)
        assert match is not None, line
        assert match[2].startswith("account-")
        assert "\x1b" not in line
        assert unescaped(match[3]).startswith('"><script>')


def test_there_are_no_more_annotations_than_github_shows() -> None:
    ending, rows = run_of(list(results(500)))
    lines = list(github.key_annotations(ending, rows))
    kinds = [line.split(" ")[0] for line in lines]
    assert (kinds.count("::error"), kinds.count("::warning")) == (10, 10)
    assert "191 more keys" in lines[9]
    assert "91 more keys" in lines[19]


def test_hostile_text_does_not_break_the_table_of_the_summary() -> None:
    ending, rows = run_of(list(results(10, words=HOSTILE)))
    text = "".join(github.summary(ending, rows))
    for line in text.splitlines():
        assert line == "" or line.startswith(("| ", "|-", "## ", "### "))
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (5, 6)
    assert "<script" not in text
    assert "](" not in text
    assert text.count("https://evil") == text.count("`https://evil") > 0, "code is not linked"
    assert "@everyone" not in text


def test_a_url_in_the_summary_is_not_escaped_and_only_the_key_page_is_a_link() -> None:
    page = "https://elevenlabs.io/app/developers/api-keys?a=1&b=_x_"
    ending, rows = run_of(list(results(1, words=f"see {page}.", reasons=(Reason.INVALID_KEY,))))
    text = "".join(github.summary(ending, rows))
    assert "\u200b" not in text
    assert "&#8203;" not in text
    assert f"see <{page}>." in text
    assert github.markdown(f"at {page}, then", site="https://elevenlabs.io/x") == f"at <{page}>, then"
    assert github.markdown("mail a_b@c.example or @all | x") == "mail `a_b@c.example` or @&#8203;all \\| x"


def test_no_text_in_an_annotation_is_a_command_at_any_position_of_a_line() -> None:
    ending, rows = run_of(list(results(1, words="} ##[set-output name=x]y", reasons=(Reason.INVALID_KEY,))))
    (line,) = github.key_annotations(ending, rows)
    assert "set-output" in line
    assert "##[" not in line


def test_the_summary_stays_within_githubs_limit(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_bytes(b"x" * 1000)
    ending, rows = run_of(list(results(12000, words="w" * 200, reasons=(Reason.INVALID_KEY,))))
    github.append_summary(str(path), github.summary(ending, rows))
    text = path.read_text()
    assert 900_000 < path.stat().st_size <= 1024 * 1024
    assert text.startswith("xxx")
    assert "There are more" in text[-200:]
    github.append_summary(str(path), github.summary(ending, rows))
    assert path.stat().st_size <= 1024 * 1024


class Tags(HTMLParser):
    """Every tag and attribute of a page, and whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "input", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_hostile_provider_adds_no_tag_to_the_page() -> None:
    pages = ["".join(html.page(*run_of(list(results(20, words=words))))) for words in ("plain", HOSTILE)]
    plain, hostile = (Tags(), Tags())
    plain.feed(pages[0])
    hostile.feed(pages[1])
    assert hostile.open == []
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert "script" not in hostile.tags
    assert "default-src 'none'" in pages[1]
    assert not set(pages[1]) & {"\x00", "\x1b", "\ud800", "\u202e"}


def test_a_page_whose_url_is_not_https_is_not_a_link() -> None:
    assert html._link("javascript:alert(1)") == ""
    assert html._link('https://x.example/"onmouseover="x').count('"') == 4


def test_no_line_on_github_is_a_command() -> None:
    for line in ("::error::x", "  ::add-mask::x", "a ##[command]x", HOSTILE):
        for part in re.split(r"[\r\n]", escaped(line)):
            assert not COMMAND.search(part)


PLANS = ("##[error]plan", " ::error::plan", "a " * 98 + "::error::plan", "x ##[add-mask]plan")


@pytest.mark.parametrize("form", [on_screen.StreamedTable, on_screen.DrawnTable])
@pytest.mark.parametrize("plan", PLANS)
def test_no_usage_text_on_github_is_a_command(
    plan: str, form: type[on_screen.DrawnTable], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call(Command("test", "", lambda _: 0), {})
    screen = form(Terminal(call, Settings({"GITHUB_ACTIONS": "true"})), with_account=True)
    found = list(results(10, words=plain(HOSTILE)))
    usage = Usage("credits", 1, 2, None, plan, plan)
    for result in found:
        screen.add(replace(result, verdict=replace(result.verdict, usage=usage, manage_url=plan)))
    screen.end(run_of(found)[0])
    said = capsys.readouterr().out
    assert "##" not in said.replace("# #", "")
    assert [line for line in re.split(r"[\r\n]", said) if COMMAND.search(line)] == []


def test_no_label_on_github_is_a_command(kojikey: Program) -> None:
    kojikey.environ["GITHUB_ACTIONS"] = "true"
    label = "##[error]pwned ::error::pwned"
    for command in (("list",), ("list", "--json"), ("history", "elevenlabs"), ("test", "--jsonl"), ("test",)):
        kojikey.added("elevenlabs", "ok", "--label", label)
        ended = kojikey(*command)
        lines = [line for line in ended.said.splitlines() if "::error title=" not in line]
        assert [line for line in lines if COMMAND.search(line)] == []
        kojikey("remove", "elevenlabs", "--yes")


def test_no_repeated_argument_on_github_is_a_command(kojikey: Program) -> None:
    kojikey.environ["GITHUB_ACTIONS"] = "true"
    for arguments in (("test", "##[error]x"), ("list", "--label", "##[error]x"), ("check", "--require", "##[error]x")):
        for more in ((), ("--json",)):
            assert "##[" not in kojikey(*arguments, *more).said


def test_json_on_github_is_equal_and_contains_no_command() -> None:
    text = json.dumps({"detail": HOSTILE})
    made = escaped_json(text)
    assert "##[" not in made
    assert json.loads(made) == json.loads(text)


@pytest.fixture
def on_github(kojikey: Program, tmp_path: Path) -> Program:
    kojikey.added("elevenlabs")
    kojikey.add("google_gemini", "invalid_key", "--no-test")
    kojikey.environ |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    return kojikey


def test_in_a_workflow_annotations_are_written_without_an_option_and_stdout_stays_json(
    on_github: Program, tmp_path: Path
) -> None:
    people = on_github("test")
    assert "::error title=default/google_gemini%3A rejected (invalid_key)::" in people.out
    machine = on_github("test", "--json")
    assert len(machine.results) == 2
    assert "::error " in machine.err
    assert "| default | google\\_gemini |" in (tmp_path / "summary.md").read_text()


def test_outside_a_workflow_annotations_are_written_only_with_the_option(kojikey: Program, sandbox: Sandbox) -> None:
    kojikey.add("google_gemini", "invalid_key", "--no-test")
    assert "::error" not in kojikey("test").out
    assert "::error" in kojikey("test", "--github").out


def test_the_reports_of_a_real_run_are_complete_and_contain_no_key(kojikey: Program, tmp_path: Path) -> None:
    key = kojikey.added("elevenlabs")
    kojikey.add("google_gemini", "invalid_key", "--no-test")
    xml, page = tmp_path / "keys.xml", tmp_path / "keys.html"
    assert kojikey("test", "--junit", str(xml), "--html", str(page)).code == 3
    SCHEMA.assertValid(etree.parse(str(xml)))
    for path in (xml, page):
        assert "google_gemini" in path.read_text()
        assert key.key[:12] not in path.read_text()
    assert {path.name for path in tmp_path.iterdir()} >= {"keys.xml", "keys.html"}
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("choice", [("--account", "acme"), ("--all-accounts",)], ids=["one", "all"])
def test_the_page_reports_no_rotation_as_due_for_a_disabled_account(
    kojikey: Program, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    page = tmp_path / "keys.html"
    assert kojikey.add("elevenlabs", "ok", "--account", "acme", "--expires", "5d").code == 0
    assert kojikey("test", *choice, "--html", str(page)).code == 0
    assert "rotation due" in page.read_text()
    assert kojikey("account", "disable", "acme").code == 0
    assert kojikey("test", *choice, "--html", str(page)).code == 0
    assert "rotation due" not in page.read_text()


@pytest.mark.parametrize("streamed", [False, True], ids=["drawn", "plain"])
@pytest.mark.parametrize(
    ("unkept", "attempts", "words"),
    [
        ("", 1, "the key was changed meanwhile; this outcome was not kept"),
        ("the store x is throttled", 1, "this outcome was not kept: the store x is throttled"),
        ("", 0, ""),
    ],
)
def test_the_line_about_an_outcome_that_was_not_kept_names_the_reason(
    capsys: pytest.CaptureFixture[str], streamed: bool, unkept: str, attempts: int, words: str
) -> None:
    (result,) = results(1)
    tried = replace(result.verdict, attempts=attempts)
    result = replace(result, recorded=False, unkept=unkept, verdict=tried)
    call = read(["test"]).call
    assert call is not None
    screen = on_screen.StreamedTable if streamed else on_screen.DrawnTable
    report = screen(context_of(call).terminal, with_account=False)
    report.add(result)
    report.end(run_of([result])[0])
    said = capsys.readouterr().out
    assert ("not kept" in said) == bool(words)
    assert words in " ".join(said.split())
    assert "kept" not in str(documents.test_fields(result)), "in JSON it stays recorded: false"
    assert documents.test_fields(result)["recorded"] is False
