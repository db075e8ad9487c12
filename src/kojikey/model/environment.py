"""The environment variables of a process. Only their names are ever shown.

Owns: keeping keys and KEKs in variables out of tracebacks with local variables and out of error trackers. Both print
the values of every dict and Mapping, so this class is neither. `kojikey run` imports this.
"""

from __future__ import annotations

from kojikey.model.secret import NotSerialisable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    _Base = Mapping[str, str]
else:
    _Base = object


class Environment(NotSerialisable, _Base):
    """A copy of a process's variables, which is read like a mapping."""

    __slots__ = ("__variables",)

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.__variables = dict(variables)

    def __getitem__(self, name: str) -> str:
        return self.__variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.__variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.__variables)

    def __len__(self) -> int:
        return len(self.__variables)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return a variable's value, or the default if it is not set."""
        return self.__variables.get(name, default)

    def keys(self) -> Iterable[str]:  # type: ignore[override]
        """Return the variables' names."""
        return self.__variables.keys()

    def values(self) -> Iterable[str]:  # type: ignore[override]
        """Return the variables' values, for a program that is started with them."""
        return self.__variables.values()

    def joined(self, more: Mapping[str, str]) -> Environment:
        """Return these variables and ``more``, whose value counts for a name that both have."""
        return Environment({**self.__variables, **more})

    def without(self, *names: str) -> Environment:
        """Return these variables without those of the given names."""
        return Environment({other: value for other, value in self.__variables.items() if other not in names})

    def __repr__(self) -> str:
        return f"<Environment {' '.join(sorted(self.__variables))}>"
