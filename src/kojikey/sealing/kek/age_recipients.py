"""Recipients of a KEK: age recipients and SSH public keys, their forms, and sealing to one of them.

Owns: which forms there are, and when a plugin may be started: for a recipient that the user named just now, and never
for one that was read from a store. Must not: know identities, or what is sealed.
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
_LIST_LIMIT = 1000  # lines of a file of recipients
_SSH = re.compile(r"ssh-(?:ed25519|rsa) AAAA[A-Za-z0-9+/]+={0,2}")
_AGE = re.compile(r"age1(?:([a-z0-9-]+)1)?[02-9ac-hj-np-z]+")
_SECRETS = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY")
_NATIVE = {None: "x25519", "tag": "tag", "tagpq": "tagpq"}
_SHOWN = 24  # characters of a recipient that has no comment


class Recipient(NamedTuple):
    """A public key in its one spelling, and the comment that came with it."""

    text: str
    comment: str = ""

    @property
    def name(self) -> str:
        """The name for people: its comment, else the beginning of the key."""
        return self.comment or (self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…")


def parsed(line: str) -> Recipient:
    """Return the recipient of a line: the public key, and the text after it as its comment.

    Raises:
        UsageError: it is something else, which is not repeated: it may be a secret.
        KekUnavailable: the library that knows the forms is not installed.
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
    """Return the recipients of a file, one a line; empty lines and those that begin with # are passed over.

    Raises:
        UsageError: a line is not a recipient (it is named), or there is no recipient.
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
    """Return whether a text has the form of a recipient, without the library that knows whether it is one."""
    return len(text) <= TEXT_LIMIT and bool(_SSH.fullmatch(text) or _AGE.fullmatch(text))


def plugin_of(text: str) -> str | None:
    """Return the name of the plugin that a recipient needs, None where it needs none."""
    found = _AGE.fullmatch(text)
    return found[1] if found and found[1] not in _NATIVE else None


def is_for_plugins(text: str) -> bool:
    """Return whether a recipient's identity lives in a plugin, also where sealing to it needs none (``age1tag…``)."""
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
    """Return an age file, in its armor, that this recipient alone opens.

    Raises:
        UsageError: it needs a plugin and is not among those that the user ``named``.
        KekUnavailable: the plugin is not there or failed, or the library is not installed.
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
    """Carry out something with pyrage: its errors hold words of plugins and files, and a bug of it is no Exception.

    Raises:
        KekUnavailable: it failed.
    """
    age = library()
    try:
        return work(age)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # noqa: S110 - reported below
        pass
    # Raised out here, so that nothing of what the library was given is in its context.
    raise KekUnavailable(f"{what} failed", effect=Effect.NOTHING_CHANGED)


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
