"""Starts git so that no code of the repository runs: plumbing only, no filter, hook, pager, monitor or transport.

Owns: git's command line and environment. Must not: be used for a command that takes a work tree or writes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

from kojikey.model.errors import Effect, UsageError

_SAFE = (
    "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "-c", "core.commitGraph=false", "-c", "core.attributesFile=/dev/null", "-c", "protocol.allow=never",
)  # fmt: skip
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_NO_LAZY_FETCH": "1",  # what a partial clone lacks is not fetched: a remote of its own choice would be asked
    "GIT_ALLOW_PROTOCOL": "none",  # the same for a git that does not know the variable above
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_ATTR_NOSYSTEM": "1",
}
_PIPE = 1024 * 1024  # bytes; a smaller pipe makes git and us wait for each other more often
_DROPPED = ("GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_TRACE", "GIT_PROXY_COMMAND", "GIT_SSH", "GIT_SSH_COMMAND")
_ELSEWHERE = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")


class Git:
    """A repository, and how git is started in it."""

    def __init__(self, folder: str, *, is_named: bool) -> None:
        """``is_named``: the user named the folder, so that what a hook finds in its environment is not about it."""
        self.folder = folder
        dropped = {*_DROPPED, *(_ELSEWHERE if is_named else ())}
        self._environ = {name: value for name, value in os.environ.items() if name not in dropped} | _ENVIRONMENT

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start git and return the process.

        Raises:
            UsageError: there is no git.
        """
        try:
            process = subprocess.Popen(
                ("git", *_SAFE, "-C", self.folder, *arguments), env=self._environ, bufsize=_PIPE,
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            raise UsageError(
                "git was not found, and --git and --staged need it",
                hint="install git, or leave out the option to scan files",
                effect=Effect.NOTHING_READ,
            ) from None
        _widen(process)
        return process

    def ask(self, *arguments: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run git to its end; return its exit status, what it wrote, and what it said.

        Raises:
            UsageError: there is no git.
        """
        try:
            ended = subprocess.run(
                ("git", *_SAFE, "-C", self.folder, *arguments), env=self._environ, input=given, capture_output=True,
                check=False,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            self.start(*arguments)
            raise
        return ended.returncode, ended.stdout, ended.stderr

    def line(self, *arguments: str, given: bytes = b"") -> str | None:
        """Return the line that git writes, None where it fails."""
        status, out, _ = self.ask(*arguments, given=given)
        return out.decode("ascii", "replace").strip() if status == 0 else None


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Make the pipe of a process's output larger where the system allows it."""
    try:
        import fcntl

        if process.stdout:
            fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    except (ImportError, AttributeError, OSError):
        return  # not Linux, or over the user's limit


def repository_problem(git: Git) -> tuple[str, bool] | None:
    """Return the reason why git cannot read the repository, and whether there is none at all; None where it can."""
    status, _, said = git.ask("rev-parse", "--git-dir")
    if status == 0:
        return None
    if b"not a git repository" in said:
        return "is not in a git repository", True
    if b"dubious ownership" in said:
        return "belongs to another user, and git does not trust it", False
    return "git cannot read the repository", False


def empty_tree(git: Git) -> str | None:
    """Return the id of a tree with nothing in it, in the repository's own kind of hash."""
    return git.line("hash-object", "-t", "tree", "--stdin")


def feed(process: subprocess.Popen[bytes], data: bytes) -> threading.Thread:
    """Write to a process from a second thread: its answers may fill the pipe before it has read everything."""

    def write() -> None:
        with contextlib.suppress(OSError, ValueError):  # git was stopped: all was found
            assert process.stdin is not None  # noqa: S101 - it was started with a pipe
            process.stdin.write(data)
            process.stdin.close()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    return writer


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process, also one whose output was not read to its end, and return its exit status."""
    if process.stdout:
        if process.stdout.peek(1):  # type: ignore[attr-defined]
            process.terminate()
        process.stdout.close()
    return process.wait()
