# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocol engines without input or output: bytes and `now` in; bytes, events and one deadline out.

Purpose: what is said on a link, and in which order. Nobody here knows what the link is, where the packets lie or what
time it is on the wall.

Rules:

1. An engine owns no file descriptor, no thread, no clock and no random numbers; all of these are arguments.
2. Its states are a table at the top of its module.
3. What came from the peer is hostile until it was checked: each length, count and duration has a limit.
4. It must not import anything but `formats`, `crypto`, `errors` and `record`; above all not the spool.

NNCP's online protocol: `sync`, the session. It stands on `sync_channel`, the secret part (with `sync_frames`, the
envelope), and `sync_messages`, what is inside. `sync_terms` go in, `sync_events` come out. `sync_offered` keeps what we
have (`sync_queue`: most urgent first), `sync_wanted` what the peer has, `sync_outbox` all we say but data;
`sync_timing` knows when to hang up, `sync_pace` (with `throttle`) how fast to go.
"""
