# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner wrote: `nncp.hjson` (NNCP's own, unchanged) and `muleteer.toml` (what this box adds).

Rules:

* The texts are parsed once, here, into frozen values; nothing below or above looks at raw text again.
* A wrong value is refused with file, key, line and what would be right; all complaints of a file come at once.
* `model`, `load`, `cache` and `compiled` are on the path of every ``nncp-*`` command and import next to nothing.
  `cron` and `zone` are on that of ``nncp-caller``, and do likewise.
  Everything else is imported only when the configuration changed since the last command.
* `hjson` is the only importer of the Hjson library, `toml` the only importer of tomllib.
* Must not import spool, tossing or anything above. `cache` writes files, but only in RAM: see there.
"""
