"""What ``import`` reads, and where it says that it stands: python-dotenv's own line numbers are not relied on."""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv.parser import parse_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.cli.commands.import_keys.comments import _pieces
from kojikey.cli.commands.import_keys.non_keys import non_key_kind, non_url_kind
from kojikey.cli.commands.import_keys.sources import (
    LARGEST,
    LONGEST_LINE,
    Binding,
    Source,
    Unread,
    read_environment,
    read_file,
)  # fmt: skip
from kojikey.model.secret import HiddenBytes
from kojikey.testing.sandbox.sample_keys import made_up_key
from kojikey.testing.sandbox.scenarios import PROVIDERS
from support.each import each


def read(folder: Path, content: str | bytes, name: str = ".env") -> Source:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    source = read_file(str(file))
    assert isinstance(source, Source)
    return source


def found(source: Source) -> list[tuple[int | None, str, str | None]]:
    return [(one.line, one.name, one.value.reveal() if one.value else None) for one in source.bindings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n", [(1, "A", "1")]),
        ("\n\n# note\n\n  export A='1'  # more\n\nB=2", [(5, "A", "1"), (7, "B", "2")]),
        ("A=1\r\n\r\n# x\r\nB=2\r\n", [(1, "A", "1"), (4, "B", "2")]),
        ('A="1\n2\n3"\nB=4\n', [(1, "A", "1\n2\n3"), (4, "B", "4")]),
        ('A="1\r\n2"\r\n\r\nB=4\r\n', [(1, "A", "1\r\n2"), (4, "B", "4")]),
        ("not a line\r\nB=2\r\n", [(2, "B", "2")]),
        ("not a line\nnor this one\n\nB=2\n", [(4, "B", "2")]),
        ("A=1\rB=2\r", [(1, "A", "1"), (2, "B", "2")]),
        ("A\nB=2\n", [(1, "A", ""), (2, "B", "2")]),
        ("A=\nB=\n", [(1, "A", ""), (2, "B", "")]),
        ('A="it\'s"\nB=\'x\\\'y\'\n', [(1, "A", "it's"), (2, "B", "x'y")]),
        ("A=a=b#c #d\n", [(1, "A", "a=b#c")]),
        ("", []),
        ("\n\n\n", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_each_statement_has_its_own_line(
    tmp_path: Path, text: str, mark: str, expected: list[tuple[int | None, str, str | None]]
) -> None:
    assert found(read(tmp_path, mark + text)) == expected


def test_a_statement_that_cannot_be_read_is_named_by_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    source = read(tmp_path, "\nOPENAI_API_KEY=\"open\nB='2'\n")
    assert found(source) == [(2, "OPENAI_API_KEY", None), (3, "B", "2")]
    assert source.problems == ("line 2 cannot be read (is a quote not closed?)",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_a_windows_shell_is_read(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    assert found(read(tmp_path, f"{mark}A=1\r\nPÄSS=ü\r\n".encode(encoding)))[0] == (1, "A", "1")


@pytest.mark.parametrize("line", ["A=" + "x" * LONGEST_LINE, "A= " + " " * 3000 + "x", " " * 100_000, "#" * 100_000])
def test_a_line_that_is_too_long_is_skipped_quickly(tmp_path: Path, line: str) -> None:
    source = read(tmp_path, "\n".join(["B=1", *[line] * 20, "C=2"]))
    assert found(source) == [(1, "B", "1"), (22, "C", "2")]
    assert source.problems[0] == "line 2 is too long, and was skipped"


def test_500_entries_keep_their_lines(tmp_path: Path) -> None:
    lines = [f"NAME_{number}=value {number}" if number % 3 else f"# {number}" for number in range(1, 501)]
    bindings = found(read(tmp_path, "\ufeff" + "\r\n".join(lines)))
    assert bindings == [(number, f"NAME_{number}", f"value {number}") for number in range(1, 501) if number % 3]


TEXTS = st.lists(
    st.sampled_from(
        [
            "A", "B_1", "=", "'", '"', "\\", " ", "\t", "#", "\n", "\r\n", "\r", "export ", "x", "é", "${A}", "\x0b",
            "\u2028",
        ]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(text=TEXTS)
def test_every_text_is_read_in_the_same_way_as_by_python_dotenv(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = read(tmp_path_factory.getbasetemp(), text)
    bindings = [(one.name, one.value.reveal()) for one in source.bindings if one.value is not None]
    assert bindings == [(one.key, one.value or "") for one in parse_stream(StringIO(text)) if one.key is not None]
    lines = re.split(r"\r\n|\r|\n", text)
    for one in source.bindings:
        assert one.line is not None
        assert re.split(r"[\r\n]", one.name)[0] in lines[one.line - 1]


@settings(deadline=None)
@given(text=TEXTS, data=st.data())
def test_commenting_out_removes_only_the_statements_of_saved_keys(
    text: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    source = read(folder, text)
    named = [one for one in source.bindings if one.value is not None and one.name.isidentifier()]
    gone = [one for one in named if data.draw(st.booleans())]
    replaced = {one.span: one.name for one in gone if one.span is not None}
    after = b"".join(_pieces(HiddenBytes(text.encode()), replaced)).decode()
    kept = [one for one in source.bindings if not any(one is other for other in gone)]
    assert [pair(one) for one in read(folder, after).bindings] == [pair(one) for one in kept]


def pair(binding: Binding) -> tuple[str, str | None]:
    return binding.name, binding.value.reveal() if binding.value else None


# JSON


def test_json_is_read_one_level_deep_with_lines(tmp_path: Path) -> None:
    text = """{
 "// Note": "This file stores secret API credentials. Do not share!",
 "openai": "a",
 "prod": {
  "OPENAI_API_KEY": "b", "list": [{"deep": "x"}],
  "deeper": {"GEMINI_API_KEY": "c"}
 }, "say \\"hi\\": now": "d",
 "openai": "e", "number": 7, "nothing": null
}
"""
    source = read(tmp_path, text, "keys.json")
    assert found(source)[1:] == [
        (3, "openai", "a"), (5, "OPENAI_API_KEY", "b"), (5, "list", None), (6, "deeper", None),
        (7, 'say "hi": now', "d"), (8, "openai", "e"), (8, "number", None), (8, "nothing", ""),
    ]  # fmt: skip
    assert [one.group for one in source.bindings if one.group] == ["prod", "prod", "prod"]
    assert source.digest == ""


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"a": 1}x', '"text"', "", "{" * 100_000, '{"a":' * 100_000, "1" * 10_000]
)
def test_a_file_that_is_not_a_json_object_is_not_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    assert isinstance(read_file(str(tmp_path / "keys.json")), Unread)


# what is no file of settings


def test_a_source_that_cannot_be_read_is_reported_with_the_reason_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "zero").write_bytes(b"A=1\0\n")
    (tmp_path / "large").write_bytes(b"#" * (LARGEST + 1))
    os.mkfifo(tmp_path / "pipe")
    reasons = {}
    for name in ("binary", "zero", "large", "pipe", "missing", "."):
        unread = read_file(str(tmp_path / name))
        assert isinstance(unread, Unread)
        reasons[name] = unread.reason
    assert reasons == {
        "binary": "it is not UTF-8 text", "zero": "it is not UTF-8 text", "pipe": "it is not a regular file",
        "large": "it has more than 4 MiB, which is too much for a file of settings", "missing": "there is no such file",
        ".": "it is not a regular file",
    }  # fmt: skip


def test_the_environment_is_a_source_without_lines() -> None:
    source = read_environment({"A": "1"})
    assert [(one.file, one.line, one.name) for one in source.bindings] == [(None, None, "A")]


# what stands in place of a key


@each(
    ("value", "what"),
    [
        ("", "empty"), ("  ", "empty"), ("${OTHER}", "a reference"), ("$OTHER", "a reference"),
        ("$(pass x)", "a reference"),
        ("op://vault/item/field", "a reference"), ("{{ secrets.KEY }}", "a reference"), ("%KEY%", "a reference"),
        ("arn:aws:secretsmanager:eu-west-1:1:secret:x", "a reference"), ("your-key-here", "a placeholder"),
        ("YOUR_API_KEY", "a placeholder"), ("sk-your-key", "a placeholder"), ("<key>", "a placeholder"),
        ("sk-...", "a placeholder"), ("sk-xxxxxxxxxxxx", "a placeholder"), ("xxxxxxxx", "a placeholder"),
        ("changeme", "a placeholder"), ("replace_with_key", "a placeholder"),
        ("sk-ant-api03-xxxxxxxx", "a placeholder"),
        ("yourapikeyhere", "a placeholder"), ("null", "a placeholder"), ("API_KEY", "a placeholder"),
    ],
)  # fmt: skip
def test_the_kind_of_a_value_that_is_not_a_key_is_reported(value: str, what: str) -> None:
    assert non_key_kind(value) == what


@each(
    ("value", "what"),
    [
        ("https://gateway.example.com/v1", ""), ("https://my-resource.openai.azure.com", ""), ("https://here.test", ""),
        ("https://add.token.internal/key", ""), ("http://127.0.0.1:8080/elevenlabs", ""),
        ("https://your-resource.openai.azure.com", "a placeholder"), ("https://...", "a placeholder"),
        ("https://{resource}.openai.azure.com", "a placeholder"), ("https://<name>.example.com", "a placeholder"),
        ("${BASE}", "a reference"), ("  ", "empty"),
    ],
)  # fmt: skip
def test_what_stands_in_place_of_a_base_url_is_reported_and_no_real_host(value: str, what: str) -> None:
    assert non_url_kind(value) == what


def test_no_made_up_key_of_any_provider_passes_for_a_placeholder() -> None:
    for provider in PROVIDERS:
        for name in ("ok", "ok_2", "invalid_key"):
            assert non_key_kind(made_up_key(provider, name)) == ""
