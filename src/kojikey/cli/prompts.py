"""The one place where a key or a passphrase is read: from a person, a stream, a variable or a file.

Owns: what a prompt says, how often it is asked, and naming an empty source. Must not: repeat anything that was read.
"""

from __future__ import annotations

import os
import stat
import sys

from kojikey.cli import controlling_terminal
from kojikey.cli.command import Call
from kojikey.cli.options import FROM_ENV, FROM_FILE, STDIN
from kojikey.cli.output.failure import say
from kojikey.cli.output.terminal import TRIES, Terminal
from kojikey.model.errors import Effect, InputNeeded, KekMissing, MalformedKey, UsageError
from kojikey.model.home import expanded
from kojikey.model.plain_file import open_plain
from kojikey.model.secret import Secret
from kojikey.model.text_file import decoded

_LIMIT = 64 * 1024
_NO_SECRETS = "in CI it may be a secret that is not set; forks and bots get no secrets"
_KEEP_IT_HIDDEN = "do not paste the secret now: the shell would show it and keep it in its history"


def hidden(prompt: str) -> Secret:
    """Ask for a secret without echo, on the controlling terminal.

    Raises:
        KeyboardInterrupt: Ctrl-C; the terminal's echo is back as it was.
        InputNeeded: the input ended.
    """
    try:
        return Secret(controlling_terminal.ask(prompt, hidden=True))
    except EOFError:
        raise InputNeeded("nothing was entered", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CHANGED) from None
    except UnicodeDecodeError:
        raise MalformedKey("what was entered is not text", effect=Effect.NOTHING_CHANGED) from None


def _hidden_and_filled(prompt: str) -> Secret:
    """Ask for a secret, again where Enter alone was pressed: what is pasted after that must not land in the shell.

    Raises:
        InputNeeded: the input ended, or nothing was entered each time.
    """
    for left in reversed(range(TRIES)):
        secret = hidden(prompt)
        if secret.reveal().strip():
            return secret
        if left:
            say("kojikey: nothing was entered; please try again")
    controlling_terminal.discard_typed()
    raise InputNeeded("nothing was entered", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CHANGED)


def read_key(call: Call, terminal: Terminal, *, prompt: str) -> Secret:
    """Return the key as it came, from the one source that the options name, by default a hidden prompt.

    Raises:
        UsageError: two sources, or one that cannot be read. InputNeeded: no source, and nobody may be asked.
        MalformedKey: the source is empty or is not text.
    """
    check_one_source(call)
    variable, path = call.get(FROM_ENV), call.get(FROM_FILE)
    if variable is not None:
        return _from_variable(variable, terminal)
    if path is not None:
        return _from_file(path, terminal)
    if call.get(STDIN) and not sys.stdin.isatty():
        return _from_stream()
    if not terminal.interactive:
        raise InputNeeded(
            f"a key is needed, and {terminal.why_unasked}",
            hint="give it with --stdin, --from-env VAR or --from-file PATH",
            effect=Effect.NOTHING_CHANGED,
        )
    return _hidden_and_filled(prompt)


def check_one_source(call: Call) -> None:
    """Check that the options name one source for a key at most, before a store is opened for it.

    Raises:
        UsageError: they name two.
    """
    if len(call.given(STDIN, FROM_ENV, FROM_FILE)) > 1:
        raise UsageError(
            "choose one source for the key: --stdin, --from-env or --from-file",
            hint="leave out the others",
            effect=Effect.NOTHING_CHANGED,
        )


def key_was_named(call: Call) -> bool:
    """Return whether the options name a source for a key."""
    return call.get(STDIN) or call.get(FROM_ENV) is not None or call.get(FROM_FILE) is not None


def _from_variable(name: str, terminal: Terminal) -> Secret:
    value = terminal.environ.get(name)
    if value is None:
        raise UsageError(
            "the environment variable that --from-env names is not set",
            hint="--from-env takes the name of a variable, not a key",
            effect=Effect.NOTHING_CHANGED,
        )
    return _filled(value, f"the variable {name}", hint=_NO_SECRETS)


def _from_stream() -> Secret:
    try:
        data = sys.stdin.buffer.read(_LIMIT + 1)
    except OSError:
        raise UsageError("standard input cannot be read", effect=Effect.NOTHING_CHANGED) from None
    return _secret(data, "standard input", hint="the program before the | wrote nothing")


def _from_file(path: str, terminal: Terminal) -> Secret:
    try:
        with open_plain(expanded(path, what="--from-file")) as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file"
        raise UsageError(
            f"the file that --from-file names cannot be read ({reason})",
            hint="name a regular file, or give the key with --stdin",
            effect=Effect.NOTHING_CHANGED,
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077 and os.name == "posix":
        terminal.warn("others can read the file that the key came from; remove it once the key is saved")
    return _secret(data, f"the file {path}" if path.isprintable() else "the file", hint="save the key in it first")


def _secret(data: bytes, where: str, *, hint: str) -> Secret:
    if len(data) > _LIMIT:
        raise MalformedKey(f"{where} has more than {_LIMIT} bytes: that is not a key", effect=Effect.NOTHING_CHANGED)
    text = decoded(data)
    if text is None:
        raise MalformedKey(f"{where} is not text", effect=Effect.NOTHING_CHANGED)
    return _filled(text, where, hint=hint)


def _filled(text: str, where: str, *, hint: str) -> Secret:
    if not text.strip():
        raise MalformedKey(f"{where} is empty", hint=hint, effect=Effect.NOTHING_SENT_OR_CHANGED)
    return Secret(text)


class PassphrasePrompt:
    """Asks for a store's passphrase; a new one twice. ``store`` is its name for people, empty for the local one."""

    def __init__(self, terminal: Terminal, *, store: str = "") -> None:
        self._terminal, self._of = terminal, f"the store {store}" if store else "the store"

    def __call__(self, purpose: str) -> Secret:
        """Ask for a passphrase. While a re-keying is under way it says which of the two it wants.

        Raises:
            InputNeeded, UsageError: nothing was entered, or a new one and its repetition differed each time.
            KekMissing: a new one is wanted, and standard input is no terminal.
        """
        if purpose == "new":
            return self._new()
        which = {"old": "old ", "announced": "new "}.get(purpose, "")
        if which:
            return hidden(f"A re-keying is under way. The {which}passphrase of {self._of}: ")
        return hidden(f"Passphrase of {self._of}: ")

    def _new(self) -> Secret:
        if not self._terminal.interactive:
            raise KekMissing(
                f"a new passphrase is needed, and {self._terminal.why_unasked}", effect=Effect.NOTHING_CREATED
            )
        for left in reversed(range(TRIES)):
            first = _hidden_and_filled(f"New passphrase for {self._of}: ")
            if hidden("Repeat the passphrase: ").reveal() == first.reveal():
                return first
            if left:
                say("kojikey: the two passphrases differ; please try again")
        controlling_terminal.discard_typed()
        raise UsageError("the two passphrases differ", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CREATED)
