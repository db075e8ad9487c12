"""A random KEK for several people: sealed in the store's header to each person's public key, in age's format.

Owns: the list of recipients in a spec, and its authentication with the KEK. Must not: find identities
(``identities.py``), know the forms of recipients (``age_recipients.py``), or write a header.

Each member has the KEK in the text form of ``environment.py`` in a separate age file, which ``age -d`` opens. Someone
who can write to the store can seal another KEK to everybody's public key. So the id of the KEK is checked before it is
used, and remembered outside of the store (``operations/known_kek.py``).
"""

# ruff: noqa: ARG001 - the functions have the signatures of kek.Source
from __future__ import annotations

import hmac
import json
import os
from collections.abc import Collection, Iterable, Sequence

from kojikey.model import validators
from kojikey.model.errors import Effect, KekMissing, KekUnavailable, RecordChanged, UsageError
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.model.timestamps import now
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.derivation import RECIPIENTS
from kojikey.sealing.kek.age_recipients import COMMENT_LIMIT, Recipient, has_form, plugin_of, seal
from kojikey.sealing.kek.base import IDENTITY_FILE_VARIABLE, Kek, KekInputs, LocalKek, Spec, text_member
from kojikey.sealing.kek.environment import local_kek
from kojikey.sealing.kek.identities import Identity, PluginCallbacks, own_identities

_SPEC_LIMIT = 24 * 1024  # bytes; a header has two specs during a removal
_SEALED_LIMIT = 8 * 1024  # characters
_SHOWN = 6  # recipients, in one line


class Member(NamedTuple):
    """A recipient of a store's KEK, who added it and when, and its age file."""

    recipient: Recipient
    added_by: str
    added_at: str
    sealed: str


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that one of the user's identities opens, with its id and the list of recipients verified.

    Raises:
        KekMissing: none of the identities is a recipient's. KekUnavailable: an identity cannot be used.
        RecordChanged: the list was changed outside kojikey, or has another KEK than it says.
    """
    members = listed(spec)
    for identity in own_identities(inputs):
        for member in members:
            if identity.matches(member.recipient.text) is not False:
                opened = identity.open(member.sealed.encode("ascii"))
                if opened is not None:
                    return _verified(spec, opened)
    raise _no_identity(inputs, len(members))


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return a random KEK, sealed to the named recipients.

    Raises:
        UsageError: no recipient is named, or none of them is the user's own. KekUnavailable: sealing failed.
    """
    if not inputs.recipients:
        raise UsageError(
            "a KEK for several people is sealed to the recipients that you name",
            hint="--recipient R for each, your own among them, or --recipient @FILE",
            effect=Effect.NOTHING_CREATED,
        )
    kek = _random()
    members = [_member(recipient, kek, inputs) for recipient in _unique(inputs.recipients)]
    spec = _authenticated(members, kek)
    if not any(own_recipients(spec, inputs)):
        raise UsageError(
            "your own public key is not among the recipients, so you could not open the store",
            hint=f"name it as well, or set {IDENTITY_FILE_VARIABLE} to the identity that belongs to one of them",
            effect=Effect.NOTHING_CREATED,
        )
    return spec, kek


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Do nothing: the KEK is only in the spec."""


def describe(spec: Spec) -> str:
    """Return a text that says who can open the KEK, from the unverified list of recipients."""
    members = listed(spec)
    names = [member.recipient.name for member in members[:_SHOWN]]
    more = f" and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
    who = "one recipient" if len(members) == 1 else f"{len(members)} recipients"
    opens = "who opens it with their" if len(members) == 1 else "each of whom opens it with their own"
    return f"sealed to {who}, {opens} identity: {', '.join(names)}{more}"


def mismatch(spec: Spec) -> str:
    """Return the message for a KEK of another store."""
    return "the KEK that your identity opens is not this store's"


def argument_of(_: Spec) -> str:
    """Return ``""``: this source has no argument."""
    return ""


def is_same(spec: Spec, argument: str) -> bool:
    """Return True: this source has no argument."""
    return True


def has_recipients(spec: Spec, recipients: Iterable[Recipient]) -> bool:
    """Return whether a spec's recipients are exactly these."""
    return {member.recipient.text for member in listed(spec)} == {recipient.text for recipient in recipients}


def listed(spec: Spec) -> tuple[Member, ...]:
    """Return the members of a spec, in order. Only their form is checked; :func:`check` verifies who wrote them.

    Raises:
        RecordChanged: the list was changed outside kojikey.
    """
    found = spec.get("recipients")
    try:
        members = tuple(map(_checked, found)) if isinstance(found, list) else ()
    except (KeyError, TypeError, ValueError, AttributeError):
        members = ()
    if not members:
        raise RecordChanged("header", "has a list of recipients that was changed outside kojikey")
    return members


def with_members(spec: Spec, kek: LocalKek, added: Sequence[Recipient], inputs: KekInputs) -> Spec:
    """Return a spec with more recipients of the same KEK.

    Raises:
        UsageError: the header has no room for them. KekUnavailable: sealing failed.
    """
    return _authenticated([*listed(spec), *(_member(recipient, kek, inputs) for recipient in added)], kek)


