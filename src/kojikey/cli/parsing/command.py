"""What a command is: its options and arguments, defined once as data.

Two readers use these definitions. The quick one (``quick.py``) costs nothing to import and handles a command line
that is plainly right; Typer (``typer_app.py``) words help, errors and completion. The start-up budgets of ``run`` and
``list --json`` leave no room for importing Typer, and two definitions would drift apart.
On the hot path: imports nothing expensive.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

Kind: TypeAlias = 'Literal["flag", "text", "texts", "integer", "number"]'


class Option(NamedTuple):
    """An option. ``flags`` are its spellings; ``texts`` may be repeated; ``complete`` names a completer."""

    flags: tuple[str, ...]
    help: str
    kind: Kind = "flag"
    metavar: str | None = None
    complete: str | None = None

    @property
    def name(self) -> str:
        """The name of the value: the first long spelling, with underscores."""
        return next(flag for flag in self.flags if flag.startswith("--"))[2:].replace("-", "_")


class Argument(NamedTuple):
    """A positional argument: at most one, or (``many``) any number of them, all that follow included."""

    name: str
    metavar: str
    help: str
    required: bool = False
    many: bool = False
    complete: str | None = None


class Call:
    """A command line that was understood: values by name, and which command it was."""

    __slots__ = ("command", "values")

    def __init__(self, command: Command, values: dict[str, Any]) -> None:
        self.command, self.values = command, values

    def flag(self, name: str) -> bool:
        """Return whether a flag was given."""
        return bool(self.values.get(name))

    def text(self, name: str) -> str | None:
        """Return the value of an option or argument, None where it was not given, or may be repeated."""
        value: object = self.values.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a repeatable option or argument."""
        return tuple(self.values.get(name) or ())

    def number(self, name: str) -> float | None:
        """Return the value of a numeric option, None where it was not given."""
        value: float | None = self.values.get(name)
        return value


class Command(NamedTuple):
    """A command: what it takes, and the function that carries it out and returns the exit code.

    ``name`` has a space for a subcommand (``store init``). ``passes_on``: what follows the options belongs to
    another program (``run``).
    """

    name: str
    summary: str
    handler: Callable[[Call], int]
    options: tuple[Option, ...] = ()
    argument: Argument | None = None
    description: str = ""
    examples: tuple[str, ...] = ()
    passes_on: bool = False


PROVIDER = Argument("provider", "PROVIDER", "the provider, such as google_gemini", required=True, complete="provider")
KEY = PROVIDER._replace(required=False, help="the provider; a numbered choice of the keys where none is named")
PROVIDERS = Argument(
    "providers", "[PROVIDER]...", "the providers; all of them where none is named", many=True, complete="provider"
)

JSON = Option(("--json",), "print one JSON document on stdout, also on failure")
QUIET = Option(("--quiet", "-q"), "say nothing but results, warnings and errors")
NO_COLOR = Option(("--no-color",), "no colour (also: NO_COLOR)")
NO_INPUT = Option(("--no-input",), "never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)")
ACCOUNT = Option(
    ("--account", "-a"), "whose key it is (default: KOJIKEY_ACCOUNT, then 'default')", "text", "NAME", "account"
)
STORE = Option(
    ("--store", "-s"), "the store, by name or URL (default: KOJIKEY_STORE, then 'local')", "text", "NAME|URL", "store"
)

OUTPUT = (JSON, QUIET, NO_COLOR)
COMMON = (ACCOUNT, STORE, JSON, NO_INPUT, QUIET, NO_COLOR)

STDIN = Option(("--stdin",), "read the key from standard input")
FROM_ENV = Option(("--from-env",), "read the key from this environment variable", "text", "VAR")
FROM_FILE = Option(("--from-file",), "read the key from this file", "text", "PATH", "file")
FORCE_SHAPE = Option(("--force-shape",), "accept a key whose shape belongs to another provider")
SOURCES = (STDIN, FROM_ENV, FROM_FILE, FORCE_SHAPE)

BASE_URL = Option(("--base-url",), "a regional or enterprise endpoint (https; http for loopback alone)", "text", "URL")
MODEL = Option(("--model",), "a model that the key must reach; may be repeated", "texts", "ID")
CAPABILITY = Option(
    ("--capability",), "what the key must be allowed to do; may be repeated", "texts", "NAME", "capability"
)
LABEL = Option(("--label",), "a note to tell keys apart", "text", "TEXT")
EXPIRES = Option(("--expires",), "when the key expires: a date, or a span such as 90d", "text", "DATE|90d")
ROTATE_AFTER = Option(("--rotate-after",), "how long until a rotation is due (default 90d), or never", "text", "90d")
NO_TEST = Option(("--no-test",), "do not ask the provider; save the key untested")
ALLOW_LIMITED = Option(("--allow-limited",), "also save a key to which something is refused")
ALLOW_UNVERIFIED = Option(("--allow-unverified",), "also save a key that could not be judged")
TIMEOUT = Option(("--timeout",), "seconds to wait for each request (default 10)", "number", "SECONDS")
DEEP = Option(("--deep",), "also make the smallest paid request, which alone shows billing and quota")
PACE = (
    Option(("--concurrency",), "keys to ask about at once, a request each (default 16)", "integer", "N"),
    Option(("--rate",), "requests a second, for each provider", "number", "R"),
)
JSONL = Option(("--jsonl",), "print a result a line as it comes, as JSON")
BATCH = (
    Option(
        ("--batch",),
        "many keys: JSON lines of account, provider and key (-: standard input)",
        "text",
        "FILE",
        "file",
    ),
    Option(("--dry-run",), "with --batch: only tell what would happen"),
    JSONL,
    *PACE,
)
SAVING = (
    BASE_URL, MODEL, CAPABILITY, LABEL, EXPIRES, ROTATE_AFTER, NO_TEST, ALLOW_LIMITED, ALLOW_UNVERIFIED, TIMEOUT,
)  # fmt: skip
