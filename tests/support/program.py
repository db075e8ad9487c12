"""Runs the program for tests of the command line: in this process if that is enough, else in its own process.

Owns: a folder, a key-encryption key and a clean environment for one test. Must not: assert what a command does.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from unittest import mock

from kojikey.__main__ import run
from kojikey.testing import Sandbox, SandboxKey

KEK = base64.urlsafe_b64encode(bytes(range(32))).decode()
SECONDS = 60
# For a request that the sandbox holds back: it must not end by itself, however slow the machine is.
PATIENT = ("--timeout", "300")
LONGEST_SHOWN = 4
SLICE = 8


@dataclass(frozen=True)
class Ended:
    """The end of a command: exit code and output."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout; a ValueError if stdout has anything else."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results of the document."""
        results: list[dict[str, Any]] = self.document["results"]
        return results

    @property
    def result(self) -> dict[str, Any]:
        """The only result."""
        (result,) = self.results
        return result

    @property
    def error(self) -> dict[str, Any]:
        """The error of the document."""
        error: dict[str, Any] = self.document["error"]
        return error

    @property
    def said(self) -> str:
        """The whole output: stdout, then stderr."""
        return self.out + self.err


@dataclass
class Program:
    """kojikey with its own home, and a sandbox of providers."""

    home: Path
    sandbox: Sandbox
    environ: dict[str, str]
    seen: list[Ended] = field(default_factory=list)

    def __call__(
        self, *arguments: str, stdin: str | bytes = b"", encoding: str = "utf-8", **environ: str | None
    ) -> Ended:
        """Carry out a command line in this process. ``environ`` adds variables; None removes one."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
        read = io.TextIOWrapper(io.BytesIO(given), encoding=encoding)
        code = self._run(arguments, (read, out, err), environ)
        return self._ended(code, _bytes(out), _bytes(err))

    def on(self, descriptors: tuple[int, int, int], *arguments: str, **environ: str | None) -> int:
        """Carry out a command line in this process with these descriptors as its streams, and return the exit code."""
        with ExitStack() as stack:
            modes = zip(descriptors, ("r", "w", "w"), strict=True)
            files: list[IO[str]] = [
                stack.enter_context(open(number, mode, 1, "utf-8", closefd=False)) for number, mode in modes
            ]
            return self._run(arguments, files, environ)

    def _run(self, arguments: Sequence[str], streams: Sequence[IO[str]], environ: Mapping[str, str | None]) -> int:
        read, out, err = streams
        with (
            mock.patch.multiple(sys, stdin=read, stdout=out, stderr=err),
            mock.patch.dict(os.environ, self.with_environ(environ), clear=True),
        ):
            return run(list(arguments))

    def installed(self, *arguments: str | bytes, stdin: str | bytes = b"", **environ: str | None) -> Ended:
        """Carry out a command line in its own process."""
        finished = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=self.with_environ(environ),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return self._ended(finished.returncode, finished.stdout, finished.stderr)

    def shell(self, script: str, **environ: str | None) -> Ended:
        """Carry out a shell script in which ``kojikey`` is the program.

        ``-B``: under a limit on the size of files, Python would leave truncated byte code for later processes.
        """
        function = f'kojikey() {{ {sys.executable} -B -m kojikey "$@"; }}\n'
        finished = subprocess.run(
            ["bash", "-c", function + script],
            stdin=subprocess.DEVNULL,
            env=self.with_environ(environ),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return self._ended(finished.returncode, finished.stdout, finished.stderr)

    def with_environ(self, more: Mapping[str, str | None]) -> dict[str, str]:
        """Return the environment with additional variables, without those that are None."""
        return {name: value for name, value in {**self.environ, **more}.items() if value is not None}

    def key(self, provider: str = "elevenlabs", name: str = "ok") -> SandboxKey:
        """Return a made-up key."""
        return self.sandbox.key(provider, name)

    def add(self, provider: str = "elevenlabs", name: str = "ok", *more: str) -> Ended:
        """Add a made-up key."""
        key = self.key(provider, name)
        return self("add", provider, "--stdin", "--base-url", key.base_url, *more, stdin=key.key)

    def added(self, provider: str = "elevenlabs", name: str = "ok", *more: str) -> SandboxKey:
        """Add a made-up key, check that it was added, and return it."""
        ended = self.add(provider, name, *more)
        assert ended.code == 0, ended.said
        return self.key(provider, name)

    def rotate(self, provider: str = "elevenlabs", name: str = "ok_2", *more: str) -> Ended:
        """Rotate to a made-up key."""
        return self("rotate", provider, "--stdin", *more, stdin=self.key(provider, name).key)

    def listed(self, provider: str = "elevenlabs", *more: str) -> dict[str, Any]:
        """Return the row of a provider in ``list --json``."""
        ended = self("list", provider, "--json", *more)
        assert ended.code == 0, ended.said
        return ended.result

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """Return every file of the home with its time, mode and content."""
        return {
            str(path.relative_to(self.home)): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes())
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        }

    def contents(self) -> dict[str, Any]:
        """Return the rows of all keys and all events, without opening a key."""
        return {
            "list": self("list", "--all-accounts", "--json").results,
            "audit": self("audit", "--all-accounts", "--json").results,
        }

    def _ended(self, code: int, out: bytes, err: bytes) -> Ended:
        ended = Ended(code, out.decode("utf-8", "backslashreplace"), err.decode("utf-8", "backslashreplace"))
        self.seen.append(ended)
        return ended


COMMAND = (sys.executable, "-m", "kojikey")


def slices(key: str) -> Iterator[str]:
    """Yield each run of eight characters of a key; none may appear anywhere, because a mask shows at most four."""
    return (key[start : start + SLICE] for start in range(len(key) - SLICE + 1))


def pieces_in(key: str, text: str | bytes) -> list[str]:
    """Return the pieces of a key that a text or a file's content contains."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return [piece for piece in slices(key) if piece.encode() in data]


def _bytes(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()
