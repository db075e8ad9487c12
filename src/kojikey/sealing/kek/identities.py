"""The user's own identities, which open a KEK that was sealed to their public key.

They are in KOJIKEY_IDENTITY (the text of an age identity) and KOJIKEY_IDENTITY_FILE; if neither is set, in
``~/.ssh/id_ed25519`` and ``~/.ssh/id_rsa``.

Owns: finding and reading identities, and asking for the passphrase of an identity, once and only if it is needed.
Must not: start a plugin for any identity that the user did not name, or repeat an identity.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial

from kojikey.model.errors import CannotOpen, Effect, KekMissing, KekUnavailable
from kojikey.model.home import expanded
from kojikey.model.plain_text import one_line
from kojikey.model.secret import HiddenBytes, NotSerialisable, Secret
from kojikey.model.text_file import decoded
from kojikey.sealing.kek import private_file, ssh_key
from kojikey.sealing.kek.age_recipients import guarded, is_failure, is_for_plugins, library, plugin_of
from kojikey.sealing.kek.base import IDENTITY_FILE_VARIABLE, IDENTITY_VARIABLE, KekInputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # pyrage has no types

DEFAULT_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_rsa")
TRIES = 3  # of a person who is asked for the passphrase of an identity
_LIMIT = 64 * 1024  # bytes of a file of identities
_AGE_FILE = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")
_PLUGIN = re.compile(r"AGE-PLUGIN-([A-Z0-9-]+)-1[02-9AC-HJ-NP-Z]*")


class Identity(NotSerialisable, ABC):
    """One identity; ``label`` names its file or variable."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        self.label = label

    @abstractmethod
    def matches(self, recipient: str) -> bool | None:
        """Return whether this identity belongs to a recipient, None if only trying to open shows it."""

    def open(self, sealed: bytes) -> HiddenBytes | None:
        """Return the content of an age file, None if it was not sealed to this identity.

        Raises:
            KekMissing: the identity has a passphrase, and nobody can be asked. KekUnavailable: it cannot be used.
        """
        identity = self._usable()
        try:
            return HiddenBytes(library().decrypt(bytes(sealed), [identity]))
        except BaseException as error:
            if not is_failure(error):
                raise
            return None

    @abstractmethod
    def _usable(self) -> object:
        """Return the age library's object for this identity."""

    def __repr__(self) -> str:
        return f"<Identity {self.label}>"


class AgeIdentity(Identity):
    """An identity of age's own kind, ``AGE-SECRET-KEY-1…``."""

    __slots__ = ("_identity", "_recipient")

    def __init__(self, label: str, text: Secret) -> None:
        super().__init__(label)
        try:
            self._identity = guarded(lambda age: age.x25519.Identity.from_str(text.reveal()), label)
        except KekUnavailable as error:
            raise (error if error.hint else _unreadable(label)) from None
        self._recipient = str(self._identity.to_public())

    def matches(self, recipient: str) -> bool:
        """See :meth:`Identity.matches`."""
        return recipient == self._recipient

    def _usable(self) -> object:
        return self._identity


class PluginIdentity(Identity):
    """An identity in a plugin, ``AGE-PLUGIN-NAME-1…``. The user named it, so its plugin may be started."""

    __slots__ = ("_callbacks", "_name", "_text")

    def __init__(self, label: str, text: Secret, inputs: KekInputs) -> None:
        super().__init__(label)
        found = _PLUGIN.fullmatch(text.reveal())
        if found is None:
            raise _unreadable(label)
        self._name, self._text, self._callbacks = found[1].lower(), text, PluginCallbacks(inputs, found[1].lower())

    def matches(self, recipient: str) -> bool | None:
        """See :meth:`Identity.matches`; it is False for a recipient of another plugin."""
        return None if is_for_plugins(recipient) and plugin_of(recipient) in (None, self._name) else False

    def _usable(self) -> object:
        def started(age: Any) -> Any:
            plugin = age.plugin
            return plugin.IdentityPluginV1(self._name, [plugin.Identity.from_str(self._text.reveal())], self._callbacks)

        return guarded(started, f"age-plugin-{self._name}")


class SshIdentity(Identity):
    """A private SSH key. In OpenSSH's own format, the public half is readable without the passphrase."""

    __slots__ = ("_content", "_inputs", "_recipient", "_used")

    def __init__(self, label: str, content: HiddenBytes, inputs: KekInputs) -> None:
        super().__init__(label)
        self._content, self._inputs = content, inputs
        self._used: object = None
        self._recipient = ssh_key.public_half(content)

    def matches(self, recipient: str) -> bool | None:
        """See :meth:`Identity.matches`."""
        if self._recipient is None:
            return None if recipient.startswith("ssh-rsa ") else False
        return recipient == self._recipient

    def _usable(self) -> object:
        if self._used is None:
            plain = _decrypted_key(self._content, self.label, self._inputs)
            self._used = guarded(lambda age: age.ssh.Identity.from_buffer(bytes(plain)), f"the SSH key {self.label}")
        return self._used


