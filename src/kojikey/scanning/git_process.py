"""Starts git in such a way that no code of the repository runs: no filter, hook, pager, monitor or transport.

Owns: git's command line and environment. Must not: be used for commands that use a work tree, write, or are not
plumbing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

from kojikey.model.errors import Effect, UsageError
from kojikey.scanning.git_folder import has_fifo, is_closed

_SAFE = (
    "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "-c", "core.commitGraph=false", "-c", "core.attributesFile=/dev/null", "-c", "protocol.allow=never",
)  # fmt: skip
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would fetch missing objects from a remote that it names itself
    "GIT_ALLOW_PROTOCOL": "none",  # the same for a git that does not know the variable above
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_ATTR_NOSYSTEM": "1",
}
_PIPE = 1024 * 1024  # bytes; with a smaller pipe, git and kojikey wait for each other more often
_DROPPED = ("GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_TRACE", "GIT_PROXY_COMMAND", "GIT_SSH", "GIT_SSH_COMMAND")
_OTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)


class Git:
    """A repository in which git is started."""

    def __init__(self, folder: str, *, is_named: bool) -> None:
        """``is_named``: the user named the folder, so that the variables of a running hook are not about it."""
        self.folder = folder
        dropped = {*_DROPPED, *(_OTHER_REPOSITORY if is_named else ())}
        self.environ = {name: value for name, value in os.environ.items() if name not in dropped} | _ENVIRONMENT

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start git and return the process.

        Raises:
            UsageError: there is no git.
        """
        try:
            process = subprocess.Popen(
                ("git", *_SAFE, "-C", self.folder, *arguments), env=self.environ, bufsize=_PIPE,
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            raise _no_git() from None
        _widen(process)
        return process

    def ask(self, *arguments: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run git to its end; return its exit status, its output and its messages (stderr).

        Raises:
            UsageError: there is no git.
        """
        try:
            ended = subprocess.run(
                ("git", *_SAFE, "-C", self.folder, *arguments), env=self.environ, input=given, capture_output=True,
                check=False,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            raise _no_git() from None
        return ended.returncode, ended.stdout, ended.stderr

    def line(self, *arguments: str, given: bytes = b"") -> str | None:
        """Return the line that git prints, None if it fails."""
        status, out, _ = self.ask(*arguments, given=given)
        return out.decode("ascii", "replace").strip() if status == 0 else None


def _no_git() -> UsageError:
    return UsageError(
        "git was not found, and --git and --staged need it",
        hint="install git, or leave out the option to scan files",
        effect=Effect.NOTHING_READ,
    )


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Make the pipe of a process's output larger if the system allows it."""
    try:
        import fcntl

        if process.stdout:
            fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    except (ImportError, AttributeError, OSError):
        return  # not Linux, or above the user's limit


def repository_problem(git: Git) -> tuple[str, bool] | None:
    """Return the reason why git cannot read the repository, and whether there is none at all; None if it can."""
    if has_fifo(git.folder, git.environ):
        return "a FIFO stands in place of one of git's files", False
    status, _, messages = git.ask("rev-parse", "--git-dir")
    if status == 0:
        return None
    if is_closed(git.folder, git.environ):
        return "this user may not read the repository", False
    if b"not a git repository" in messages:
        return "is not in a git repository", True
    if b"dubious ownership" in messages:
        return "belongs to another user, and git does not trust it", False
    return "git cannot read the repository", False


def empty_tree(git: Git) -> str | None:
    """Return the id of an empty tree, in the repository's kind of hash."""
    return git.line("hash-object", "-t", "tree", "--stdin")


def feed(process: subprocess.Popen[bytes], data: bytes) -> threading.Thread:
    """Write to a process in a second thread, because its output may fill the pipe before it has read everything."""

    def write() -> None:
        with contextlib.suppress(OSError, ValueError):  # git was stopped, because all objects were found
            assert process.stdin is not None  # noqa: S101 - it was started with a pipe
            process.stdin.write(data)
            process.stdin.close()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    return writer


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process, even if its output was not read completely, and return its exit status."""
    if process.stdout:
        if process.stdout.peek(1):  # type: ignore[attr-defined]
            process.terminate()
        process.stdout.close()
    return process.wait()
