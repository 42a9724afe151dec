# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets to and from a plain directory, exactly as the reference's ``nncp-xfer`` leaves and takes them.

Layout: ``DIR/RECIPIENT/SENDER/PACKET``, ids in Base32. What is for us is received first, then what is queued is sent.
The rules are the reference's (nncp.md section 14), also where the round of `stick` does better: no check of free room
on the medium, no read-back, and a packet that the medium already has stays in the queue.

What differs nobody sees but by the clock: packets are committed in groups, the urgent ones go first, and a packet that
is in rx already is compared by its hash instead of being copied again.
"""

from __future__ import annotations

from muleteer.carriers.xfer_desk import Desk, XferRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.xfer_desk import Log, Watch
    from muleteer.spool.port import Disk
    from muleteer.spool.spool import Spool

__all__ = ["XferRules", "xfer"]


def xfer(spool: Spool, disk: Disk, log: Log, rules: XferRules, watch: Watch) -> bool:
    """Receive, then send, as far as the rules say; return whether all went well. What did not was logged.

    `disk` is the medium's. Raises SpoolError when our own disk fails.
    """
    desk = Desk(spool, disk, log, rules, watch)
    if rules.receive:
        from muleteer.carriers.xfer_receive import Receiver  # half of the runs do not receive

        Receiver(desk).run()
    if rules.send:
        from muleteer.carriers.xfer_send import Sender  # nor do the others send

        sender = Sender(desk)
        for node in sorted(rules.names, key=rules.names.__getitem__):
            sender.run(node)
    return desk.well
