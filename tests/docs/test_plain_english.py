"""Phrases that no English speaker would use stay out of the source and the documents.

The words to use are in CONTRIBUTING.md. The changelog is left as it was written.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SAY_INSTEAD = {
    "could not be had": "is not available",
    "cannot be had": "is not available",
    "can not": "cannot",
    "whoever": "a person who",
    "lie about": "are",
    "all the same": "anyway, still",
    "once more": "again",
    "is told": "gets, reports",
    "was told": "got, reported",
    "nobody is asked": "without asking",
    "from outside": "outside kojikey",
    "in the clear": "in plain text",
    "says yes": "accepts",
    "steps aside": "leaves it to",
    "that story": "that record",
    "opens no more": "no longer opens",
    '"""Tell whether': '"""Return whether',
    "set aside": "disabled",
    "such as": "for example",
}

ALLOWED = {"a record was changed from outside"}  # the table of exit codes, which never changes


def test_no_page_and_no_source_file_has_a_phrase_that_readers_stumble_over() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {phrase!r}: say {SAY_INSTEAD[phrase]!r}"
        for path in _files()
        for phrase in _found(path)
    }
    assert found == set()


@pytest.mark.parametrize("phrase", SAY_INSTEAD)
def test_a_phrase_is_found_over_the_end_of_a_line(phrase: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before " + phrase.replace(" ", "\n    ") + " after")
    assert _found(page) == {phrase}


def _files() -> list[Path]:
    found = [path for suffix in ("py", "toml") for path in (ROOT / "src").rglob(f"*.{suffix}")]
    found += [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]
    assert len(found) > 300
    return found


def _found(path: Path) -> set[str]:
    """Return the phrases that a file has."""
    text = _text(path)
    lowered = text.lower()
    likely = (phrase for phrase in SAY_INSTEAD if phrase.lower() in lowered)
    return {phrase for phrase in likely if re.search(rf"(?<!\w){re.escape(phrase)}\b", text, re.IGNORECASE)}


def _text(path: Path) -> str:
    """Return a file's text with each run of white space as one space."""
    text = " ".join(path.read_text(encoding="utf-8").split())
    for sentence in ALLOWED:
        text = text.replace(sentence, "")
    return text
