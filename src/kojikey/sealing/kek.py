"""The KEK: the interface that wraps data keys, the KEK of 32 local bytes, and the table of sources that hold one.

Owns: what a KEK promises, and which module knows which source; a source's module is imported only when it is chosen.
Must not: know how a source keeps its KEK, or what a store does with the spec.

A *spec* is the JSON object in a store's header that says where its KEK lives and which one it is (``kid``). It never
holds the KEK. Whoever can write to the store can change it, so each member is checked, and a KEK whose id is not the
spec's is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from kojikey.model.errors import KekUnavailable, RecordChanged, RecordUnsupported, UsageError, WrongKek
from kojikey.model.named import NamedTuple
from kojikey.model.secret import Secret
from kojikey.sealing.aead import KEY_BYTES, opened, sealed
from kojikey.sealing.envelope import refuse_other_place
from kojikey.sealing.record import DATA_KEY_PLACE, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Never, Protocol, TypeAlias

Spec: TypeAlias = "dict[str, Any]"
Purpose: TypeAlias = 'Literal["open", "new", "old", "announced"]'

KEK_VARIABLE = "KOJIKEY_KEK"
PASSPHRASE_FILE_VARIABLE = "KOJIKEY_PASSPHRASE_FILE"
SOURCES = ("keychain", "passphrase", "env", "file", "awskms")
_WANTED = {
    "old": " (a re-keying is under way, and the old one is wanted here)",
    "announced": " (a re-keying is under way, and the new one is wanted here)",
}
SOURCES_HINT = "a KEK source is one of keychain, passphrase, env, env:NAME, file:PATH, awskms:KEY-ID?region=R"


class Kek(ABC):
    """What wraps the data keys of a store's accounts. ``kid`` names it; it tells nothing of the KEK."""

    __slots__ = ()

    kid: str

    @abstractmethod
    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """Return the record of an account's data key, bound to its store and account."""

    @abstractmethod
    def unwrap(self, record: str, *, store: str, account: str) -> bytes:
        """Return the data key that a record holds.

        Raises:
            WrongKek: another KEK wrapped it. RecordChanged: it was changed, or is of another place.
            RecordUnsupported: it is of a form that is not read here.
        """

    def confirm(self) -> None:  # noqa: B027 - most know on loading whether they are the right one
        """Make sure that this is the KEK which was to be loaded, where that would show only when it is used.

        Raises:
            WrongKek: it is another one.
        """

    def try_out(self, *, store: str, account: str) -> None:  # noqa: B027 - a KEK in this process is there to be used
        """Make sure that it can be used for an account now, where somebody else decides that.

        Raises:
            CannotOpen: it can not. UsageError: what is set for reaching it makes no sense.
        """


class LocalKek(Kek):
    """A KEK of 32 bytes, in this process. The wrapped data key is a JWE of the same form as a sealed version."""

    __slots__ = ("_expected", "_key", "_kid", "_mismatch")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KekUnavailable(f"that is not a KEK: a KEK is {KEY_BYTES} bytes")
        self._key, self._kid, self._expected, self._mismatch = key, "", "", ""

    @property
    def kid(self) -> str:  # type: ignore[override]
        """The id of this KEK, derived when it is asked for: deriving would cost each start of ``kojikey run``."""
        if not self._kid:
            from kojikey.sealing.derivation import KEK_ID, derived_id

            self._kid = derived_id(self._key, KEK_ID)
        return self._kid

    def expect(self, kid: str, mismatch: str) -> None:
        """Be compared with an id before wrapping, and where unwrapping fails; what opens needs no other proof."""
        self._expected, self._mismatch = kid, mismatch

    def confirm(self) -> None:
        """See :meth:`Kek.confirm`."""
        if self._expected and self.kid != self._expected:
            raise WrongKek(self._mismatch)

    def wrap(self, data_key: bytes, *, store: str, account: str) -> str:
        """See :meth:`Kek.wrap`."""
        self.confirm()
        return sealed(self._key, data_key, kid=self.kid, place={"store": store, "account": account})

    def unwrap(self, record: str, *, store: str, account: str) -> bytes:
        """See :meth:`Kek.unwrap`."""
        where = _where(account)
        parsed = parse(record, DATA_KEY_PLACE, where=where)
        if parsed.kid != (self._expected or self.kid):
            self.confirm()
            raise WrongKek(f"the {where} was wrapped by another KEK; it was not opened")
        refuse_other_place(parsed.place, {"store": store, "account": account}, where=where)
        try:
            data_key = opened(self._key, parsed, where=where)
        except RecordChanged:
            self.confirm()
            raise
        if len(data_key) != KEY_BYTES:
            raise RecordChanged(where, "holds something else than a data key")
        return data_key

    def __repr__(self) -> str:
        return f"<LocalKek {self.kid}>"

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a KEK is not serialised")


class KekInputs(NamedTuple):
    """What the sources may ask of the outside.

    ``ask_passphrase`` is None where nobody may be asked; it is called with what for: to ``"open"``, for a ``"new"``
    one, or while a re-keying is under way for the ``"old"`` or the ``"announced"`` one. ``warn`` is told what is
    unsafe, but no reason to stop. ``which`` says of a re-keying under way which of its two KEKs is wanted.
    """

    environ: Mapping[str, str]
    ask_passphrase: Callable[[Purpose], Secret] | None
    warn: Callable[[str], None] | None = None
    which: Literal["old", "announced"] | None = None

    def __repr__(self) -> str:
        return "<KekInputs>"  # an environment holds KEKs and keys


