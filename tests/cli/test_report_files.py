"""The files of reports: where they may be written, and that a report on standard output is alone there."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.program import Program


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("{}/my reports/keys.html", "mkdir -p '{}/my reports'"),
        ("", "name a file, for example keys.html, or - for standard output"),
        ("{}", "name another file"),
    ],
)
@pytest.mark.parametrize("command", [("test", "--html"), ("scan", "--sarif")])
def test_the_hint_about_a_report_without_a_place_can_be_typed_as_it_stands(
    kojikey: Program, tmp_path: Path, command: tuple[str, str], path: str, hint: str
) -> None:
    ended = kojikey(*command, path.format(tmp_path), "--json")
    assert ended.code == (7 if path else 2)
    assert ended.error["hint"] == hint.format(tmp_path)


@pytest.mark.parametrize("report", ["junit", "html"])
def test_a_report_to_standard_output_is_the_only_output_there(kojikey: Program, report: str) -> None:
    kojikey.added()
    ended = kojikey("test", f"--{report}", "-")
    assert ended.code == 0
    assert ended.out.startswith(("<?xml", "<!doctype html>"))
    assert ended.out.rstrip().endswith(("</testsuites>", "</html>"))
    assert not (kojikey.home / "-").exists()
    both = kojikey("test", f"--{report}", "-", "--json")
    assert both.code == 2
    assert "standard output" in both.error["message"]


def test_a_page_and_a_warning_are_printed_once(kojikey: Program) -> None:
    key = kojikey.sandbox.add_key("google_gemini", "AIzaSyD3v9Xw7Kp2Vn5Ht1Rb8Yd4Lf6Gs2Jm0Ce")
    kojikey.sandbox.set_reason(key.key, "invalid_key")
    ended = kojikey("test", "google_gemini", "--stdin", "--base-url", key.base_url, stdin=key.key)
    assert ended.code == 3
    assert ended.said.count("no longer accepts Standard keys") == 1
    assert ended.said.count("https://aistudio.google.com/api-keys") == 1
