"""The recipients on a command line: public keys with their comments, or ``@FILE``.

Owns: reading the file. Must not: know the formats of recipients (``sealing/kek/age_recipients.py`` does).
"""

from __future__ import annotations

from collections.abc import Sequence

from kojikey.cli.command import Texts
from kojikey.model.errors import Effect, UsageError
from kojikey.model.home import expanded
from kojikey.model.plain_file import open_plain
from kojikey.model.text_file import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.sealing.kek.age_recipients import Recipient

RECIPIENT = Texts(
    "--recipient",
    help="to whom the KEK is sealed: age1…, or 'ssh-ed25519 AAAA… COMMENT', or @FILE; may be repeated",
    metavar="R|@FILE",
)
_LIMIT_BYTES = 256 * 1024


def read_recipients(values: Sequence[str]) -> tuple[Recipient, ...]:
    """Return the recipients in the order of ``values``, each a public key or ``@FILE``.

    Raises:
        UsageError: one is not a recipient, or a file cannot be read.
    """
    from kojikey.sealing.kek.age_recipients import parsed, parsed_file

    found: list[Recipient] = []
    for value in values:
        found += parsed_file(_content(value[1:])) if value.startswith("@") else [parsed(value)]
    return tuple(found)


def _content(path: str) -> str:
    try:
        with open_plain(expanded(path, what="the path of a recipient's file")) as file:
            data = file.read(_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file"
        raise _unusable(f"cannot be read ({reason})") from None
    if len(data) > _LIMIT_BYTES:
        raise _unusable(f"has more than {_LIMIT_BYTES // 1024} KiB")
    text = decoded(data)
    if text is None:
        raise _unusable("is not text")
    return text


def _unusable(problem: str) -> UsageError:
    return UsageError(
        f"the file of recipients {problem}",
        hint="name a file with one public key on each line",
        effect=Effect.NOTHING_CHANGED,
    )
