"""Immutable values with named fields.

`typing` and `dataclasses` are not used because importing them takes longer than the start of Python.
"""

__all__ = ["Record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class Record:
        """Base class of immutable values: annotations are fields, given by name or in order.

        For type checkers it is `typing.NamedTuple`; it has those of its methods that are used here.
        """

        _fields = ()

        def __init_subclass__(cls):
            cls._fields = tuple(cls.__annotations__)

        def __init__(self, *args, **values):
            vars(self).update(zip(self._fields, args, strict=False), **values)
            for name in self._fields:
                if not hasattr(self, name):
                    raise TypeError(f"{type(self).__name__}() needs {name}")
            if unknown := set(values) - set(self._fields):
                raise TypeError(f"{type(self).__name__}() has no field {', '.join(sorted(unknown))}")

        def __setattr__(self, name, value):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be set")

        def __eq__(self, other):
            return type(self) is type(other) and vars(self) == vars(other)

        def __hash__(self):
            return hash(tuple(self._asdict().values()))

        def __repr__(self):
            values = ", ".join(f"{k}={v!r}" for k, v in self._asdict().items())
            return f"{type(self).__name__}({values})"

        def _asdict(self):
            return {name: getattr(self, name) for name in self._fields}

        def _replace(self, **values):
            return type(self)(**(self._asdict() | values))
