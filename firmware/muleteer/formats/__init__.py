# SPDX-License-Identifier: GPL-3.0-or-later
"""NNCP's formats: bytes to values and back.

Purpose: everything that two NNCP nodes must agree on byte by byte, and nothing else.

Rules:

1. Pure: no files, no clock, no random numbers. Keys, ephemeral keys and streams are arguments.
2. A parser accepts exactly the documented bytes, checks every length against what is there and puts a number on every
   limit. What it refuses, it refuses with a `PeerError` whose sentence a person can act on.
3. Everything streams in bounded memory: a packet may have 500 GB.
4. A path of a peer leaves this package only as `SafeName`.

It must not import anything of Muleteer but `crypto`, `errors` and `record`. All modules here are on the start-up path
of every ``nncp-*`` command, so their top-level imports are rationed (`zstd` loads its library when it is used).
"""
