# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole world from one seed: boxes, sticks, people, links and weather, in virtual time, in one thread.

    python -m muleteer.testing.world --seeds 200        all of them must hold
    python -m muleteer.testing.world --minutes 60 --from 1000
    python -m muleteer.testing.world --from 23 --verbose   one of them, told line by line
    python -m muleteer.testing.world --week             the documented night transfer, as a table

For some days everything goes wrong that may (`weather`), then nothing does, and in the end the checkers say whether any
promise was broken. The same seed gives the same event log, in every process.

==============  ====================================================================================================
scenario        what a seed means, as values; `rulebook`: the owner's rules, in their words and in the checkers' numbers
timeline        virtual time, in which acts happen inside each other as threads do; `clock`, `entropy`
disk, stick     the fake disk of a running box, with traps at its operations; sticks that take their files along
links           TCP between two boxes, over a link that comes and goes
machine         a box as its owner sees it; `people`: its two configuration files; `panel`: its lamps
agent           its agent; `switchboard` and `session`: that agent's calls and answers
courier         who carries the sticks; `weather`: what goes wrong
checkers        what must be true, `line_checkers` of every byte on a link; they act on nothing
world, night    all of it together; the week of night transfers
==============  ====================================================================================================

Real are dispatcher, scheduler, timekeeper, budgets, rounds, tosses, surveys, exchanges, engines, noise, spools, the
rules' parsers and the panel's lamps. In place of trio, threads, sockets, mounts and disks stand acts and fakes; what
`muleteer.agent.agent`, `call_work`, `answer_work` and `carriers.stream` do with those is done anew in `agent`,
`switchboard` and `session`. Not in these worlds: exec handles, file requests, peers that are not ours or lie, several
processes on one spool.
"""
