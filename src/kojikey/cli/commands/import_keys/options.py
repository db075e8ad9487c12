"""The arguments and options of ``kojikey import``, which its modules read."""

from __future__ import annotations

from kojikey.cli.command import Arguments, Flag, Texts

FILES = Arguments(
    "files", "[FILE]...", ".env or JSON files, - for standard input (default: .env and .env.local here)",
    complete="file",
)  # fmt: skip
ENV = Flag("--env", help="also the variables of the environment")
MAP = Texts("--map", help="the key under this name is one of that provider; may be repeated", metavar="NAME=P")
ROTATE = Flag("--rotate", help="if the account has another key, rotate to the one that was found")
COMMENT_OUT = Flag("--comment-out", help="replace the lines of saved keys by a comment, once all are saved")
