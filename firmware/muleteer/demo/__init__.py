# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: two boxes, one stick and a guest, on simulated bays in a scratch folder.

Nothing here is acted: each box is a real agent process, the stick is a directory that is moved from bay to bay, the
commands are the drop-in ``nncp-*`` ones, and the guest is the real Go NNCP where it is installed. `world` lays out the
folders and keys, `box` runs one agent, `guest` is the third node, `stage` draws the panels, `story` is the play.
"""
