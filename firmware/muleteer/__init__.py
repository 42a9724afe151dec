# SPDX-License-Identifier: GPL-3.0-or-later
"""Muleteer turns a Raspberry Pi into a carrier for store-and-forward networks.

The layers, top to bottom; an arrow of import goes down only::

    cli, panel   ->  agent.status, agent.control (client side)
    agent        ->  carriers, hotplug, tossing, spool, config
    carriers     ->  engines, spool, config        tossing -> spool, formats, config
    engines      ->  formats, crypto               spool   -> formats
    config       ->  formats, crypto               formats -> crypto        all -> errors, record

A packet's way in by stick: hotplug.udev -> hotplug.recognise -> agent.dispatcher -> agent.runner -> carriers.stick ->
spool.draft -> tossing.tosser -> formats.envelope -> tossing.deliveries -> spool -> Status -> panel.
"""

__version__ = "0.1.0"