def without_member(spec: Spec, gone: str, inputs: KekInputs) -> tuple[Spec, LocalKek]:
    """Return a new KEK for all recipients but one, and its spec, which still says who added the others and when.

    Raises:
        UsageError: another recipient needs a plugin and was not named. KekUnavailable: sealing failed.
    """
    kek = _random()
    members = [
        member._replace(sealed=_sealed(member.recipient, kek, inputs))
        for member in listed(spec)
        if member.recipient.text != gone
    ]
    return _authenticated(members, kek), kek


def own_recipients(spec: Spec, inputs: KekInputs) -> tuple[str, ...]:
    """Return the recipients of a spec whose identities are the user's; a passphrase is asked only if it is needed.

    Raises:
        KekMissing, KekUnavailable: a named identity cannot be used.
    """
    identities = tuple(own_identities(inputs))
    return tuple(
        member.recipient.text for member in listed(spec) if any(_is_of(identity, member) for identity in identities)
    )


def _is_of(identity: Identity, member: Member) -> bool:
    matches = identity.matches(member.recipient.text)
    return identity.open(member.sealed.encode("ascii")) is not None if matches is None else matches


def _no_identity(inputs: KekInputs, count: int) -> KekMissing:
    labels = list(dict.fromkeys(identity.label for identity in own_identities(inputs._replace(warn=None))))
    if not labels:
        return KekMissing(
            "this store's KEK is sealed to recipients, and no identity of yours was found",
            hint=f"set {IDENTITY_FILE_VARIABLE} to your age identity or private SSH key",
        )
    return KekMissing(
        f"none of your identities ({', '.join(labels)}) is one of this store's {count} recipients",
        hint=Hint(
            f"set {IDENTITY_FILE_VARIABLE} to the right one, or ask a recipient to add you: ",
            next_step("store recipients", "add", "RECIPIENT"),
        ),
    )


def check(spec: Spec, kek: LocalKek) -> None:
    """Verify that someone who has the KEK wrote the list of recipients.

    Raises:
        RecordChanged: the list was changed outside kojikey.
    """
    mac = spec.get("mac")
    if not isinstance(mac, str) or not mac.isascii() or not hmac.compare_digest(mac, _mac(spec, kek)):
        raise RecordChanged("header", "has a list of recipients that was changed outside kojikey")


def _verified(spec: Spec, opened: HiddenBytes) -> LocalKek:
    try:
        kek = local_kek(Secret(opened.decode("ascii")), holder="the sealed member", hint="")
    except (KekUnavailable, UnicodeDecodeError):
        raise RecordChanged("header", "holds something other than a KEK for you") from None
    if kek.kid != text_member(spec, "kid"):
        raise RecordChanged("header", "holds a different KEK for you than the one it names")
    check(spec, kek)
    return kek


def _mac(spec: Spec, kek: LocalKek) -> str:
    content = {name: value for name, value in spec.items() if name != "mac"}
    covered = json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")
    return hmac.digest(kek.derived(RECIPIENTS), covered, "sha256").hex()


def _authenticated(members: Sequence[Member], kek: LocalKek) -> Spec:
    entries = [
        {
            "recipient": member.recipient.text,
            "comment": member.recipient.comment,
            "added_by": member.added_by,
            "added_at": member.added_at,
            "sealed": member.sealed,
        }
        for member in members
    ]
    spec: Spec = {"source": "recipients", "kid": kek.kid, "recipients": entries}
    spec["mac"] = _mac(spec, kek)
    if len(json.dumps(spec)) > _SPEC_LIMIT:
        raise UsageError(
            f"a store's header has no room for {len(members)} recipients with keys of this size",
            hint="keys of the kind ssh-ed25519 or age1 are the shortest",
            effect=Effect.NOTHING_CHANGED,
        )
    return spec


def _checked(entry: Spec) -> Member:
    text, comment, sealed = entry["recipient"], entry["comment"], entry["sealed"]
    if not has_form(text) or len(validators.text(comment)) > COMMENT_LIMIT:
        raise ValueError("not a recipient")
    if not isinstance(sealed, str) or not sealed.isascii() or len(sealed) > _SEALED_LIMIT:
        raise ValueError("not an age file")
    added_by, added_at = validators.text(entry["added_by"]), validators.stamp(entry["added_at"])
    return Member(Recipient(text, comment), added_by, added_at, sealed)


def _member(recipient: Recipient, kek: LocalKek, inputs: KekInputs) -> Member:
    return Member(recipient, inputs.actor, now(), _sealed(recipient, kek, inputs))


def _sealed(recipient: Recipient, kek: LocalKek, inputs: KekInputs) -> str:
    named: Collection[str] = {named.text for named in inputs.recipients}
    text = HiddenBytes(base64url.encode(kek.reveal()).encode("ascii"))
    callbacks = PluginCallbacks(inputs, plugin_of(recipient.text) or "")
    return seal(text, recipient.text, named=named, callbacks=callbacks)


def _unique(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    return tuple({recipient.text: recipient for recipient in recipients}.values())


def _random() -> LocalKek:
    return LocalKek(HiddenBytes(os.urandom(KEY_BYTES)))
