"""The interfaces of KEKs (key-encryption keys) and their sources, and the KEK of 32 local bytes.

Must not: know any source; ``registry.py`` has their table.

A *spec* is the JSON object in a store's header that says where its KEK is kept and which one it is (``kid``). It never
holds the KEK. Anyone who can write to the store can change the spec, so each member is checked, and a KEK with another
id is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from kojikey.model.errors import KekUnavailable, RecordChanged, WrongKek
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.ref import place_of_data_key
from kojikey.model.secret import HiddenBytes, NotSerialisable, Secret
from kojikey.sealing.aead import KEY_BYTES, opened, sealed
from kojikey.sealing.envelope import refuse_other_place
from kojikey.sealing.record import DATA_KEY_PLACE, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, Protocol, TypeAlias

    from kojikey.sealing.kek.age_recipients import Recipient

Spec: TypeAlias = "dict[str, Any]"
Purpose: TypeAlias = 'Literal["open", "new", "old", "announced"]'

KEK_VARIABLE = "KOJIKEY_KEK"
PASSPHRASE_FILE_VARIABLE = "KOJIKEY_PASSPHRASE_FILE"
IDENTITY_VARIABLE = "KOJIKEY_IDENTITY"
IDENTITY_FILE_VARIABLE = "KOJIKEY_IDENTITY_FILE"
SOURCES_HINT = (
    "a KEK source is one of keychain, passphrase, env, env:NAME, file:PATH, recipients, awskms:KEY-ID?region=R"
)


class Kek(NotSerialisable, ABC):
    """A key that wraps the data keys of a store's accounts. ``kid`` is its id, which reveals nothing about the key."""

    __slots__ = ()

    kid: str

    @abstractmethod
    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """Return the record of an account's data key, bound to its store and account."""

    @abstractmethod
    def unwrap(self, record: str, *, store: str, account: str) -> HiddenBytes:
        """Return the data key in a record.

        Raises:
            WrongKek: another KEK wrapped it. RecordChanged: it was changed, or belongs to another place.
            RecordUnsupported: it has an unknown form.
        """

    def confirm(self) -> None:
        """Check that this is the expected KEK, if :func:`.registry.load_for_use` did not.

        Raises:
            WrongKek: it is another one.
        """

    def try_out(self, *, store: str, account: str) -> None:
        """Check with the service that holds the KEK, if there is one, that it can be used for an account now.

        Raises:
            CannotOpen: it cannot. UsageError: a setting for the connection to the service is wrong.
        """


class LocalKek(Kek):
    """A KEK of 32 bytes in this process. A wrapped data key is a JWE of the same form as a sealed version."""

    __slots__ = ("_expected", "_key", "_kid", "_mismatch")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KekUnavailable(f"that is not a KEK: a KEK is {KEY_BYTES} bytes")
        self._key, self._kid, self._expected, self._mismatch = HiddenBytes(key), "", "", ""

    @property
    def kid(self) -> str:  # type: ignore[override]
        """The id of this KEK, derived only when it is used, because that would slow each start of ``kojikey run``."""
        if not self._kid:
            from kojikey.sealing.derivation import KEK_ID, derived_id

            self._kid = derived_id(self._key, KEK_ID)
        return self._kid

    def reveal(self) -> HiddenBytes:
        """Return the 32 bytes, to keep them elsewhere (:mod:`.kernel_keyring`)."""
        return self._key

    def derived(self, purpose: bytes) -> HiddenBytes:
        """Return the key that is derived from this KEK for one purpose."""
        from kojikey.sealing.derivation import derived

        return derived(self._key, purpose)

    def expect(self, kid: str, mismatch: str) -> None:
        """Set the id to compare with before wrapping and after a failed unwrapping, and the error's message."""
        self._expected, self._mismatch = kid, mismatch

    def confirm(self) -> None:
        """See :meth:`Kek.confirm`."""
        if self._expected and self.kid != self._expected:
            raise WrongKek(self._mismatch)

    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """See :meth:`Kek.wrap`."""
        self.confirm()
        return sealed(self._key, data_key, kid=self.kid, place={"store": store, "account": account})

    def unwrap(self, record: str, *, store: str, account: str) -> HiddenBytes:
        """See :meth:`Kek.unwrap`."""
        where = place_of_data_key(account)
        parsed = parse(record, DATA_KEY_PLACE, where=where)
        if parsed.kid != (self._expected or self.kid):
            self.confirm()
            raise WrongKek(f"the {where} was wrapped by another KEK")
        refuse_other_place(parsed.place, {"store": store, "account": account}, where=where)
        try:
            data_key = opened(self._key, parsed, where=where)
        except RecordChanged:
            self.confirm()
            raise
        if len(data_key) != KEY_BYTES:
            raise RecordChanged(where, "holds something other than a data key")
        return data_key

    def __repr__(self) -> str:
        return f"<LocalKek {self.kid}>"


