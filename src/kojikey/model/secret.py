"""The type of keys, passphrases and KEKs everywhere in the program.

Owns: that a value is not shown by accident. Must not: log, compare, copy or serialise it. The plaintext is available
only from :meth:`Secret.reveal`: search for that word to find every place that uses it. (After restic's SecretString and
Tink's keyset handle: redaction is the default, and does not depend on the caller.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_REDACTED = "[secret]"


class NotSerialisable:
    """Base of the classes that hold a secret: an instance cannot be pickled, copied or converted to a dict."""

    __slots__ = ()

    def __getstate__(self) -> Never:
        raise TypeError(f"a {type(self).__name__} is not serialised")

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError(f"a {type(self).__name__} is not serialised")

    def __copy__(self) -> Never:
        raise TypeError(f"a {type(self).__name__} is not copied")

    def __deepcopy__(self, memo: object) -> Never:
        raise TypeError(f"a {type(self).__name__} is not copied")


class HiddenBytes(bytes):
    """Key material or plaintext as bytes. A traceback with local variables shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _REDACTED

    __str__ = __repr__


def hidden_body(body: object) -> HiddenBytes:
    """Return the body of an answer, which may repeat the key, as bytes; it is bytes, a text, decoded JSON or None."""
    if isinstance(body, bytes | bytearray | memoryview):
        return HiddenBytes(body)
    if isinstance(body, str):
        return HiddenBytes(body.encode("utf-8", "replace"))
    if body is None:
        return HiddenBytes()
    import json

    try:
        return HiddenBytes(json.dumps(body, default=str).encode())
    except (RecursionError, ValueError):  # nested so deep that it can be decoded, but not encoded, or in a circle
        return HiddenBytes()


class Secret(NotSerialisable):
    """A text that can be passed on, but not shown, compared, copied or pickled."""

    __slots__ = ("__value",)
    __value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """Return the plaintext. Only a header, an environment, a sealed record or a worker's task may take it."""
        return self.__value

    def __repr__(self) -> str:
        return _REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_REDACTED, spec)

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError("a Secret cannot be changed")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError("a Secret cannot be changed")

    def __eq__(self, other: object) -> bool:
        raise TypeError("secrets are not compared; compare fingerprints")

    def __hash__(self) -> int:
        raise TypeError("secrets are not hashed; use fingerprints")

    def __len__(self) -> int:
        raise TypeError("the length of a secret is not shown; use reveal() if you need it")

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return ["reveal"]
