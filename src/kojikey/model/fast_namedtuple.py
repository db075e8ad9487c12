"""``NamedTuple`` for the hot path: behaves like :class:`typing.NamedTuple`, and is faster to import.

Importing ``typing`` and compiling source for each class, as :func:`collections.namedtuple` does, would take a fifth of
the time that ``kojikey run`` may take. Type checkers see the real one. Owns: fields, defaults, ``_replace``,
``_asdict``, ``_make``. Must not: be used in modules that import ``typing`` anyway.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from operator import itemgetter

    class _Named(type):
        def __new__(mcs, name, bases, space):
            if not bases:
                return super().__new__(mcs, name, (tuple,), space)
            fields = tuple(space.get("__annotations__", ()))
            space["_field_defaults"] = {field: space[field] for field in fields if field in space}
            space.update({field: property(itemgetter(place)) for place, field in enumerate(fields)})
            return super().__new__(
                mcs, name, bases, {**space, "_fields": fields, "__match_args__": fields, "__slots__": ()}
            )

    class NamedTuple(metaclass=_Named):
        """A tuple with the named fields of a class statement; fields with defaults come last."""

        __slots__ = ()
        _fields = ()

        def __new__(cls, *values, **named):  # noqa: D102 - the class says it
            fields, defaults = cls._fields, cls._field_defaults
            if named or len(values) != len(fields):
                try:
                    values += tuple(
                        [named.pop(field) if field in named else defaults[field] for field in fields[len(values) :]]
                    )
                except KeyError:
                    values = ()
                if named or len(values) != len(fields):
                    raise TypeError(f"{cls.__name__} takes {', '.join(fields)}")
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changed):
            return self.__class__(**{**self._asdict(), **changed})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            shown = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{self.__class__.__name__}({shown})"

        def __getnewargs__(self):
            return tuple(self)
