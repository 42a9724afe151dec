# SPDX-License-Identifier: GPL-3.0-or-later
"""Hotplug: notice that something was put in or pulled out, say what it is, and mount it.

=============  =====================================================================================================
events         what a source of insertions says: `Inserted`, `Ignored`, `Pulled`
recognise      pure: the properties udev tells of a block device -> `StickFound` or `Ignore(reason)`
roster         pure: a stream of udev events -> insertions and removals, each said once
udev           the only owner of pyudev: lists what is there, then follows what changes
directory      a simulated bay: a directory; a subdirectory that appears in it is an insertion
mounts         asks the mount helper (a subprocess, root) to mount, remount and unmount
mount_helper   the helper: small enough to read in one sitting, trusts nothing it is told
reach          could whoever calls the helper through sudo have changed it
superblock     pure: which of the permitted file systems is this, is it marked dirty
=============  =====================================================================================================

Rules of this house:

1. A device is recognised by what it is (USB, mass storage only, first LUN, a permitted file system), never by its
   name in /dev.
2. What a device says of itself (label, serial number, model) is a stranger's word: it selects a rule, it reaches no
   path and no shell, and people see it escaped.
3. Mounting is read-only until the round has seen that the stick is a runner: a foreign stick is given back without
   one byte changed, not even the mark "in use" that a writable FAT mount sets.
4. Unmounting is real (never lazy): the lamp "safe to pull" rests on it.
5. Imports config and formats; neither spool nor carriers nor agent.
"""
