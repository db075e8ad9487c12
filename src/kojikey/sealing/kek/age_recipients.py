"""Recipients of a KEK: age recipients and SSH public keys, their forms, and sealing to one of them.

Owns: the forms, and the rule for plugins: one is started only for a recipient that the user named on the command line,
never for one that was read from a store. Must not: know identities, or the sealed content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from kojikey.model.errors import Effect, KekUnavailable, UsageError
from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # pyrage has no types

FORMS = "a recipient is age1…, or an SSH public key: ssh-ed25519 AAAA… or ssh-rsa AAAA…"
COMMENT_LIMIT = 100  # characters
TEXT_LIMIT = 4096  # characters of a recipient: an RSA key of 16,384 bits has 2,800
_LIST_LIMIT = 1000  # lines in a file of recipients
_SSH = re.compile(r"ssh-(?:ed25519|rsa) AAAA[A-Za-z0-9+/]+={0,2}")
_AGE = re.compile(r"age1(?:([a-z0-9-]+)1)?[02-9ac-hj-np-z]+")
_SECRETS = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY")
_NATIVE = {None: "x25519", "tag": "tag", "tagpq": "tagpq"}
_SHOWN = 24  # characters of a recipient without comment


class Recipient(NamedTuple):
    """A public key in its canonical form, and its comment."""

    text: str
    comment: str = ""

    @property
    def name(self) -> str:
        """The name for people: its comment, else the beginning of the key."""
        return self.comment or (self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…")


def parsed(line: str) -> Recipient:
    """Return the recipient in a line: a public key, and the text after it as its comment.

    Raises:
        UsageError: the line has no recipient. It is not repeated: it may be a secret.
        KekUnavailable: the age library is not installed.
    """
    if any(secret in line.upper() for secret in _SECRETS):
        raise UsageError(
            "that is a secret identity, not a recipient; it was not used and is not repeated here",
            hint="name the public key, which begins with age1 or ssh-, or the .pub file as @FILE",
        )
    words = line.split()
    length = 2 if words and words[0].startswith("ssh-") else 1
    recipient = Recipient(" ".join(words[:length]), " ".join(words[length:]))
    if not _is_recipient(recipient.text):
        raise UsageError("that is not a recipient", hint=FORMS, effect=Effect.NOTHING_CHANGED)
    if len(recipient.comment) > COMMENT_LIMIT or not recipient.comment.isprintable():
        raise UsageError(f"a comment has at most {COMMENT_LIMIT} printable characters", effect=Effect.NOTHING_CHANGED)
    return recipient


def parsed_file(text: str) -> tuple[Recipient, ...]:
    """Return the recipients in a file, one per line; empty lines and comments (#) are skipped.

    Raises:
        UsageError: a line is not a recipient (the error has its number), or there is no recipient.
    """
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines[:_LIST_LIMIT], 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(parsed(line))
            except UsageError as error:
                error.place = f"line {number}"
                raise
    if not found or len(lines) > _LIST_LIMIT:
        raise UsageError("that file has no recipient, or far too many lines", hint=FORMS, effect=Effect.NOTHING_CHANGED)
    return tuple(found)


def has_form(text: str) -> bool:
    """Return whether a text has the form of a recipient; only the age library knows whether it is valid."""
    return len(text) <= TEXT_LIMIT and bool(_SSH.fullmatch(text) or _AGE.fullmatch(text))


def plugin_of(text: str) -> str | None:
    """Return the name of the plugin that a recipient needs, None if it needs none."""
    found = _AGE.fullmatch(text)
    return found[1] if found and found[1] not in _NATIVE else None


def is_for_plugins(text: str) -> bool:
    """Return whether a recipient's identity is in a plugin, even if sealing to it needs none (``age1tag…``)."""
    found = _AGE.fullmatch(text)
    return bool(found and found[1])


def library() -> Any:
    """Return pyrage.

    Raises:
        KekUnavailable: it is not installed.
    """
    try:
        import pyrage
    except ImportError:
        raise KekUnavailable(
            "a KEK for several people needs the age library, which is not installed here",
            hint="pip install 'kojikey[age]'",
            effect=Effect.NOTHING_DONE,
        ) from None
    return pyrage


def seal(plaintext: bytes, recipient: str, *, named: Collection[str], callbacks: object) -> str:
    """Return an armored age file that only this recipient can open.

    Raises:
        UsageError: the recipient needs a plugin and is not one that the user ``named``.
        KekUnavailable: the plugin is missing or failed, or the age library is not installed.
    """
    plugin = plugin_of(recipient)
    if plugin is not None and recipient not in named:
        raise UsageError(
            f"sealing to a recipient of the plugin {plugin} starts age-plugin-{plugin}, and kojikey does that only for "
            "recipients that you name",
            hint=f"name it as well: --recipient {recipient}",
            effect=Effect.NOTHING_CHANGED,
        )
    what = f"age-plugin-{plugin}" if plugin else "the age library"
    sealed: bytes = guarded(
        lambda age: age.encrypt(plaintext, [_target(age, recipient, callbacks)], armored=True), what
    )
    return sealed.decode("ascii")


def guarded(work: Callable[[Any], Any], what: str) -> Any:
    """Return the result of a function that uses pyrage, without repeating the texts of its errors.

    Raises:
        KekUnavailable: it failed.
    """
    age = library()
    try:
        return work(age)
    except BaseException as error:
        if not is_failure(error):
            raise
    # raised outside of `except`, so that no text of plugins or files is in its context
    raise KekUnavailable(f"{what} failed", effect=Effect.NOTHING_CHANGED)


def is_failure(error: BaseException) -> bool:
    """Return whether an error is one of pyrage: an exception, or a panic of its Rust code, which is no Exception."""
    if isinstance(error, Exception):
        return not isinstance(error, MemoryError)
    return type(error).__name__ == "PanicException"  # of pyo3_runtime, which cannot be imported


def _target(age: Any, text: str, callbacks: object) -> object:
    plugin = plugin_of(text)
    if plugin is not None:
        return age.plugin.RecipientPluginV1(plugin, [age.plugin.Recipient.from_str(text)], [], callbacks)
    if text.startswith("ssh-"):
        return age.ssh.Recipient.from_str(text)
    found = _AGE.fullmatch(text)
    return getattr(age, _NATIVE[found[1] if found else None]).Recipient.from_str(text)


def _is_recipient(text: str) -> bool:
    """Return whether a text is a recipient. No plugin is started for that."""
    if not has_form(text):
        return False
    try:
        if plugin_of(text):
            guarded(lambda age: age.plugin.Recipient.from_str(text), "")
        else:
            guarded(lambda age: _target(age, text, None), "")
    except KekUnavailable as error:
        if error.hint:
            raise
        return False
    return True
