"""Output for people drops control characters, also from a text that was not checked before."""

from __future__ import annotations

import io
import json

import pytest
from rich.table import Table
from rich.text import Text

from kojikey.cli.output.console import PatientConsole
from kojikey.cli.output.failure import say
from kojikey.cli.output.stdout import write_json, write_line
from kojikey.model.plain_text import one_line, quoted

HOSTILE = "a\x1b[31mb\x07\u202e\u2028c\n::error::d\x9b2J"
HARMLESS = "a[31mb c ::error::d2J"


@pytest.mark.parametrize("write", [say, write_line])
def test_a_line_is_one_line_without_control_characters(write: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(write)
    write(HOSTILE)
    assert "".join(capsys.readouterr()) == f"{HARMLESS}\n"


def test_json_keeps_what_it_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": HOSTILE})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out) == {"name": HOSTILE}


@pytest.mark.parametrize("width", [10, 200])
def test_rich_sends_no_control_characters_of_a_text(width: int) -> None:
    stream = io.StringIO()
    console = PatientConsole(file=stream, width=width, force_terminal=True, color_system="standard")
    table = Table(box=None)
    table.add_column(overflow="fold")
    table.add_row(Text(HOSTILE))
    console.print(Text(HOSTILE, style="green"))
    console.print(table)
    console.print(HOSTILE, markup=False)
    shown = stream.getvalue()
    assert "\x1b[31m" not in shown
    assert not {"\x07", "\u202e", "\u2028", "\x9b"} & set(shown)
    assert "\x1b[32m" in shown, "its own colours it sends"
    assert width < 20 or not any(line.startswith("::error") for line in shown.splitlines())


def test_a_value_that_failed_its_check_is_quoted_and_shortened_and_never_a_key() -> None:
    assert quoted("e\x1b[31m\n") == r"'e\x1b[31m\n'"
    assert len(quoted("x " * 1000)) < 100
    assert "sk_9f27" not in quoted("sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36")
    assert one_line("plain – text ✓") == "plain – text ✓"
    assert one_line("file\udce9") == "file\udce9", "a file name that is not UTF-8 is for the stream's encoding"
