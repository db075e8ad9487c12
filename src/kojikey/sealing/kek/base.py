"""The KEK (key-encryption key): the interface that wraps data keys, a KEK of 32 local bytes, the protocol of sources.

Owns: the promises of a KEK and its source. Must not: know any source; ``registry.py`` has their table.

A *spec* is the JSON object in a store's header that says where its KEK lives and which one it is (``kid``). It never
holds the KEK. A person or program that can write to the store can change the spec, so each member is checked, and a
KEK whose id is not the spec's is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from kojikey.model.errors import KekUnavailable, RecordChanged, WrongKek
from kojikey.model.fast_namedtuple import NamedTuple
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
    """A key that wraps the data keys of a store's accounts. ``kid`` is its id, which reveals nothing about it."""

    __slots__ = ()

    kid: str

    @abstractmethod
    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """Return the record of an account's data key, bound to its store and account."""

    @abstractmethod
    def unwrap(self, record: str, *, store: str, account: str) -> HiddenBytes:
        """Return the data key that a record holds.

        Raises:
            WrongKek: another KEK wrapped it. RecordChanged: it was changed, or belongs to another place.
            RecordUnsupported: it is of a form that is not read here.
        """

    def confirm(self) -> None:
        """Check that this is the expected KEK, where that would otherwise show only when it is used.

        Raises:
            WrongKek: it is another one.
        """

    def try_out(self, *, store: str, account: str) -> None:
        """Check that the KEK can be used for an account now, where a service decides that.

        Raises:
            CannotOpen: it cannot. UsageError: a setting for reaching it is wrong.
        """


class LocalKek(Kek):
    """A KEK of 32 bytes, in this process. The wrapped data key is a JWE of the same form as a sealed version."""

    __slots__ = ("_expected", "_key", "_kid", "_mismatch")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KekUnavailable(f"that is not a KEK: a KEK is {KEY_BYTES} bytes")
        self._key, self._kid, self._expected, self._mismatch = HiddenBytes(key), "", "", ""

    @property
    def kid(self) -> str:  # type: ignore[override]
        """The id of this KEK, derived when it is asked for: deriving would cost each start of ``kojikey run``."""
        if not self._kid:
            from kojikey.sealing.derivation import KEK_ID, derived_id

            self._kid = derived_id(self._key, KEK_ID)
        return self._kid

    def reveal(self) -> HiddenBytes:
        """Return its bytes, for a caller that keeps it; see :mod:`kojikey.sealing.kek.kernel_keyring`."""
        return self._key

    def derived(self, purpose: bytes) -> HiddenBytes:
        """Return the key that stands for this KEK in one purpose."""
        from kojikey.sealing.derivation import derived

        return derived(self._key, purpose)

    def expect(self, kid: str, mismatch: str) -> None:
        """Set the id to compare with before wrapping, and where unwrapping fails."""
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
        where = _where(account)
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

    ``verify`` verifies what that KEK signed (:mod:`kojikey.sealing.succession`).
    """

    store_id: str
    kid: str
    verify: str


class KekInputs(NamedTuple):
    """What the sources may use of the outside world: the environment, a person, warnings.

    ``ask_passphrase`` is None where nobody may be asked; it is called with what for: to ``"open"``, for a ``"new"``
    one, or while a re-keying is under way for the ``"old"`` or the ``"announced"`` one. ``warn`` takes what is
    unsafe, but no reason to stop. ``which`` says of a re-keying under way which of its two KEKs is wanted.
    ``may_use_unlocked`` is False where the passphrase is wanted although ``kojikey unlock`` keeps its KEK.
    ``ask_identity`` asks for the passphrase of an identity, by name. ``recipients`` are those that a new KEK
    is sealed to, and ``actor`` is who names them. ``known`` remembers the KEKs of stores with recipients.
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

    def __repr__(self) -> str:
        return "<KekInputs>"  # an environment holds KEKs and keys


if TYPE_CHECKING:

    class KnownKeks(Protocol):
        """The memory of the KEKs of stores with recipients, by the store's place."""

        def recall(self, place: str) -> KnownKek | None:
            """Return the KEK that the store there had, None where it is not known here."""

        def remember(self, place: str, known: KnownKek) -> None:
            """Keep the KEK that the store there has."""

        def forget(self, place: str) -> None:
            """Forget the store there."""

    class Source(Protocol):
        """The functions that the module of a source has. They raise only errors of ours."""

        def load(self, spec: Spec, inputs: KekInputs) -> Kek:
            """Return the KEK that is there, without checking its id."""

        def make(self, argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
            """Return the KEK for a new store, and its spec; durable there on return."""

        def discard(self, spec: Spec, inputs: KekInputs) -> None:
            """Remove what :meth:`make` created, where nobody else can be using it."""

        def describe(self, spec: Spec) -> str:
            """Return a text that says where the KEK lives and who can read it."""

        def mismatch(self, spec: Spec) -> str:
            """Return a text that says that the KEK there is not this store's."""

        def argument_of(self, spec: Spec) -> str:
            """Return what people give after the source's name for a spec; empty for the source alone."""

        def is_same(self, spec: Spec, argument: str) -> bool:
            """Return whether ``argument``, as people give it after the source's name, is where a spec's KEK lives."""


def asks_person(spec: Spec, inputs: KekInputs) -> bool:
    """Return whether a person will be asked for something before the KEK that a spec names can be used."""
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
    # Printable, because it will be shown: a store's writer must not be able to send escapes to a terminal.
    if not isinstance(value, str) or not value or not value.isprintable():
        raise RecordChanged("header", f"does not say where its KEK lives (its {name} is damaged)")
    return value


def _where(account: str) -> str:
    return f"data key of account {account}"
