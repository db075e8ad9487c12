"""Makes the picture of the tour from what ``kojikey sandbox --tour`` writes to a terminal.

``python docs/tools/make_picture.py`` writes ``docs/tour.svg``, ``--check`` exits 1 where the words in it are no longer
those of the program. What differs from run to run (the port, the folder, a date) is replaced by fixed words.
"""

from __future__ import annotations

import fcntl
import html
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "tour.svg"
COLUMNS = 96
REPLACED = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8765"),
    (r"\S*/kojikey-tour-\w+/", "/tmp/kojikey-tour/"),
    (r"resets \d{4}-\d\d-\d\d", "resets 2027-01-01"),
)


def main(arguments: list[str]) -> int:
    """Write the picture, or check the one that is there."""
    lines = tour()
    if arguments == ["--check"]:
        if words(PICTURE.read_text(encoding="utf-8")) == words(picture(lines)):
            return 0
        print("docs/tour.svg is not what the program shows: python docs/tools/make_picture.py", file=sys.stderr)
        return 1
    PICTURE.write_text(picture(lines), encoding="utf-8")
    return 0


def tour() -> str:
    """Return what the tour writes to a terminal, with colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}
    command = [sys.executable, "-m", "kojikey", "sandbox", "--tour"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, env=environ
    ) as program:
        os.close(theirs)
        written = b""
        while part := read(ours):
            written += part
    os.close(ours)
    if program.returncode:
        raise SystemExit(f"the tour ended with exit {program.returncode}")
    shown = written.decode().replace("\r\n", "\n")
    for pattern, fixed in REPLACED:
        shown = re.sub(pattern, fixed, shown)
    return shown


def read(terminal: int) -> bytes:
    """Return the next bytes, none at the end (which Linux tells by EIO)."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def picture(shown: str) -> str:
    """Return the SVG. It loads no font from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text("$ kojikey sandbox --tour", style="cyan"))
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="kojikey sandbox --tour", theme=DIMMED_MONOKAI, unique_id="tour")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def words(svg: str) -> list[str]:
    """Return the words in a picture, whichever version of rich drew it."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL)
    return " ".join(html.unescape(text).replace("\xa0", " ") for text in texts).split()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
