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
    _FEW = 64
    _set = object.__setattr__

    def record(cls):
        """Turn an annotated class into a frozen value with slots, equality, hash and repr; inheritance is not supported."""
        fields = tuple(cls.__annotations__)
        defaults = {f: cls.__dict__[f] for f in fields if f in cls.__dict__}
        namespace = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__", *defaults)}
        namespace["__slots__"] = fields
        namespace["__match_args__"] = fields
        if "__init__" not in namespace:
            namespace["__init__"] = _init_of_a_few(fields, defaults)
        for method in (__setattr__, __delattr__, __eq__, __hash__, __repr__, __reduce__):
            namespace.setdefault(method.__name__, method)
        return type(cls)(cls.__name__, cls.__bases__, namespace)

    def replace(value, **changes):
        """Return a copy of a record with some fields changed."""
        fields = {f: getattr(value, f) for f in value.__slots__} | changes
        return type(value)(*fields.values())  # by position: that needs no compiled __init__

    def _init_of_a_few(fields, defaults):
        # Compiling (37 us warm, 0.1 ms at start-up) costs what a hundred instances lose here (0.8 us, not 0.4), and a
        # command makes one or two of most classes: 0.7 ms of each nncp-stat.
        left = _FEW
        required = len(fields) - len(defaults)

        def __init__(self, *args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0 or kwargs or not required <= len(args) <= len(fields):
                type(self).__init__ = _make_init(fields, defaults)
                self.__init__(*args, **kwargs)
                return
            for field, value in zip(fields, args):
                _set(self, field, value)
            for field in fields[len(args) :]:
                _set(self, field, defaults[field])

        return __init__

    def _make_init(fields, defaults):
        signature = ", ".join(f"{f}=_defaults[{f!r}]" if f in defaults else f for f in fields)
        body = "\n ".join(f"_set(self, {f!r}, {f})" for f in fields) or "pass"
        scope = {"_set": _set, "_defaults": defaults}
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
