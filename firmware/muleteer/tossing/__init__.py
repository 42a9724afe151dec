# SPDX-License-Identifier: GPL-3.0-or-later
"""Making packets of what people send, and acting on the packets that arrived.

submit, route, channel, source, archive
    Outward: a file, a request, a call of a program, an acknowledgement become packets in a neighbour's tx, wrapped
    once per hop of the route.
tosser, job
    Inward: all packets in rx, the most urgent first. **Nothing acts before the packet is proven**: its sender is
    known, its signature and every block are authentic, and its bytes hash to its name.
deliveries, execution, incoming
    What then happens with each kind of packet.
handles, notify
    Running programs, with a time limit and bounded output; mails about what arrived.
acks
    Acknowledging what arrived.
records, steady_log
    The wording of the log, which is the reference's; and a log whose failing stops no mail.

Rules. Synchronous; one thread owns a Tosser or Submitter with its Spool (helper threads only move bytes). A packet
that cannot be processed stays in rx with its reason (``spool.aside``), is tried again, and stops no other. Delivery is
at least once: a power cut between a delivery and the removal of its packet repeats it. May import spool, formats,
config, crypto.
"""
