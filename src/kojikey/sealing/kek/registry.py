"""The table of KEK sources, and the functions that call the module of a spec's source.

A source's module is imported only when it is used. Must not: know how a source keeps its KEK, or how a store keeps the
spec.
"""

from __future__ import annotations

from kojikey.model.errors import (
    Effect,
    KekMissing,
    KekUnavailable,
    KojikeyError,
    RecordUnsupported,
    UsageError,
    WrongKek,
)
from kojikey.model.ref import place_of_data_key
from kojikey.sealing.kek.base import (
    KEK_VARIABLE,
    PASSPHRASE_FILE_VARIABLE,
    SOURCES_HINT,
    Kek,
    KekInputs,
    LocalKek,
    Spec,
    text_member,
)
from kojikey.sealing.record import DATA_KEY_PLACE, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kojikey.sealing.kek.base import Source

SOURCES = ("keychain", "passphrase", "env", "file", "recipients", "awskms")
_WANTED = {
    "old": " (a re-keying is under way, and the old one is needed here)",
    "announced": " (a re-keying is under way, and the new one is needed here)",
}


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that a spec names.

    Raises:
        KekMissing, KekUnavailable: the source has none, did not answer, or has something that is not a KEK.
        WrongKek: it has another one. RecordChanged, RecordUnsupported: the spec is damaged, or of a newer version.
    """
    source, kid = _source_of(spec), text_member(spec, "kid")
    kek = _loaded(source, spec, inputs)
    if kek.kid != kid:
        raise WrongKek(_mismatch(source, spec, inputs))
    return kek


def load_for_use(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK that a spec names; if it is local, its id is checked only when an unwrapping fails.

    A local KEK that unwraps a data key is the right one, and unwrapping is faster than deriving the id.

    Raises:
        KekMissing, KekUnavailable, RecordChanged, RecordUnsupported: as :func:`load`. WrongKek: only for a KEK that is
            not local.
    """
    source, kid = _source_of(spec), text_member(spec, "kid")
    kek = _loaded(source, spec, inputs)
    mismatch = _mismatch(source, spec, inputs)
    if isinstance(kek, LocalKek):
        kek.expect(kid, mismatch)
    elif kek.kid != kid:
        raise WrongKek(mismatch)
    return kek


def _loaded(source: Source, spec: Spec, inputs: KekInputs) -> Kek:
    try:
        return source.load(spec, inputs)
    except (KekMissing, KekUnavailable) as error:
        error.effect = error.effect or Effect.NOTHING_OPENED
        raise


def _mismatch(source: Source, spec: Spec, inputs: KekInputs) -> str:
    return f"{source.mismatch(spec)}{_WANTED.get(inputs.which or '', '')}"


def make(source: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return a KEK for a new store, created or found at a source, and its spec.

    ``source`` is the text that people type: ``keychain``, ``passphrase``, ``env``, ``env:NAME``, ``file:PATH``,
    ``recipients`` or ``awskms:KEY-ID[?region=R&endpoint=URL]``.

    Raises:
        UsageError: there is no such source. KekMissing, KekUnavailable: it cannot keep one, or has none.
    """
    module = check_source(source)
    try:
        return module.make(source.partition(":")[2], store_id=store_id, inputs=inputs)
    except (KekMissing, KekUnavailable) as error:
        error.effect = error.effect or Effect.NOTHING_CREATED
        raise


def check_source(source: str, *, effect: str = Effect.NOTHING_CREATED) -> Source:
    """Return the module of a typed source, without using the source.

    Raises:
        UsageError: there is no such source, or the name of its variable is malformed.
    """
    name, colon, argument = source.partition(":")
    module = _module(name)
    if module is None or (colon and not argument) or (argument and name in ("keychain", "passphrase", "recipients")):
        raise UsageError("there is no such KEK source", hint=SOURCES_HINT, effect=effect)
    if name == "env" and argument:
        from kojikey.sealing.kek import environment

        environment.check_argument(argument, effect=effect)
    return module


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Remove a KEK that :func:`make` created for a store that could not be created; never fails.

    Only a keychain entry is removed. A file is kept, because another process may use it meanwhile.
    """
    try:
        _source_of(spec).discard(spec, inputs)
    except KojikeyError:
        return


def describe(spec: Spec) -> str:
    """Return one line for people: where a KEK is kept and who can read it.

    Raises:
        RecordChanged, RecordUnsupported: the spec is damaged, or of a newer version.
    """
    return _source_of(spec).describe(spec)


def typed_source(spec: Spec) -> str:
    """Return the source of a spec in the form that people type, ``SOURCE`` if the spec is damaged."""
    try:
        argument = _source_of(spec).argument_of(spec)
    except KojikeyError:
        return "SOURCE"
    return f"{spec['source']}:{argument}" if argument else str(spec["source"])


def same_source(spec: Spec, source: str) -> bool:
    """Return whether a typed source means the place of a spec's KEK."""
    name, _, argument = source.partition(":")
    module = _module(name)
    return module is not None and spec.get("source") == name and module.is_same(spec, argument)


def available_default(inputs: KekInputs, *, interactive: bool, try_keychain: bool = True) -> str | None:
    """Return the default source for a new store, None if there is none.

    In this order: a KEK in the environment, a passphrase file, a keychain that answers in time, a person.
    """
    if inputs.environ.get(KEK_VARIABLE):
        return "env"
    if inputs.environ.get(PASSPHRASE_FILE_VARIABLE):
        return "passphrase"
    if try_keychain:
        from kojikey.sealing.kek import keychain

        if keychain.answers(inputs):
            return "keychain"
    return "passphrase" if interactive and inputs.ask_passphrase else None


def wrapped_kid(record: str, *, account: str = "") -> str:
    """Return the id of the KEK that wrapped a data key, unverified. ``account`` is for messages.

    Raises:
        RecordChanged, RecordUnsupported: the record is damaged, or has an unknown form.
    """
    where = place_of_data_key(account)
    if isinstance(record, str) and record.startswith("kms"):
        from kojikey.sealing.kek import awskms

        return awskms.parsed(record, where=where)[0]
    return parse(record, DATA_KEY_PLACE, where=where).kid


def owner_statements(specs: Sequence[Spec], *, store_id: str, account: str) -> list[Spec]:
    """Return the IAM policy statements with which an account's owner can use KEKs in AWS KMS; none for other KEKs."""
    arns = sorted({text_member(spec, "key") for spec in specs if spec.get("source") == "awskms"})
    if not arns:
        return []
    from kojikey.sealing.kek.awskms import iam_statement

    return [iam_statement(arns, store=store_id, account=account)]


def _source_of(spec: Spec) -> Source:
    name = text_member(spec, "source")
    module = _module(name)
    if module is None:
        raise RecordUnsupported(
            "the store's KEK has a source that this version does not know",
            where="header",
            hint="a newer kojikey may have created the store: upgrade",
            effect=Effect.NOTHING_OPENED,
        )
    return module


def _module(name: str) -> Source | None:
    if name == "env":
        from kojikey.sealing.kek import environment

        return environment
    if name == "file":
        from kojikey.sealing.kek import keyfile

        return keyfile
    if name == "keychain":
        from kojikey.sealing.kek import keychain

        return keychain
    if name == "passphrase":
        from kojikey.sealing.kek import passphrase

        return passphrase
    if name == "recipients":
        from kojikey.sealing.kek import recipients

        return recipients
    if name == "awskms":
        from kojikey.sealing.kek import awskms

        return awskms
    return None
