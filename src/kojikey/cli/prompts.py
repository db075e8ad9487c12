"""Reads a key or a passphrase: from a person, standard input, a variable or a file. No other module does.

Owns: the text of a prompt, the number of tries, and the name of a source that is empty. Must not: repeat what was read.
"""

from __future__ import annotations

import os
import re
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

_LIMIT_BYTES = 64 * 1024
_VARIABLE = re.compile(r"[A-Z]{1,16}(?:_[A-Z0-9]{1,16}){0,5}")
_NO_SECRETS = "in CI it may be a secret that is not set; forks and bots get no secrets"
_ONLY_THE_KEY = "give only the key, as plain text"
_KEEP_IT_HIDDEN = "do not paste the secret now: the shell would show it and keep it in its history"


def ask_hidden(prompt: str) -> Secret:
    """Ask for a secret without echo, on the controlling terminal.

    Raises:
        KeyboardInterrupt: Ctrl-C; the terminal's echo is restored.
        InputNeeded: the input ended. MalformedKey: the line is not text, or too long for a terminal.
    """
    try:
        return Secret(controlling_terminal.ask(prompt, hidden=True))
    except controlling_terminal.LineTooLong:
        raise MalformedKey(
            "what was entered is longer than a terminal passes on, so its end is missing",
            hint="give a key with --stdin or --from-file PATH, a passphrase with KOJIKEY_PASSPHRASE_FILE",
            effect=Effect.NOTHING_CHANGED,
        ) from None
    except EOFError:
        raise InputNeeded("nothing was entered", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CHANGED) from None
    except UnicodeDecodeError:
        raise MalformedKey("what was entered is not text", effect=Effect.NOTHING_CHANGED) from None


def _ask_until_filled(prompt: str) -> Secret:
    """Ask for a secret, and again after an empty line: a key that is pasted late must not reach the shell.

    Raises:
        InputNeeded: the input ended, or every line was empty. MalformedKey: a line is not text.
    """
    for left in reversed(range(TRIES)):
        secret = ask_hidden(prompt)
        if secret.reveal().strip():
            return secret
        if left:
            say("kojikey: nothing was entered; please try again")
    controlling_terminal.discard_typed()
    raise InputNeeded("nothing was entered", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CHANGED)


def read_key(call: Call, terminal: Terminal, *, prompt: str) -> Secret:
    """Return the key unchanged, from the source that the options name, else from a hidden prompt.

    Raises:
        UsageError: two sources, or one that cannot be read. InputNeeded: no source, and no question is allowed.
        MalformedKey: the source is empty or is not text.
    """
    check_one_source(call)
    variable, path = call.get(FROM_ENV), call.get(FROM_FILE)
    if variable is not None:
        return _from_variable(variable, terminal)
    if path is not None:
        return _from_file(path, terminal)
    if call.get(STDIN) and not sys.stdin.isatty():
        return _from_stdin()
    if not terminal.interactive:
        raise InputNeeded(
            f"a key is needed, and {terminal.why_unasked}",
            hint="give it with --stdin, --from-env VAR or --from-file PATH",
            effect=Effect.NOTHING_CHANGED,
        )
    return _ask_until_filled(prompt)


def check_one_source(call: Call) -> None:
    """Check that the options name at most one source for a key. Commands call it before they open a store.

    Raises:
        UsageError: they name several.
    """
    if len(call.given(STDIN, FROM_ENV, FROM_FILE)) > 1:
        raise UsageError(
            "choose one source for the key: --stdin, --from-env or --from-file",
            hint="leave out the others",
            effect=Effect.NOTHING_CHANGED,
        )


def has_key_source(call: Call) -> bool:
    """Return whether the options name a source for a key."""
    return call.get(STDIN) or call.get(FROM_ENV) is not None or call.get(FROM_FILE) is not None


def _from_variable(name: str, terminal: Terminal) -> Secret:
    value = terminal.environ.get(name)
    if value is None and _is_variable_name(name):
        raise UsageError(f"the variable {name} is not set", hint=_NO_SECRETS, effect=Effect.NOTHING_CHANGED)
    if value is None:
        raise UsageError(
            "the environment variable that --from-env names is not set",
            hint="--from-env takes the name of a variable, not a key",
            effect=Effect.NOTHING_CHANGED,
        )
    return _filled(value, f"the variable {name}", hint=_NO_SECRETS)


def _is_variable_name(text: str) -> bool:
    """Return whether a text has the form of a variable's name and is not a key instead of one."""
    from kojikey.model.key_detection import looks_like_key

    return _VARIABLE.fullmatch(text) is not None and not looks_like_key(text)


def _from_stdin() -> Secret:
    try:
        data = sys.stdin.buffer.read(_LIMIT_BYTES + 1)
    except OSError:
        raise UsageError("standard input cannot be read", effect=Effect.NOTHING_CHANGED) from None
    return _secret(data, "standard input", hint="the program before the | wrote nothing")


def _from_file(path: str, terminal: Terminal) -> Secret:
    try:
        with open_plain(expanded(path, what="--from-file")) as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LIMIT_BYTES + 1)
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
    if len(data) > _LIMIT_BYTES:
        raise MalformedKey(
            f"{where} has more than {_LIMIT_BYTES} bytes: that is not a key",
            hint=_ONLY_THE_KEY,
            effect=Effect.NOTHING_CHANGED,
        )
    text = decoded(data)
    if text is None:
        raise MalformedKey(f"{where} is not text", hint=_ONLY_THE_KEY, effect=Effect.NOTHING_CHANGED)
    return _filled(text, where, hint=hint)


def _filled(text: str, where: str, *, hint: str) -> Secret:
    if not text.strip():
        raise MalformedKey(f"{where} is empty", hint=hint, effect=Effect.NOTHING_SENT_OR_CHANGED)
    return Secret(text)


class PassphrasePrompt:
    """Asks for the passphrase of a store, twice for a new one. ``store`` is its name, empty for the local store."""

    def __init__(self, terminal: Terminal, *, store: str = "") -> None:
        self._terminal, self._store = terminal, f"the store {store}" if store else "the store"

    def __call__(self, purpose: str) -> Secret:
        """Ask for a passphrase. During a re-keying there are two; the prompt says which one is meant.

        Raises:
            InputNeeded: nothing was entered. UsageError: a new one and its repetition differed each time.
            KekMissing: a new one is needed, and no question is allowed.
        """
        if purpose == "new":
            return self._new()
        which = {"old": "old ", "announced": "new "}.get(purpose, "")
        if which:
            return ask_hidden(f"A re-keying is under way. The {which}passphrase of {self._store}: ")
        return ask_hidden(f"Passphrase of {self._store}: ")

    def _new(self) -> Secret:
        if not self._terminal.interactive:
            raise KekMissing(
                f"a new passphrase is needed, and {self._terminal.why_unasked}", effect=Effect.NOTHING_CREATED
            )
        for left in reversed(range(TRIES)):
            first = _ask_until_filled(f"New passphrase for {self._store}: ")
            if ask_hidden("Repeat the passphrase: ").reveal() == first.reveal():
                return first
            if left:
                say("kojikey: the two passphrases differ; please try again")
        controlling_terminal.discard_typed()
        raise UsageError("the two passphrases differ", hint=_KEEP_IT_HIDDEN, effect=Effect.NOTHING_CREATED)