class KnownKek(NamedTuple):
    """The KEK that a store with recipients had when it was last used here.

    ``verify`` is the public key for its statements (:mod:`kojikey.sealing.succession`).
    """

    store_id: str
    kid: str
    verify: str


class KekInputs(NamedTuple):
    """The inputs of a source: the environment, a person who can be asked, a function for warnings.

    ``ask_passphrase`` is called with the purpose: to ``"open"``, for a ``"new"`` passphrase, or for the ``"old"`` or
    the ``"announced"`` one of an unfinished re-keying; it is None if nobody can be asked, and ``why_unasked`` says why.
    ``which`` is the KEK of an unfinished re-keying that is needed. ``may_use_unlocked`` is False if the passphrase
    itself is needed, even if ``kojikey unlock`` keeps its KEK. ``ask_identity`` asks for the passphrase of an identity,
    by name. A new KEK is sealed to ``recipients``, who are named by ``actor``. ``known`` remembers the KEKs of stores
    with recipients.
    """

    environ: Mapping[str, str]
    ask_passphrase: Callable[[Purpose], Secret] | None
    warn: Callable[[str], None] | None = None
    which: Literal["old", "announced"] | None = None
    may_use_unlocked: bool = True
    ask_identity: Callable[[str], Secret] | None = None
    recipients: tuple[Recipient, ...] = ()
    actor: str = ""
    known: KnownKeks | None = None
    why_unasked: str = "there is no terminal"

    def __repr__(self) -> str:
        return "<KekInputs>"  # the environment may hold KEKs and keys


if TYPE_CHECKING:

    class KnownKeks(Protocol):
        """Remembers the KEKs of stores with recipients, by the URL of the store."""

        def recall(self, place: str) -> KnownKek | None:
            """Return the remembered KEK of a store, None if there is none."""

        def remember(self, place: str, known: KnownKek) -> None:
            """Remember the KEK of a store."""

        def forget(self, place: str) -> None:
            """Forget the KEK of a store."""

    class Source(Protocol):
        """The functions that the module of a source has. They raise only kojikey's own errors."""

        def load(self, spec: Spec, inputs: KekInputs) -> Kek:
            """Return the source's KEK, without checking its id."""

        def make(self, argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
            """Return the KEK for a new store and its spec; on return, the source keeps the KEK durably."""

        def discard(self, spec: Spec, inputs: KekInputs) -> None:
            """Remove a KEK that :meth:`make` created, if nobody else can be using it."""

        def describe(self, spec: Spec) -> str:
            """Return a text that says where the KEK is kept and who can read it."""

        def mismatch(self, spec: Spec) -> str:
            """Return the message for a source that has a KEK of another store."""

        def argument_of(self, spec: Spec) -> str:
            """Return the text that people type after the source's name and a colon; ``""`` for none."""

        def is_same(self, spec: Spec, argument: str) -> bool:
            """Return whether a typed argument means the place of a spec's KEK."""


def asks_person(spec: Spec, inputs: KekInputs) -> bool:
    """Return whether a person has to type something before the KEK of a spec can be used."""
    if spec.get("source") == "recipients":
        return inputs.ask_identity is not None
    has_file = bool(inputs.environ.get(PASSPHRASE_FILE_VARIABLE))
    return spec.get("source") == "passphrase" and inputs.ask_passphrase is not None and not has_file


def text_member(spec: Spec, name: str) -> str:
    """Return a member of a spec that is printable text.

    Raises:
        RecordChanged: it is missing or something else.
    """
    value = spec.get(name)
    # it is displayed, and a writer of the store must not send escape sequences to a terminal
    if not isinstance(value, str) or not value or not value.isprintable():
        raise RecordChanged("header", f"does not say where its KEK lives (its {name} is damaged)")
    return value
