# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code that makes bytes durable.

A name is a promise: a file under its final name is whole, hashed and synced. The ritual behind that promise exists
once, in :mod:`.draft` and :mod:`.batch`; every other part of Muleteer that wants a file to last goes through them.

port, disk
    The few verbs through which all files are touched, and the real disk. ``testing.disk`` has the fake.
layout
    Path arithmetic of an NNCP spool.
draft, batch
    The ritual for one file, and for a group of files at the price of one.
part, checker
    The same for a download that grows over several sessions; checks that take long, beside the session.
spool, guard
    Packets: commit, list, open, finish, lock; the disk's errors become the spool's.
check
    Does a packet still hash to its name?
aside, ledger, accounts, line_file
    Why a packet could not be processed; which runner carries a copy of what, and which copies are litter; what was
    spent of each budget; how the latter two are kept.
greetings
    Which calls came before, so that a recorded one is refused.
logbook
    The log file that the reference's tools read.
sweep, holders
    What start-up finds after a power cut, and what it does about it; which files some process has open.

The Go programs may work in the same spool at the same time: same names, same locks, same order of steps. May import
formats, crypto, errors, record. No clock in here: ``now`` is an argument.
"""
