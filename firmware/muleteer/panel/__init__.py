# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel: its own process, which shows what the agent says of itself on lamps, an OLED, a terminal or PNG files.

Rules: what is shown is a pure function of (Status or None, instant): `lamps` and `pages` decide, `draw` turns a page
into pixels, `oled`, `pins`, `terminal` and `album` only bring them out, and `app` owns the one nursery. None stands for
"the agent is not running", and is shown as such: the panel never repeats what it last heard as if it were still so.

A part that breaks (OLED unplugged, pins refused, disk full) is left out and tried again; the rest goes on, and the mail
notices nothing, as the panel only ever reads. It imports agent.status, agent.control_client and
agent.clock, and the disk port of spool; luma lives in `draw` and `oled`, RPi.GPIO in `pins`, trio in `app` and `feed`.
"""
