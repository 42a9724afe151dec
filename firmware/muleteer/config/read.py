# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and check a configuration file: the slow way of `load`, taken when the file changed."""

from __future__ import annotations

import os
import stat

from muleteer.config import hjson
from muleteer.config.check import check
from muleteer.config.complaints import Complaints
from muleteer.errors import ConfigError, NotYetSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.config.complaints import KeyPath
    from muleteer.config.model import Config

SIZE_MAX = 4 << 20
"""Bytes: thousands of neighbours. A bigger file is none of ours (a disk image, say); parsing it would take minutes."""

_EBLOB = b"NNCPB\0\0"  # followed by the version


def read_config(path: str) -> tuple[Config, os.stat_result | None]:
    """Read the configuration at `path`; also return its state while it was read, None if that was not stable.

    Raises:
        ConfigError: it is missing, unreadable or wrong.
        NotYetSupported: it is encrypted or a directory.

    """
    if os.path.isdir(path):
        raise NotYetSupported(feature=f"The configuration directory {path} (nncp-cfgdir)")
    data, status = read_file(path, "Create one with `nncp-cfgnew`, or name another with -cfg or NNCPCFG.")
    if data.startswith(_EBLOB):
        raise NotYetSupported(feature=f"The encrypted configuration {path} (nncp-cfgenc)")
    text = decode(data, path)
    return check(hjson.parse(text, path), path, Complaints(path, _LineFinder(text).of)), status


def read_file(path: str, missing_remedy: str) -> tuple[bytes, os.stat_result | None]:
    """Read a whole configuration file or pipe.

    Raises:
        ConfigError: it is missing, unreadable, a directory or too big; `missing_remedy` says how to get one.

    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            before = os.fstat(file)
            data = _read_all(file)
            after = os.fstat(file)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise ConfigError(where=path, problem="there is no such file", remedy=missing_remedy) from None
    except PermissionError:
        remedy = "Run this as a user who may read it: it can hold private keys, so do not open it to everybody."
        raise ConfigError(where=path, problem="this user may not read it", remedy=remedy) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError(where=path, problem=f"it cannot be read ({problem})", remedy="Check its path.") from None
    if len(data) > SIZE_MAX:
        raise ConfigError(where=path, problem=f"it is larger than {SIZE_MAX >> 20} MiB", remedy="Check its path.")
    stable = stat.S_ISREG(before.st_mode) and _state(before) == _state(after) and len(data) == before.st_size
    return data, before if stable else None


def decode(data: bytes, name: str) -> str:
    """Turn a file's bytes into text; a byte order mark, which Windows editors leave, is dropped.

    Raises:
        ConfigError: it is not UTF-8.

    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02X} is not UTF-8 text"
        raise ConfigError(
            where=f"{name} (line {line})", problem=problem, remedy="Save the file as UTF-8.", line=line
        ) from None


def _read_all(file: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= SIZE_MAX and (piece := os.read(file, 1 << 18)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


class _LineFinder:
    """Scans the text for lines of keys at the first complaint, which mostly never comes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, path: KeyPath) -> int | None:
        from muleteer.config.positions import hjson_lines  # see above

        return hjson_lines(self._text).of(path)
