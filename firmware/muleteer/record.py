# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen, slotted values for the code that every ``nncp-*`` command imports.

``@record`` gives what ``@dataclass(frozen=True, slots=True)`` gives, to the reader and to mypy. It exists because
importing :mod:`dataclasses` costs 13 ms on a machine where a whole command of the Go peer takes 4: it drags in
``inspect``, ``ast`` and ``re`` (measured in DECISIONS.md). Modules off that path use dataclasses.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar, dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True)
    def record(cls: type[T]) -> type[T]: ...

    def replace(value: T, **changes: object) -> T: ...

else:

    def record(cls):
        """Turn an annotated class into a frozen value with slots, equality, hash and repr; inheritance is not supported."""
        fields = tuple(cls.__annotations__)
        defaults = {f: cls.__dict__[f] for f in fields if f in cls.__dict__}
        namespace = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__", *defaults)}
        namespace["__slots__"] = fields
        namespace["__match_args__"] = fields
        if "__init__" not in namespace:
            namespace["__init__"] = _init_on_first_use(fields, defaults)
        for method in (__setattr__, __delattr__, __eq__, __hash__, __repr__, __reduce__):
            namespace.setdefault(method.__name__, method)
        return type(cls)(cls.__name__, cls.__bases__, namespace)

    def replace(value, **changes):
        """Return a copy of a record with some fields changed."""
        return type(value)(**{f: getattr(value, f) for f in value.__slots__} | changes)

    def _init_on_first_use(fields, defaults):
        # Compiling takes 0.1 ms a class, and a command uses few of those it imports.
        def __init__(self, *args, **kwargs):
            type(self).__init__ = _make_init(fields, defaults)
            self.__init__(*args, **kwargs)

        return __init__

    def _make_init(fields, defaults):
        signature = ", ".join(f"{f}=_defaults[{f!r}]" if f in defaults else f for f in fields)
        body = "\n ".join(f"_set(self, {f!r}, {f})" for f in fields) or "pass"
        scope = {"_set": object.__setattr__, "_defaults": defaults}
        exec(f"def __init__(self, {signature}):\n {body}", scope)  # noqa: S102 - field names are our own identifiers
        return scope["__init__"]

    def _values(self):
        return tuple(getattr(self, f) for f in self.__slots__)

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} is frozen: cannot set {name}")

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} is frozen: cannot delete {name}")

    def __eq__(self, other):
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash((type(self), _values(self)))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in self.__slots__)})"

    def __reduce__(self):
        return type(self), _values(self)
