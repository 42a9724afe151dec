# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: ``muleteer VERB`` and the drop-in ``nncp-*`` commands.

Only argument parsing, wiring and exit codes live here; what a command does is done by tossing, spool, carriers and
config. `main` serves ``muleteer``, `nncp` serves the drop-ins by the name they were called by; each command has one
module with a `run`. The drop-ins imitate the reference where a script could notice: flags, streams, exit codes,
sentences. Their start-up is most of their cost, hence: no import here that the command at hand does not need.
"""
