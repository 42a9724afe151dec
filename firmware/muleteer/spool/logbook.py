# SPDX-License-Identifier: GPL-3.0-or-later
"""The log file that both our programs and the reference's append to, and ``nncp-log`` reads (nncp.md section 11)."""

from __future__ import annotations

from muleteer.errors import LogError, UsageError
from muleteer.formats.recfile import format_record, rfc3339
from muleteer.spool.disk import RealFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.spool.port import Disk

DESCRIPTOR = "FD:"
"""What a log that is a descriptor begins with."""


class Logbook:
    """Appends records to ``target``: a path, shared under a lock; or ``FD:n``, an open descriptor, without one.

    ``now_ns`` tells the wall time in nanoseconds. Values from strangers must have gone through ``safename.show``.
    """

    def __init__(self, target: str, disk: Disk, now_ns: Callable[[], int]) -> None:
        self._target = target
        self._disk = disk
        self._now_ns = now_ns

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Append one record, stamped now; ``err`` marks it as an error. Raises LogError."""
        self.append(self.compose(who, message, fields, err))

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Append what happened together (who, message, fields) by one write. Raises LogError."""
        if those:
            self.append(b"".join([self.compose(who, message, fields) for who, message, fields in those]))

    def compose(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> bytes:
        """Return one record, stamped now, in the reference's order of fields."""
        error = [] if err is None else [("Err", err)]
        when = ("When", rfc3339(self._now_ns()))
        return format_record([when, *error, ("Who", who), *fields, ("Msg", message)])

    def put_by(self, size_max: int) -> bool:
        """Begin a new log if this one has more than `size_max` bytes; the old one is kept as ``LOG.1``, one back only.

        Return whether it was done. The reference opens the log anew for each record, so it follows. Raises LogError.
        """
        if self._target.startswith(DESCRIPTOR):
            return False
        try:
            with self._disk.lock(f"{self._target}.lock", wait=True):
                if self._disk.stat(self._target).size <= size_max:
                    return False
                self._disk.rename(self._target, f"{self._target}.1")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LogError(path=self._target, problem=(error.strerror or str(error)).lower()) from error
        return True

    def append(self, records: bytes) -> None:
        """Append composed records at once. Raises LogError."""
        try:
            if self._target.startswith(DESCRIPTOR):
                RealFile(_descriptor(self._target), sync=False).write(records)
                return
            with self._disk.lock(f"{self._target}.lock", wait=True), self._disk.append(self._target) as file:
                file.write(records)
        except OSError as error:
            raise LogError(path=self._target, problem=(error.strerror or str(error)).lower()) from error


def _descriptor(target: str) -> int:
    try:
        return int(target.removeprefix(DESCRIPTOR))
    except ValueError as error:
        raise UsageError(problem=f"the log {target} needs a number after FD:") from error