class PluginCallbacks:
    """The functions that a plugin may call. They never raise, because the library would end the process."""

    def __init__(self, inputs: KekInputs, name: str) -> None:
        self._inputs, self._name = inputs, name

    def display_message(self, message: str) -> None:
        """Show a message of the plugin, for example that a device waits to be touched."""
        if self._inputs.warn is not None:
            self._inputs.warn(f"age-plugin-{self._name} says: {one_line(str(message))[:500]}")

    def confirm(self, message: str, yes: str, no: str | None) -> bool | None:  # noqa: ARG002 - the library's signature
        """Answer no question: a person does such a step with the plugin's own program."""
        return None

    def request_public_string(self, description: str) -> str | None:  # noqa: ARG002 - as above
        """Return no text."""
        return None

    def request_passphrase(self, description: str) -> str | None:
        """Ask a person, if there is one, for the plugin's passphrase or PIN."""
        if self._inputs.ask_identity is None:
            return None
        try:
            return self._inputs.ask_identity(f"age-plugin-{self._name} ({one_line(str(description))[:100]})").reveal()
        except BaseException:  # see the class
            return None


def own_identities(inputs: KekInputs) -> Iterator[Identity]:
    """Yield the identities in the two variables, or if neither is set, those in the default files that exist.

    Raises:
        KekMissing: a named file does not exist. KekUnavailable: it cannot be used, or has no identity.
    """
    text = HiddenBytes(inputs.environ.get(IDENTITY_VARIABLE, "").encode("utf-8", "surrogateescape"))
    path = inputs.environ.get(IDENTITY_FILE_VARIABLE)
    if text:
        yield from _identities(text, IDENTITY_VARIABLE, inputs)
    if path:
        yield from _of_file(expanded(path, what=IDENTITY_FILE_VARIABLE), inputs, may_be_pipe=True)
    if text or path:
        return
    for name in DEFAULT_FILES:
        path = expanded(name, what="the path of an SSH key") if os.environ.get("HOME") != "" else ""
        if path and os.path.exists(path):
            try:
                yield from _of_file(path, inputs, may_be_pipe=False)
            except CannotOpen as error:  # the user did not name it, and another identity may open the KEK
                if inputs.warn is not None:
                    inputs.warn(str(error))


def _of_file(path: str, inputs: KekInputs, *, may_be_pipe: bool) -> Iterator[Identity]:
    content = private_file.read(path, what="identity file", warn=inputs.warn, limit=_LIMIT, may_be_pipe=may_be_pipe)
    yield from _identities(content, path, inputs)


def _identities(content: HiddenBytes, label: str, inputs: KekInputs) -> Iterator[Identity]:
    """Yield the identities in a file or variable: an SSH key, or lines of age identities, perhaps encrypted by age."""
    if content.startswith(_AGE_FILE):
        content = _decrypted_file(content, label, inputs)
    text = Secret(decoded(content) or "")
    if "PRIVATE KEY-----" in text.reveal():
        yield SshIdentity(label, content, inputs)
        return
    lines = [Secret(line.strip()) for line in text.reveal().splitlines() if line.strip() and line.strip()[0] != "#"]
    if not lines:
        raise KekMissing(f"there is no identity in {label}", hint="this creates an identity: age-keygen -o FILE")
    for line in lines:
        if line.reveal().startswith("AGE-PLUGIN-"):
            yield PluginIdentity(label, line, inputs)
        elif line.reveal().startswith("AGE-SECRET-KEY-1"):
            yield AgeIdentity(label, line)
        else:
            raise _unreadable(label)


def _unreadable(label: str) -> KekUnavailable:
    return KekUnavailable(
        f"{label} contains something other than age identities or a private SSH key; it is not repeated here",
        hint="a line of it is AGE-SECRET-KEY-1… or AGE-PLUGIN-NAME-1…",
    )


def _decrypted_file(content: HiddenBytes, label: str, inputs: KekInputs) -> HiddenBytes:
    """Return the content of a file that age has encrypted with a passphrase."""
    for left in reversed(range(TRIES)):
        passphrase = _ask_passphrase(label, inputs)
        try:
            plain = guarded(partial(_decrypted_with, content, passphrase), label)
        except KekUnavailable as error:
            if error.hint:
                raise
            _warn_of_wrong_passphrase(label, inputs, left)
        else:
            return HiddenBytes(plain)
    raise _wrong_passphrase(label)


def _decrypted_with(content: HiddenBytes, passphrase: Secret, age: Any) -> HiddenBytes:
    return HiddenBytes(age.passphrase.decrypt(bytes(content), passphrase.reveal()))


def _decrypted_key(content: HiddenBytes, label: str, inputs: KekInputs) -> HiddenBytes:
    """Return a private SSH key without encryption, the only form that the age library reads; it stays in memory."""
    plain = ssh_key.without_passphrase(content, None, label)
    if plain is not None:
        return plain
    for left in reversed(range(TRIES)):
        plain = ssh_key.without_passphrase(content, _ask_passphrase(label, inputs), label)
        if plain is not None:
            return plain
        _warn_of_wrong_passphrase(label, inputs, left)
    raise _wrong_passphrase(label)


def _ask_passphrase(label: str, inputs: KekInputs) -> Secret:
    if inputs.ask_identity is None:
        raise KekMissing(
            f"the identity {label} has a passphrase, and {inputs.why_unasked}",
            hint=f"run on a terminal, or set {IDENTITY_FILE_VARIABLE} to an identity without one",
        )
    return inputs.ask_identity(label)


def _warn_of_wrong_passphrase(label: str, inputs: KekInputs, left: int) -> None:
    if left and inputs.warn is not None:
        inputs.warn(f"that is not the passphrase of {label}; type it again")


def _wrong_passphrase(label: str) -> KekUnavailable:
    return KekUnavailable(
        f"that is not the passphrase of {label}",
        hint=f"run the command again, or set {IDENTITY_FILE_VARIABLE} to another identity",
        effect=Effect.NOTHING_OPENED,
    )
