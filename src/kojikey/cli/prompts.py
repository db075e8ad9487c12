"""The one place where a key or a passphrase is read: from a person, a stream, a variable or a file."""

from __future__ import annotations

import os
import stat
import sys

from kojikey.cli.command import Call
from kojikey.cli.report import say
from kojikey.cli.terminal import Terminal
from kojikey.model.errors import InputNeeded, MalformedKey, UsageError
from kojikey.model.plain_file import open_plain
from kojikey.model.secret import Secret

_LIMIT = 64 * 1024
_PROMPTS = {
    "open": "Passphrase of the store: ",
    "old": "A re-keying is under way. The old passphrase of the store: ",
    "announced": "A re-keying is under way. The new passphrase of the store: ",
}


def hidden(prompt: str) -> Secret:
    """Ask for a secret without echo, on the controlling terminal.

    Raises:
        KeyboardInterrupt: Ctrl-C; the terminal's echo is back as it was.
        InputNeeded: the input ended.
    """
    import getpass

    try:
        return Secret(getpass.getpass(prompt, stream=None))
    except EOFError:
        say("")  # Ctrl-D leaves the cursor behind the prompt
        raise InputNeeded("nothing was entered; nothing was changed") from None
    except UnicodeDecodeError:
        raise MalformedKey("what was entered is not text; nothing was changed") from None


def read_key(call: Call, terminal: Terminal, *, prompt: str) -> Secret:
    """Return the key as it came, from the one source that the options name, by default a hidden prompt.

    Raises:
        UsageError: two sources, or one that can not be read. InputNeeded: no source, and nobody may be asked.
    """
    variable, path = call.text("from_env"), call.text("from_file")
    if sum((call.flag("stdin"), variable is not None, path is not None)) > 1:
        raise UsageError("a key comes from one source: --stdin, --from-env or --from-file")
    if variable is not None:
        return _from_variable(variable, terminal)
    if path is not None:
        return _from_file(path, terminal)
    if call.flag("stdin") and not sys.stdin.isatty():
        return _from_stream()
    if not terminal.interactive:
        raise InputNeeded(
            f"a key is needed, and {terminal.why_unasked}; nothing was changed",
            hint="give it with --stdin, --from-env VAR or --from-file PATH",
        )
    return hidden(prompt)


def key_was_named(call: Call) -> bool:
    """Tell whether the options name a source for a key."""
    return call.flag("stdin") or call.text("from_env") is not None or call.text("from_file") is not None


def _from_variable(name: str, terminal: Terminal) -> Secret:
    value = terminal.environ.get(name)
    if value is None:
        raise UsageError(
            "the environment variable that --from-env names is not set; nothing was changed",
            hint="--from-env takes the name of a variable, not a key",
        )
    return Secret(value)


def _from_stream() -> Secret:
    try:
        return _decoded(sys.stdin.buffer.read(_LIMIT + 1), "standard input")
    except OSError:
        raise UsageError("standard input can not be read; nothing was changed") from None


def _from_file(path: str, terminal: Terminal) -> Secret:
    try:
        with open_plain(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file"
        raise UsageError(
            f"the file that --from-file names cannot be read ({reason}); nothing was changed",
            hint="name a plain file, or give the key with --stdin",
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077 and os.name == "posix":
        terminal.warn("others can read the file that the key came from; remove it once the key is saved")
    return _decoded(data, "the file")


def _decoded(data: bytes, where: str) -> Secret:
    if len(data) > _LIMIT:
        raise MalformedKey(f"{where} has more than {_LIMIT} bytes: that is not a key; nothing was changed")
    try:
        return Secret(data.decode("utf-8"))
    except UnicodeDecodeError:
        # `from None`: the exception holds what could not be decoded
        raise MalformedKey(f"{where} is not text; nothing was changed") from None


def passphrase(purpose: str) -> Secret:
    """Ask for a store's passphrase; a new one twice. While a re-keying is under way it says which of the two it wants.

    Raises:
        InputNeeded, UsageError: nothing was entered, or the two differ.
    """
    if purpose != "new":
        return hidden(_PROMPTS[purpose])
    first = hidden("New passphrase for the store: ")
    if not first.reveal():
        raise UsageError("a passphrase can not be empty; nothing was made")
    if hidden("The same once more: ").reveal() != first.reveal():
        raise UsageError("the two passphrases differ; nothing was made")
    return first
