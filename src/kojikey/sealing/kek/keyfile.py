"""The KEK in a file of mode 0600, in the same text form as in an environment variable.

Owns: creating that file. Must not: replace or repair an existing file, which may be the only copy of a KEK.
"""

# ruff: noqa: ARG001 - the functions have the signatures of kek.Source
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from kojikey.model.atomic_file import write_whole
from kojikey.model.errors import Effect, KekMissing, KekUnavailable, RecordChanged, UsageError
from kojikey.model.home import expanded
from kojikey.model.plain_text import shell_quoted
from kojikey.model.secret import HiddenBytes, Secret
from kojikey.model.text_file import decoded
from kojikey.sealing import base64url
from kojikey.sealing.aead import KEY_BYTES
from kojikey.sealing.kek import private_file
from kojikey.sealing.kek.base import SOURCES_HINT, Kek, KekInputs, LocalKek, Spec, text_member
from kojikey.sealing.kek.environment import local_kek

_WHAT = "KEK file"


def load(spec: Spec, inputs: KekInputs) -> Kek:
    """Return the KEK in the spec's file.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can read it, or it has no KEK in it.
    """
    return _read(_path(spec), warn=inputs.warn, hint="restore the KEK that was there; no other one works")


def make(argument: str, *, store_id: str, inputs: KekInputs) -> tuple[Spec, Kek]:
    """Return the KEK in an existing file, or in a new one if there is none.

    Raises:
        UsageError: there is no path, or its folder does not exist. KekUnavailable: others can read the file, or it has
            no KEK in it.
    """
    if not argument or not argument.isprintable():
        raise UsageError("a KEK file needs a path", hint=SOURCES_HINT, effect=Effect.NOTHING_CREATED)
    path = os.path.abspath(expanded(argument, what="the path of the KEK file"))
    hint = "name a file that does not exist yet, and it is created; this one was not changed"
    kek: Kek | None = None
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):  # another process created it first
            kek = _create(path)
    kek = kek or _read(path, warn=inputs.warn, hint=hint)
    return {"source": "file", "path": path, "kid": kek.kid}, kek


def discard(spec: Spec, inputs: KekInputs) -> None:
    """Do nothing: another process may use the file meanwhile."""


def describe(spec: Spec) -> str:
    """Return a text that says where the KEK is kept and who can read it."""
    path = _path(spec)
    warnings: list[str] = []
    try:
        private_file.read(path, what=_WHAT, warn=warnings.append)
    except KekMissing:
        return f"the file {path}, which does not exist"
    except KekUnavailable as refused:
        return str(refused)
    readers = "others on this machine too" if warnings else "its owner only"
    return f"the file {path}: readable by {readers}"


def mismatch(spec: Spec) -> str:
    """Return the message for a KEK of another store."""
    return f"the KEK in {_path(spec)} is not this store's"


def argument_of(spec: Spec) -> str:
    """Return the path."""
    return text_member(spec, "path")


def is_same(spec: Spec, argument: str) -> bool:
    """Return whether a path is that of the spec's file."""
    return bool(spec.get("path") == os.path.abspath(expanded(argument, what="the path of the KEK file")))


def _path(spec: Spec) -> str:
    path = text_member(spec, "path")
    if not os.path.isabs(path):
        raise RecordChanged("header", "does not say where its KEK lives (its path is not absolute)")
    return path


def _read(path: str, *, hint: str, warn: Callable[[str], None] | None) -> LocalKek:
    content = Secret(decoded(private_file.read(path, what=_WHAT, warn=warn)) or "")
    return local_kek(content, holder=path, hint=hint)


def _create(path: str) -> LocalKek:
    """Create the file, durably, because data keys are wrapped with the KEK in it at once.

    Raises:
        FileExistsError: it exists. UsageError: its folder does not. KekUnavailable: it cannot be written.
    """
    key = HiddenBytes(os.urandom(KEY_BYTES))
    try:
        write_whole(path, [HiddenBytes(base64url.encode(key).encode("ascii") + b"\n")], may_replace=False)
    except FileExistsError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        hint = f"mkdir -p -m 700 {shell_quoted(os.path.dirname(path))}"
        raise UsageError(f"the folder of {path} does not exist", hint=hint, effect=Effect.NOTHING_CREATED) from None
    except OSError as error:
        hint = "name a file in a folder that this user can write"
        raise KekUnavailable(f"the {_WHAT} {path} cannot be written ({error.strerror})", hint=hint) from None
    return LocalKek(key)
