"""Makes the pictures of the documentation from the program's output on a terminal, using the sandbox's providers.

``python docs/tools/make_picture.py`` writes them to ``docs/``, ``--check`` exits 1 where the words in one are no longer
those of the program. Values that differ from run to run (ports, folders, times, fingerprints) are replaced by fixed
words.
"""

from __future__ import annotations

import html
import io
import itertools
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from kojikey.testing import Sandbox

FOLDER = Path(__file__).parents[1]
COLUMNS, LINES = 96, 400
SECONDS = 120
PASSPHRASE = "correct horse battery staple"
MANY = 500
REPLACED = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8765"),
    (r"/\S*/kojikey-(tour|picture)-\w+(?=/)", "/tmp/kojikey"),
    (r"resets \d{4}-\d\d-\d\d", "resets 2027-01-01"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-23 04:47:00"),
    (r"\b[0-9a-f]{12}\b", "3f9a0c51d2e7"),
)


@dataclass
class Recording:
    """A terminal on which commands are typed, and what it shows."""

    sandbox: Sandbox
    home: str
    screen: pyte.Screen = field(default_factory=lambda: pyte.Screen(COLUMNS, LINES))

    def __post_init__(self) -> None:
        self.stream = pyte.Stream(self.screen)
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": self.home, "LANG": "C.UTF-8", "TERM": "xterm-256color",
            "TMPDIR": "/tmp",
            "KOJIKEY_HOME": f"{self.home}/data", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }  # fmt: skip

    def typed(self, command: str, *answers: tuple[str, str], ends: int = 0) -> None:
        """Show a command line as it is typed, and carry it out: each answer follows the words that ask for it."""
        self.stream.feed(f"\x1b[36m$ {command}\x1b[0m\r\n")
        child = pexpect.spawn(
            sys.executable, ["-m", *command.split()], env=self.environ, encoding="utf-8", timeout=SECONDS,
            dimensions=(LINES, COLUMNS),
        )  # fmt: skip
        child.logfile_read = self
        for asks, answer in answers:
            child.expect_exact(asks)
            if "hidden" in asks or "assphrase" in asks:
                child.waitnoecho(SECONDS)
            child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        if child.exitstatus != ends:
            raise SystemExit(f"{command} ended with exit {child.exitstatus}:\n{self.plain()}")
        self.stream.feed("\r\n")

    def done(self, command: str, given: str = "") -> None:
        """Carry out a command that the picture does not show."""
        child = pexpect.spawn("/bin/sh", ["-c", f"{sys.executable} -m {command}"], env=self.environ, timeout=SECONDS)
        if given:
            child.sendline(given)
        child.expect(pexpect.EOF)
        child.close()
        if child.exitstatus:
            raise SystemExit(f"{command} ended with exit {child.exitstatus}: {child.before!r}")

    def write(self, text: str) -> None:
        """Take what the program wrote; pyte knows no dim text, which is grey here."""
        self.stream.feed(text.replace("\x1b[2m", "\x1b[90m"))

    def flush(self) -> None:
        """Do nothing: it is there already."""

    def plain(self) -> str:
        """Return what the terminal shows."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def lines(self) -> Iterator[Text]:
        """Yield the lines that the terminal shows, with their colours and with fixed words."""
        height = len(self.plain().split("\n"))
        for number in range(height):
            row = self.screen.buffer[number]
            cells = [row[column] for column in range(COLUMNS)]
            text = Text()
            for look, run in itertools.groupby(cells, key=lambda cell: (cell.fg, cell.bold, cell.underscore)):
                style = Style(color=_colour(look[0]), bold=look[1] or None, underline=look[2] or None)
                text.append("".join(cell.data for cell in run), style)
            text.rstrip()
            yield with_fixed_words(text)


def with_fixed_words(text: Text) -> Text:
    """Return a line with fixed words in place of those that differ from run to run, each in the colour it had."""
    for pattern, fixed in REPLACED:
        for match in reversed(list(re.finditer(pattern, text.plain))):
            style = text.get_style_at_offset(Console(), match.start())
            head, _, tail = text.divide([match.start(), match.end()])
            text = head.append(match.expand(fixed), style).append_text(tail)
    return text


def _colour(name: str) -> str | None:
    """Return rich's name of a terminal's colour."""
    known = {"brown": "yellow"}
    return None if name == "default" else known.get(name, name.replace("bright", "bright_"))


def tour(recording: Recording) -> None:
    """Show the tour of the sandbox."""
    recording.typed("kojikey sandbox --tour")


def first_key(recording: Recording) -> None:
    """Show the first key of a store whose KEK is a passphrase."""
    key = recording.sandbox.key("elevenlabs", "ok")
    recording.typed(
        f"kojikey add elevenlabs --base-url {key.base_url}",
        ("New passphrase", PASSPHRASE), ("Repeat the passphrase", PASSPHRASE), ("key (hidden)", key.key),
    )  # fmt: skip
    recording.typed("kojikey list")


def refused_key(recording: Recording) -> None:
    """Show a key that the provider does not know, and one that lacks a permission."""
    recording.environ["KOJIKEY_KEK"] = "A" * 43
    for name, answers in (("invalid_key", ()), ("missing_permission", (("anyway?", "n"),))):
        key = recording.sandbox.key("elevenlabs", name)
        command = f"kojikey add elevenlabs --base-url {key.base_url}"
        recording.typed(command, ("key (hidden)", key.key), *answers, ends=3)


def many_keys(recording: Recording) -> None:
    """Show a test of many keys, of which a few are not valid any more."""
    recording.environ["KOJIKEY_KEK"] = "A" * 43
    path = Path(recording.home) / "keys.jsonl"
    path.touch(mode=0o600)
    bad = {7: "invalid_key", 123: "missing_permission", 311: "invalid_key", 402: "quota_exhausted"}
    with path.open("w") as file:
        for number in range(MANY):
            key = recording.sandbox.key("elevenlabs", bad.get(number, "ok"))
            row = {"account": f"customer-{number:03}", "provider": "elevenlabs", "key": key.key}
            file.write(json.dumps({**row, "base_url": key.base_url}) + "\n")
    recording.done(f"kojikey add --batch {path} --no-test --jsonl --quiet")
    recording.typed("kojikey test --all-accounts", ends=3)


def rotation(recording: Recording) -> None:
    """Show a rotation, the versions after it, and that the old key still works until it is revoked."""
    recording.environ["KOJIKEY_KEK"] = "A" * 43
    old, new = recording.sandbox.key("elevenlabs", "ok"), recording.sandbox.key("elevenlabs", "ok_2")
    recording.environ["OLD_KEY"] = old.key
    recording.done(f"kojikey add elevenlabs --from-env OLD_KEY --base-url {old.base_url}")
    recording.typed("kojikey rotate elevenlabs", ("key (hidden)", new.key))
    recording.typed("kojikey history elevenlabs")
    recording.typed("kojikey rotate elevenlabs --retire", ends=3)


PICTURES: dict[str, tuple[str, Callable[[Recording], None]]] = {
    "tour": ("kojikey sandbox --tour", tour),
    "first-key": ("the first key", first_key),
    "refused-key": ("a key that is refused", refused_key),
    "many-keys": (f"a test of {MANY} keys", many_keys),
    "rotation": ("a rotation", rotation),
}


def main(arguments: Sequence[str]) -> int:
    """Write the pictures, or check those that are there."""
    stale = 0
    for name, (title, show) in PICTURES.items():
        path = FOLDER / f"{name}.svg"
        with recorded(show) as recording:
            svg = picture(recording.lines(), name=name, title=title)
        if list(arguments) != ["--check"]:
            path.write_text(svg, encoding="utf-8")
        elif not path.exists() or words(path.read_text(encoding="utf-8")) != words(svg):
            print(f"docs/{name}.svg is not what the program shows: python docs/tools/make_picture.py", file=sys.stderr)
            stale = 1
    return stale


@contextmanager
def recorded(show: Callable[[Recording], None]) -> Iterator[Recording]:
    """Yield the recording of what one function types."""
    with Sandbox() as sandbox, tempfile.TemporaryDirectory(prefix="kojikey-picture-", dir="/tmp") as home:
        recording = Recording(sandbox, home)
        show(recording)
        yield recording


def picture(lines: Iterator[Text], *, name: str, title: str) -> str:
    """Return the SVG. It loads no font from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in lines:
        console.print(line)
    svg = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id=name)
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def words(svg: str) -> list[str]:
    """Return the words in a picture, whichever version of rich drew it and in whichever order results came."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL)
    return sorted(" ".join(html.unescape(text).replace("\xa0", " ") for text in texts).split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
