# SPDX-License-Identifier: GPL-3.0-or-later
"""Which delivery a kind of packet gets."""

from __future__ import annotations

from muleteer.errors import NotYetHandled, UnknownType
from muleteer.formats.packet import ACK, AREA, EXEC, EXEC_FAT, FILE, FREQ, TRNS
from muleteer.tossing.deliveries import AckDelivery, FileDelivery, FreqDelivery, RelayDelivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.packet import PlainHeader
    from muleteer.tossing.deliveries import Delivery, Desk
    from muleteer.tossing.job import Job

_DELIVERIES = {FILE: FileDelivery, FREQ: FreqDelivery, TRNS: RelayDelivery, ACK: AckDelivery}


def delivery_of(job: Job, header: PlainHeader, desk: Desk) -> Delivery:
    """Return the delivery for a packet with this plain header.

    Raises NotYetHandled, UnknownType, and what the delivery itself has against it.
    """
    kind = header.kind
    if kind in (EXEC, EXEC_FAT):
        from muleteer.tossing.execution import ExecDelivery  # for exec only

        return ExecDelivery(job, header, desk)
    if kind == AREA:
        raise NotYetHandled(feature="An area packet")
    if kind not in _DELIVERIES:
        raise UnknownType(kind=kind)
    return _DELIVERIES[kind](job, header, desk)
