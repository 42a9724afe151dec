# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Hjson, the notation of NNCP's configuration; the only importer of the Hjson library.

The library is written for programs that trust their input: it loops, recurses or indexes out of range on some broken
texts. Every such way out ends here in one ConfigError.
"""

from __future__ import annotations

from muleteer.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SYNTAX = "Compare with the output of nncp-cfgnew: braces and quotes come in pairs, one `key: value` a line."


def parse(text: str, name: str) -> dict[str, object]:
    """Parse a whole configuration. Of a key written twice the last one counts, as in the reference.

    Raises:
        ConfigError: it is not Hjson, or not a set of keys and values.

    """
    # In front of the text goes an empty line: the library looks for the indent of a ''' string by walking back to a
    # line feed, and on the first line it would walk around to the end of the text.
    tree = _parse(f"\n{text}", name)
    if not isinstance(tree, dict):
        raise ConfigError(where=name, problem="it holds no keys and values", remedy=_SYNTAX)
    return tree


def _parse(text: str, name: str) -> Any:
    import hjson  # 12 ms, spared when the configuration is cached

    try:
        return _clean(hjson.loads(text, strict=False))  # not strict: control characters in quotes, as in Go
    except hjson.HjsonDecodeError as error:
        raise _located(_inner_error(text) or error, text, name) from None
    except RecursionError:
        raise _broken(name, "it is nested too deep") from None
    except (IndexError, ValueError, OverflowError):
        # In this order: an unterminated /* comment, a number of more than 4,300 digits, a number like 1e999.
        raise _broken(name, "a comment that never ends, or a number beyond all bounds") from None


def _inner_error(text: str) -> Any:
    """Find what is wrong inside a text without outer braces.

    There the library gives up its reading as keys and values, and complains that a text of one line has more lines.
    """
    import hjson  # see _parse

    if text.lstrip()[:1] in ("{", "["):
        return None
    try:
        hjson.loads(f"{{{text}\n}}", strict=False)
    except hjson.HjsonDecodeError as error:
        return error
    except (RecursionError, IndexError, ValueError, OverflowError):
        return None
    return None


def _located(error: Any, text: str, name: str) -> ConfigError:
    line = max(1, min(error.lineno - 1, text.count("\n")))
    return _broken(f"{name} (line {line})", _in_words(error.msg), line)


def _broken(where: str, problem: str, line: int | None = None) -> ConfigError:
    return ConfigError(where=where, problem=f"not valid Hjson: {problem}", remedy=_SYNTAX, line=line)


def _in_words(message: str) -> str:
    # Some of the library's messages are templates that it never fills in.
    return message.replace(" %r", "").removesuffix(" at").strip()


def _clean(value: Any) -> Any:
    """Replace what no UTF-8 text can hold (half of a surrogate pair, by an escape) as Go does."""
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, str) and not value.isascii():
        return "".join(["\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value])
    return value
