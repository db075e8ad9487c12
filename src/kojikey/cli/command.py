"""Commands, options and arguments as typed data, each defined once.

Two readers use these definitions. The quick one (``parsing/quick.py``) costs nothing to import and handles a command
line that is clearly correct; Typer (``parsing/typer_app.py``) writes help and errors. The start-up budgets of
``run`` and ``list --json`` leave no room for importing Typer, and two definitions would drift apart.

An option is the key to its own value: ``call[JSON]`` is a bool and ``call[ACCOUNT]`` a str or None, so a misspelt name,
or a text used as a flag, is a type error. On the hot path: imports nothing expensive.
"""

from __future__ import annotations

from enum import Enum

from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Generic, Self, TypeVar

    T = TypeVar("T", covariant=True)
else:
    T = None

    class Generic:
        """Stands in for ``typing.Generic``: importing ``typing`` takes a tenth of the start-up budget of ``run``."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


class Parameter(Generic[T]):
    """An option or argument with a value of type ``T``; ``call[parameter]`` returns the value.

    Two parameters of the same class and name are equal, whatever their help says. ``complete`` names a completer.
    """

    default: T
    """The value if the command line has none."""

    def __init__(self, name: str, metavar: str | None, help: str, complete: str | None) -> None:
        self.name, self.metavar, self.help, self.complete = name, metavar, help, complete

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and type(self) is type(other) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def with_help(self, help: str) -> Self:
        """Return an equal parameter with another help text."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), help=help)
        return other


class Option(Parameter[T]):
    """An option. ``flags`` are its spellings, for example ``--account`` and ``-a``; ``section`` is a title in help."""

    section = "Options"

    def __init__(self, *flags: str, help: str, metavar: str | None = None, complete: str | None = None) -> None:
        self.flags = flags
        self.spelling = next(flag for flag in flags if flag.startswith("--"))
        super().__init__(self.spelling[2:].replace("-", "_"), metavar, help, complete)

    @property
    def example(self) -> tuple[str, ...]:
        """The words of the option in a suggested command: its spelling, and a placeholder if it takes a value."""
        return (self.spelling, self.metavar) if self.metavar else (self.spelling,)

    def read(self, text: str) -> T:
        """Return the value that ``text`` on the command line stands for.

        Raises:
            ValueError: ``text`` does not have the form of a value of this option.
        """
        raise NotImplementedError


def under(section: str, *options: Option[Any]) -> tuple[Option[Any], ...]:
    """Return options equal to the given ones, which help shows under a title of their own."""
    copies = tuple(option.with_help(option.help) for option in options)
    for copy in copies:
        copy.section = section
    return copies


class Flag(Option[bool]):
    """An option without a value: True if the command line has it."""

    default = False


class Text(Option["str | None"]):
    """An option whose value is a text; if it is repeated, the last one counts."""

    default = None

    def read(self, text: str) -> str:
        """Return the text."""
        return text


class Choice(Text):
    """An option whose value is one of a few words, which completion offers."""

    def __init__(self, *flags: str, choices: tuple[str, ...], help: str, metavar: str) -> None:
        super().__init__(*flags, help=help, metavar=metavar)
        self.choices = choices

    def read(self, text: str) -> str:
        """Return the text, which has to be one of the words."""
        if text not in self.choices:
            raise ValueError("none of the words")
        return text


class Identifier(Text):
    """An option whose value is an id from a provider; many ids look like a key without a prefix."""


class Texts(Option["tuple[str, ...]"]):
    """An option that may be repeated."""

    default = ()

    def read(self, text: str) -> tuple[str, ...]:
        """Return the text as a tuple; the reader appends it to the earlier ones."""
        return (text,)


class Integer(Option["int | None"]):
    """An option whose value is a whole number."""

    default = None

    def read(self, text: str) -> int:
        """Return the number."""
        return int(text)


class Number(Option["float | None"]):
    """An option whose value is a number."""

    default = None

    def read(self, text: str) -> float:
        """Return the number."""
        return float(text)


class Positional(Parameter[T]):
    """An argument, recognised by its position."""

    is_required = takes_many = False

    def __init__(self, name: str, metavar: str, help: str, complete: str | None = None) -> None:
        super().__init__(name, metavar, help, complete)
        self.usage = metavar if self.is_required or self.takes_many else f"[{metavar}]"


class Argument(Positional[str]):
    """A required argument."""

    default = ""
    is_required = True


class OptionalArgument(Positional["str | None"]):
    """An optional argument; nothing may follow it."""

    default = None


class Arguments(Positional["tuple[str, ...]"]):
    """Any number of arguments, up to the end of the command line."""

    default = ()
    takes_many = True


class Call:
    """A command line after parsing: its command, and the values of the command's options and arguments."""

    __slots__ = ("command", "values")

    def __init__(self, command: Command, given: Mapping[Parameter[Any], Any]) -> None:
        self.command = command
        self.values = {parameter: parameter.default for parameter in (*command.arguments, *command.options)}
        self.values.update(given)

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """Return the value of an option or argument that the command takes."""
        value: T = self.values[parameter]
        return value

    def get(self, parameter: Parameter[T]) -> T:
        """Return the value of an option or argument, or its default if this command does not take it."""
        value: T = self.values.get(parameter, parameter.default)
        return value

    def given(self, *options: Option[Any]) -> list[Option[Any]]:
        """Return those of ``options`` that have a value other than their default."""
        return [option for option in options if self.get(option) != option.default]


class Doubt(Enum):
    """Why the quick reader leaves a command line to Typer."""

    NO_COMMAND = "it names no command"
    OPTIONS_FIRST = "options stand before the command"
    OPTION = "an option that the command does not have, or help"
    VALUE = "a value is missing, has another form, or belongs to an option that takes none"
    ARGUMENTS = "an argument is missing, or there is one more than the command takes"


class CommandLine(NamedTuple):
    """A command line as the quick reader understood it; without a ``call``, ``doubt`` gives the reason.

    ``own`` are the tokens for kojikey itself, without those for a program that it starts; ``early`` are the options
    before the command, and ``rest`` are the tokens after its name. ``flags`` are the flags it has.
    """

    tokens: list[str]
    command: Command | None
    own: list[str]
    early: list[str]
    rest: list[str]
    flags: frozenset[Flag]
    call: Call | None = None
    doubt: Doubt | None = None

    @property
    def name(self) -> str | None:
        """The name of the command, or None."""
        return self.command.name if self.command else None


class Command(NamedTuple):
    """A command: its options and arguments, its help texts, and the function that runs it and returns the exit code.

    ``name`` has a space for a subcommand (``store init``). ``passes_on`` means that the arguments are the command
    line of another program (``run``).
    """

    name: str
    summary: str
    handler: Callable[[Call], int]
    options: tuple[Option[Any], ...] = ()
    arguments: tuple[Positional[Any], ...] = ()
    description: str = ""
    examples: tuple[str, ...] = ()
    passes_on: bool = False