if TYPE_CHECKING:

    class Source(Protocol):
        """What the module of a source offers. Each raises only errors of ours."""

        def load(self, spec: Spec, inputs: KekInputs) -> Kek:
            """Return the KEK that lives there, whichever it is."""

        def make(self, argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
            """Return the KEK for a new store, and its spec; durable there on return."""

        def discard(self, spec: Spec, inputs: KekInputs) -> None:
            """Remove what :meth:`make` created, where nobody else can be using it."""

        def describe(self, spec: Spec) -> str:
            """Say where it lives and who can read it."""

        def mismatch(self, spec: Spec) -> str:
            """Say that what lives there is not this store's KEK."""


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that a spec names.

    Raises:
        KekMissing, KekUnavailable: the source has none, did not answer, or holds something else.
        WrongKek: it has another one. RecordChanged, RecordUnsupported: the spec is damaged, or of a newer version.
    """
    source, kid = _source_of(spec), text_member(spec, "kid")
    kek = source.load(spec, inputs)
    if kek.kid != kid:
        raise WrongKek(_mismatch(source, spec, inputs))
    return kek


def load_for_use(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that a spec names, as :func:`load`, but a local one that is another is refused when it is used.

    What a local KEK unwraps is proof that it is the right one, and cheaper than its id.

    Raises:
        KekMissing, KekUnavailable, RecordChanged, RecordUnsupported: as :func:`load`. WrongKek: not for a local one.
    """
    source, kid = _source_of(spec), text_member(spec, "kid")
    kek = source.load(spec, inputs)
    mismatch = _mismatch(source, spec, inputs)
    if isinstance(kek, LocalKek):
        kek.expect(kid, mismatch)
    elif kek.kid != kid:
        raise WrongKek(mismatch)
    return kek


def _mismatch(source: Source, spec: Spec, inputs: KekInputs) -> str:
    return f"{source.mismatch(spec)}{_WANTED.get(inputs.which or '', '')}; nothing was opened"


def make(source: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return a KEK for a new store, made or found at a source, and its spec.

    ``source`` is as people give it: ``keychain``, ``passphrase``, ``env``, ``env:NAME``, ``file:PATH`` or
    ``awskms:KEY-ID[?region=R&endpoint=URL]``.

    Raises:
        UsageError: there is no such source. KekMissing, KekUnavailable: it can not hold one, or has none.
    """
    name, _, argument = source.partition(":")
    module = _module(name)
    if module is None or (argument and name in ("keychain", "passphrase")):
        raise UsageError("there is no such KEK source; nothing was made", hint=SOURCES_HINT)
    return module.make(argument, store_id=store_id, inputs=inputs)


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Remove what :func:`make` created for a store that was not made after all; never fails.

    Only a keychain entry is removed. A file may have been found by someone else meanwhile, and is left.
    """
    from kojikey.model.errors import KojikeyError

    try:
        _source_of(spec).discard(spec, inputs)
    except KojikeyError:
        return


def describe(spec: Spec) -> str:
    """Say, in one line for people, where a KEK lives and who can read it.

    Raises:
        RecordChanged, RecordUnsupported: the spec is damaged, or of a newer version.
    """
    return _source_of(spec).describe(spec)


def same_source(spec: Spec, source: str) -> bool:
    """Tell whether a source, as people give it, is where a spec's KEK lives."""
    import os

    name, _, argument = source.partition(":")
    if spec.get("source") != name:
        return False
    if name == "env":
        return bool(spec.get("name") == (argument or KEK_VARIABLE))
    if name == "awskms":
        from kojikey.sealing import awskms

        return awskms.is_same(spec, argument)
    return name != "file" or spec.get("path") == os.path.abspath(os.path.expanduser(argument))


def available_default(inputs: KekInputs, *, interactive: bool, try_keychain: bool = True) -> str | None:
    """Return the source that a new store would use, None where there is none.

    In this order: a KEK in the environment, a passphrase file, a keychain that answers in time, a person.
    """
    if inputs.environ.get(KEK_VARIABLE):
        return "env"
    if inputs.environ.get(PASSPHRASE_FILE_VARIABLE):
        return "passphrase"
    if try_keychain:
        from kojikey.sealing import keychain

        if keychain.answers(inputs):
            return "keychain"
    return "passphrase" if interactive and inputs.ask_passphrase else None


def wrapped_kid(record: str) -> str:
    """Return the id of the KEK that wrapped a data key, without verifying anything.

    Raises:
        RecordChanged, RecordUnsupported: it is damaged, or of a form that is not read here.
    """
    where = "of a data key"
    if isinstance(record, str) and record.startswith("kms"):
        from kojikey.sealing import awskms

        return awskms.parsed(record, where=where)[0]
    return parse(record, DATA_KEY_PLACE, where=where).kid


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


def _source_of(spec: Spec) -> Source:
    name = text_member(spec, "source")
    module = _module(name)
    if module is None:
        raise RecordUnsupported(
            "the store's KEK lives in a source that this version does not know; nothing was opened",
            where="header",
            hint="a newer kojikey may have made the store: upgrade",
        )
    return module


def _module(name: str) -> Source | None:
    if name == "env":
        from kojikey.sealing import environment

        return environment
    if name == "file":
        from kojikey.sealing import keyfile

        return keyfile
    if name == "keychain":
        from kojikey.sealing import keychain

        return keychain
    if name == "passphrase":
        from kojikey.sealing import passphrase

        return passphrase
    if name == "awskms":
        from kojikey.sealing import awskms

        return awskms
    return None
