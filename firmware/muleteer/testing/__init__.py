# SPDX-License-Identifier: GPL-3.0-or-later
"""Fakes and checkers that are shipped with the product, so that every layer is tested against the same ones.

A fake passes the contract suite of what it stands for (:mod:`.contracts`): :mod:`.disk` is a disk in memory that knows
what was asked of it, :mod:`.survivors` builds what a power cut leaves of it, :mod:`.crash` cuts the power before every
operation of a flow over it, :mod:`.spools` says what must hold in a spool afterwards, :mod:`.rituals` judges the order
of steps. Clocks, pins, sticks, nodes and agents have modules of their own. May import every layer; no layer imports it.
"""
