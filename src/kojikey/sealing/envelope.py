"""Seals a key's versions with the account's data key and binds each record to its place.

Owns: the binding of a record, and its comparison before anything is decrypted.
Must not: know how the data key was unwrapped, or access a store.
"""

from __future__ import annotations

import os

from kojikey.model.errors import Effect, MalformedKey, RecordChanged
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.secret import HiddenBytes, NotSerialisable, Secret
from kojikey.sealing.aead import KEY_BYTES, opened, sealed
from kojikey.sealing.record import VERSION_PLACE, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FINGERPRINT_CHARACTERS = 12
_DISPLAY_NAMES = {"base_url": "base URL"}


class Binding(NamedTuple):
    """The place of a version, the only one at which its record opens."""

    store: str
    account: str
    provider: str
    version: int
    base_url: str

    def __str__(self) -> str:
        return f"{self.account}/{self.provider} version {self.version}"


def new_data_key() -> HiddenBytes:
    """Return the data key for a new account, 32 random bytes."""
    return HiddenBytes(os.urandom(KEY_BYTES))


def refuse_other_place(found: dict[str, Any], expected: dict[str, Any], *, where: str) -> None:
    """Compare the binding of a record with the place where it was found.

    Raises:
        RecordChanged: they differ; the error names the members, not the values.
    """
    others = [_DISPLAY_NAMES.get(name, name) for name, value in expected.items() if found[name] != value]
    if others:
        raise RecordChanged(where, "belongs to another " + " and another ".join(others))


class Sealer(NotSerialisable):
    """Seals and opens the keys of one account, and signs its audit trail."""

    __slots__ = ("_account", "_audit_key_derived", "_data_key", "_store")

    def __init__(self, data_key: bytes, *, store: str, account: str) -> None:
        self._data_key, self._store, self._account = HiddenBytes(data_key), store, account
        self._audit_key_derived: HiddenBytes | None = None  # when it is first needed: each event needs it twice

    def seal(self, secret: Secret, *, provider: str, version: int, base_url: str) -> str:
        """Return the record of a key's version, bound to its place. The plaintext is the key in UTF-8, nothing else.

        Raises:
            MalformedKey: the key is not text. UsageError: the key or the base URL is too long. Nothing was sealed.
        """
        from kojikey.sealing.derivation import DATA_KEY_ID, derived_id

        place = self._place(provider, version, base_url)
        kid = derived_id(self._data_key, DATA_KEY_ID)
        return sealed(self._data_key, _utf8(secret), kid=kid, place=place._asdict())

    def open(self, record: str, *, provider: str, version: int, base_url: str) -> Secret:
        """Return the key in a record that was found at a place.

        The header's id of the data key is for other readers; it is verified like the rest of the header.

        Raises:
            RecordChanged: it was changed, or belongs to another place. RecordUnsupported: it has an unknown form.
        """
        place = self._place(provider, version, base_url)
        where = str(place)
        parsed = parse(record, VERSION_PLACE, where=where)
        refuse_other_place(parsed.place, place._asdict(), where=where)
        return _secret(opened(self._data_key, parsed, where=where), where=where)

    def fingerprint(self, secret: Secret) -> str:
        """Return the fingerprint of a key, 12 hex characters: equal for equal keys of this account.

        Raises:
            MalformedKey: the key is not text.
        """
        import hmac

        from kojikey.sealing.derivation import FINGERPRINT, derived

        mac = hmac.digest(derived(self._data_key, FINGERPRINT), _utf8(secret), "sha256")
        return mac.hex()[:_FINGERPRINT_CHARACTERS]

    def proof(self, purpose: str, provider: str, content: dict[str, Any]) -> str:
        """Return the proof (64 hex characters) that kojikey wrote a content that is stored in plain text.

        It is valid for one purpose and one provider of this account.
        """
        import hmac
        import json

        from kojikey.sealing.derivation import PROOF, derived

        covered = json.dumps([purpose, provider, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hmac.digest(derived(self._data_key, PROOF), covered.encode("ascii"), "sha256").hex()

    def link(self, previous: str, event: dict[str, Any]) -> str:
        """Return the signed link of an event of this account (:func:`kojikey.sealing.audit_chain.link`)."""
        from kojikey.sealing import audit_chain

        return audit_chain.link(self._audit_key(), previous, event)

    def head(self, seq: int, mac: str) -> str:
        """Return the HMAC of the last event of this account (:func:`kojikey.sealing.audit_chain.head`)."""
        from kojikey.sealing import audit_chain

        return audit_chain.head(self._audit_key(), seq, mac)

    def _audit_key(self) -> bytes:
        if self._audit_key_derived is None:
            from kojikey.sealing.derivation import AUDIT, derived

            self._audit_key_derived = derived(self._data_key, AUDIT)
        return self._audit_key_derived

    def place_of(self, provider: str, version: int) -> str:
        """Return the name of a version's record for messages."""
        return str(self._place(provider, version, ""))

    def _place(self, provider: str, version: int, base_url: str) -> Binding:
        return Binding(self._store, self._account, provider, version, base_url)

    def __repr__(self) -> str:
        return f"<Sealer of account {self._account}>"


def _utf8(secret: Secret) -> HiddenBytes:
    try:
        return HiddenBytes(secret.reveal().encode("utf-8"))
    except UnicodeEncodeError:
        pass
    # raised outside of `except`, so that the UnicodeEncodeError, which contains the key, is not its context
    raise MalformedKey("the key contains characters that are not text", effect=Effect.NOTHING_SEALED)


def _secret(plaintext: HiddenBytes, *, where: str) -> Secret:
    try:
        return Secret(plaintext.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    # as in _utf8
    raise RecordChanged(where, "holds something other than text")
