# SPDX-License-Identifier: GPL-3.0-or-later
"""Carriers: the ways packets travel. Each module is the glue of a spool and one piece of the outside.

There are two kinds. A **stick** is carried by people, and nobody answers at its other end: nothing is known but what
was read from it and what was read back from it. (`xfer` is the same directory layout as the reference's command line
knows it, without the round.) A **link** is an open duplex byte stream to a neighbour that answers: TCP, also through a
proxy, or a command's standard input and output; `exchange` speaks the online protocol over it and knows no sockets,
`stream` moves the bytes and knows no protocol.

=====================  ===========================================================================================
stick                  the round: everything one insertion does, in order
stick_report           the words a round uses: progress, refusals, holds, the result
stick_medium           one mounted stick, and what an OSError of it means: pulled, write-protected, full, one bad file
stick_layout           whose stick it is: the directories on it, found without trusting it
stick_inbox            what may be packets for us in one of them
stick_patience         pure: in which order, and how long, to try files that cannot be read
stick_receive          from the stick into rx
stick_plan             pure: which queued packets go on this stick, and why the others wait
stick_queue            the queue with its locks, what of it travels already, what lies on the stick already
stick_sweep            off the stick with copies whose recipient has the packet by another way
stick_write            the chosen packets onto the stick
stick_send             queue, plan, write, read back, retire
readback               read a file from the medium itself and hash it
xfer                   what nncp-xfer does
---------------------  -------------------------------------------------------------------------------------------
online                 the words of a session: partner, terms, purse, report
exchange               one session between a link and the spool, without the link; with its parts: traffic, inflow,
                       downloads, outflow, spending, online_tally, online_log
link                   what a byte stream offers; sockets and descriptors
stream                 the one loop that moves bytes between a link and an exchange
address                what an address may look like
tcp, socks, pipe       links: dialled and accepted, through a SOCKS5 proxy, made of a command
call, call_log         one address after the other until a session stands; what the log says of calls
listener               who may come in: limits on connections and strangers
multicast              announcing ourselves on the local network, and hearing others
=====================  ===========================================================================================

Rules of this house:

1. A carrier decides nothing about *whether* it may carry: it is given an allowance (`stick_plan.StickAllowance`) and
   keeps it.
2. What lies on a stick is a stranger's. Names reach a person only escaped, a file becomes a packet only when its
   content hashes to its name, and no link is ever followed.
3. A packet leaves its source only after it is durable at its destination. The order is kept by `spool`, which is the
   only code here that makes bytes durable; both the spool and the stick are reached through a Disk.
4. Everything is synchronous and runs in one worker thread; a broken-off round needs no repair, the next insertion of
   the stick completes it.
5. Nothing here imports `agent` or `tossing`: what they know is passed in.
"""
