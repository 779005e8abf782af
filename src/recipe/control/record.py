"""Values with named fields, cheaper to define than the standard library's.

`typing` and `dataclasses` take longer to import than Python takes to start.
"""

__all__ = ["Record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class Record:
        """Fields with defaults, given by name or in order; not to be changed.

        To a type checker it is `typing.NamedTuple`, of which it has what is used here.
        """

        _fields = ()

        def __init_subclass__(cls):
            cls._fields = tuple(cls.__annotations__)

        def __init__(self, *args, **values):
            vars(self).update(zip(self._fields, args, strict=False), **values)
            for name in self._fields:
                if not hasattr(self, name):
                    raise TypeError(f"{type(self).__name__}() lacks {name}")
            if unknown := set(values) - set(self._fields):
                raise TypeError(f"{type(self).__name__}() has no {', '.join(sorted(unknown))}")

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
