"""``NamedTuple`` for the hot path: what :class:`typing.NamedTuple` gives, without what it costs.

``typing``, and the source that :func:`collections.namedtuple` compiles for each class, would be a fifth of what
``kojikey run`` may take. Type checkers see the real one. Owns: fields, defaults, ``_replace``, ``_asdict``, ``_make``.
Must not: be used where ``typing`` is imported anyway.
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
        """A tuple with named fields, as a class statement gives them; fields with defaults come last."""

        __slots__ = ()
        _fields = ()

        def __new__(cls, *values, **named):  # noqa: D102 - as the class says
            fields = cls._fields
            if named or len(values) != len(fields):
                rest = {**cls._field_defaults, **named}
                given = fields[: len(values)]
                missing = [field for field in fields[len(values) :] if field not in rest]
                if missing or len(values) > len(fields) or named.keys() - set(fields[len(values) :]):
                    raise TypeError(f"{cls.__name__} takes {', '.join(fields)}")
                values += tuple(rest[field] for field in fields[len(given) :])
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
