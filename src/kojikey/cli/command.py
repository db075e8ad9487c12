"""What a command is, and what it takes: options and arguments, defined once as typed data.

Two readers use these definitions. The quick one (``parsing/quick.py``) costs nothing to import and handles a command
line that is clearly correct; Typer (``parsing/typer_app.py``) writes help and errors. The start-up budgets of
``run`` and ``list --json`` leave no room for importing Typer, and two definitions would drift apart.

An option is the key to its own value: ``call[JSON]`` is a bool and ``call[ACCOUNT]`` a str or None, so a misspelt name,
or a text that is taken for a flag, is a type error. On the hot path: imports nothing expensive.
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
        """What a class statement needs of ``typing.Generic``: the module would be a tenth of what ``run`` may take."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


class Parameter(Generic[T]):
    """An option or argument, whose value is a ``T``: the key to it in a :class:`Call`.

    Two parameters of one class and name are the same, however each command explains it. ``complete`` names a completer.
    """

    absent: T
    """The value where the command line does not have it."""

    def __init__(self, name: str, metavar: str | None, help: str, complete: str | None) -> None:
        self.name, self.metavar, self.help, self.complete = name, metavar, help, complete

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and type(self) is type(other) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def explained(self, help: str) -> Self:
        """Return the same parameter with the help of another command."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), help=help)
        return other


class Option(Parameter[T]):
    """An option. ``flags`` are its spellings."""

    def __init__(self, *flags: str, help: str, metavar: str | None = None, complete: str | None = None) -> None:
        self.flags = flags
        self.spelling = next(flag for flag in flags if flag.startswith("--"))
        super().__init__(self.spelling[2:].replace("-", "_"), metavar, help, complete)

    def read(self, text: str) -> T:
        """Return the value that a text on the command line means.

        Raises:
            ValueError: it has another form.
        """
        raise NotImplementedError


class Flag(Option[bool]):
    """An option that takes no value: it is there or not."""

    absent = False


class Text(Option["str | None"]):
    """An option whose value is a text; of several the last counts."""

    absent = None

    def read(self, text: str) -> str:
        """Return the text."""
        return text


class Identifier(Text):
    """An option whose value is an id that a provider made up; many have the form of a key without a prefix."""


class Texts(Option["tuple[str, ...]"]):
    """An option that may be repeated."""

    absent = ()

    def read(self, text: str) -> tuple[str, ...]:
        """Return the text, to be added to those before it."""
        return (text,)


class Integer(Option["int | None"]):
    """An option whose value is a whole number."""

    absent = None

    def read(self, text: str) -> int:
        """Return the number."""
        return int(text)


class Number(Option["float | None"]):
    """An option whose value is a number."""

    absent = None

    def read(self, text: str) -> float:
        """Return the number."""
        return float(text)


class Positional(Parameter[T]):
    """An argument, told by its place."""

    is_required = takes_many = False

    def __init__(self, name: str, metavar: str, help: str, complete: str | None = None) -> None:
        super().__init__(name, metavar, help, complete)
        self.usage = metavar if self.is_required or self.takes_many else f"[{metavar}]"


class Argument(Positional[str]):
    """An argument that has to be there."""

    absent = ""
    is_required = True


class OptionalArgument(Positional["str | None"]):
    """An argument that may be left out; the last one."""

    absent = None


class Arguments(Positional["tuple[str, ...]"]):
    """Any number of arguments: all that follow."""

    absent = ()
    takes_many = True


class Call:
    """A command line that was understood: which command it is, and the values of what that takes."""

    __slots__ = ("command", "values")

    def __init__(self, command: Command, given: Mapping[Parameter[Any], Any]) -> None:
        self.command = command
        self.values = {parameter: parameter.absent for parameter in (*command.arguments, *command.options)}
        self.values.update(given)

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """Return the value of an option or argument that the command takes."""
        value: T = self.values[parameter]
        return value

    def get(self, parameter: Parameter[T]) -> T:
        """Return the value of an option or argument, for code that serves several commands: not each may take it."""
        value: T = self.values.get(parameter, parameter.absent)
        return value

    def given(self, *options: Option[Any]) -> list[Option[Any]]:
        """Return those of some options that are on the command line."""
        return [option for option in options if self.get(option) != option.absent]


class Doubt(Enum):
    """Why a command line is not plainly right."""

    NO_COMMAND = "it names no command"
    OPTIONS_FIRST = "options stand before the command"
    OPTION = "an option that the command does not have, or help"
    VALUE = "a value is missing, has another form, or belongs to an option that takes none"
    ARGUMENTS = "an argument is missing, or there is one more than the command takes"


class CommandLine(NamedTuple):
    """A command line as far as it is understood. ``doubt`` says why there is no ``call``.

    ``own`` are the tokens for kojikey itself, without those for a program that it starts; ``early`` are the options
    that stand before the command, and ``rest`` is what follows its name.
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
        """The name of the command, None where there is none."""
        return self.command.name if self.command else None


class Command(NamedTuple):
    """A command: what it takes, and the function that carries it out and returns the exit code.

    ``name`` has a space for a subcommand (``store init``). ``passes_on``: what follows the options belongs to
    another program (``run``).
    """

    name: str
    summary: str
    handler: Callable[[Call], int]
    options: tuple[Option[Any], ...] = ()
    arguments: tuple[Positional[Any], ...] = ()
    description: str = ""
    examples: tuple[str, ...] = ()
    passes_on: bool = False
