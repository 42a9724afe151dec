# SPDX-License-Identifier: GPL-3.0-or-later
"""Match a parsed tree against the shape that NNCP gives its configuration, with the reference's rules for keys.

Rules of the reference (found by experiment with nncp-cfgdir 8.8.2):

1. The keys of a *record* (fixed keys) match without regard to case; unknown ones are ignored. The keys of a *map*
   (names chosen by the owner) are exact.
2. Keys that differ in case only are applied one after the other in the order of their bytes, capitals first: texts,
   numbers are replaced, records and maps merge key by key, lists place by place (to the later's length), null empties.
3. null stands for "not there"; as an element of a list or map, for the empty text or zero.
4. A number is any that has no fraction; `1e3` and `1.0` are numbers.

Ours: a NUL in any text is refused here, as no path, name or argument can hold one.
"""

from __future__ import annotations

from muleteer.config.complaints import show_value
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from muleteer.config.complaints import Complaints, KeyPath

EXACT_MAX = 1e21
"""From here on the reference's JSON writes floats with an exponent, which its integers do not read back."""


@record
class Plain:
    """A leaf: "text", "flag", "int" (64 bits, signed) or "count" (64 bits, not negative)."""

    kind: str


@record
class ListOf:
    """A list whose elements have one shape."""

    item: Plain | ListOf | MapOf | RecordOf


@record
class MapOf:
    """A map from the owner's names to values of one shape."""

    item: Plain | ListOf | MapOf | RecordOf


@record
class RecordOf:
    """A record with fixed keys, all of them optional at this stage."""

    fields: dict[str, Plain | ListOf | MapOf | RecordOf]


if TYPE_CHECKING:
    Shape = Plain | ListOf | MapOf | RecordOf

TEXT, FLAG, INT, COUNT = Plain("text"), Plain("flag"), Plain("int"), Plain("count")

_WANTED = {
    "text": ("text is wanted", "Put it in double quotes."),
    "flag": ("true or false is wanted", "Write true or false, without quotes."),
    "int": ("a whole number is wanted", "Write digits only, without quotes."),
    "count": ("a whole number, not negative, is wanted", "Write digits only, without quotes."),
}


def fit(shape: Shape, raw: object, path: KeyPath, complaints: Complaints, before: Any = None) -> Any:
    """Return `raw` in the given shape: canonical keys, right types, null as None. What does not fit is complained of.

    `before` is what an earlier spelling of the same key left (rule 2); it also stands in for a value that does not fit.
    """
    if raw is None:
        return None
    if isinstance(shape, Plain):
        return _plain(shape.kind, raw, path, complaints, before)
    if isinstance(shape, ListOf):
        return _list(shape, raw, path, complaints, before)
    if not isinstance(raw, dict):
        complaints.add(path, f"{_name(raw)} stands where {{...}} is wanted", "Write { key: value } with braces.")
        return before
    if isinstance(shape, MapOf):
        empty = "" if shape.item == TEXT else 0 if shape.item == INT else None
        items = {key: fit(shape.item, value, (*path, key), complaints) for key, value in raw.items()}
        for key in items:
            _refuse_nul(key, path, complaints)
        return (before or {}) | {key: empty if value is None else value for key, value in items.items()}
    return _record(shape, raw, path, complaints, before)


def _record(shape: RecordOf, raw: dict[str, object], path: KeyPath, complaints: Complaints, before: Any) -> Any:
    result = dict(before or {})
    for key in sorted(raw, key=lambda key: key.encode()):
        field = fold(key)
        if field in shape.fields:
            result[field] = fit(shape.fields[field], raw[key], (*path, key), complaints, result.get(field))
    return result


def fold(key: str) -> str:
    """Fold a key as the reference compares it: simple case folding, which takes in the long s and the kelvin sign."""
    return key.replace("\u017f", "s").replace("\u212a", "k").lower()


def _list(shape: ListOf, raw: object, path: KeyPath, complaints: Complaints, before: Any) -> Any:
    if not isinstance(raw, list):
        complaints.add(path, f"{_name(raw)} stands where a list is wanted", "Write [first, second] with brackets.")
        return before
    empty = "" if shape.item == TEXT else None
    earlier = (before or [])[: len(raw)] + [empty] * (len(raw) - len(before or []))
    items = zip(raw, earlier, strict=True)
    return [
        old if item is None else fit(shape.item, item, (*path, index), complaints, old)
        for index, (item, old) in enumerate(items)
    ]


def _plain(kind: str, raw: object, path: KeyPath, complaints: Complaints, before: Any) -> Any:
    if kind == "text" and isinstance(raw, str):
        _refuse_nul(raw, path, complaints)
        return raw
    if kind == "flag" and isinstance(raw, bool):
        return raw
    if kind in ("int", "count") and isinstance(raw, int | float) and not isinstance(raw, bool):
        number = _whole(raw, kind)
        if number is not None:
            return number
    wanted, remedy = _WANTED[kind]
    # A private key never stands at a flag or number, so only there the text itself is shown.
    shown = show_value(raw) if isinstance(raw, str) else _name(raw)
    complaints.add(path, f"{shown} stands where {wanted}", remedy)
    return before


def _whole(raw: float, kind: str) -> int | None:
    # Through a float, as in the reference: above 2**53 it knows even numbers only.
    number = float(raw) if abs(raw) < EXACT_MAX else 0.5
    low, high = (0, 1 << 64) if kind == "count" else (-(1 << 63), 1 << 63)
    return int(number) if number.is_integer() and low <= number < high else None


def _refuse_nul(text: str, path: KeyPath, complaints: Complaints) -> None:
    if "\0" in text:
        complaints.add(path, "it holds a NUL character", "Remove the \\u0000.")


def _name(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return f"the number {show_value(raw)}"
    return "{...}" if isinstance(raw, dict) else "a list" if isinstance(raw, list) else "a text"
