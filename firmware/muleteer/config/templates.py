# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of new configurations; `@name@` is filled in by `write`."""

NODE = """\
{
  spool: @spool@
  log: @log@

  self: {
    # Private keys: keep this file to yourself. nncp-cfgmin prints what others may have.
    id: @id@
    exchpub: @exchpub@
    exchprv: @exchprv@
    signpub: @signpub@
    signprv: @signprv@
    noiseprv: @noiseprv@
    noisepub: @noisepub@
  }

  neigh: {
    self: {
      id: @id@
      exchpub: @exchpub@
      signpub: @signpub@
      noisepub: @noisepub@
      exec: {sendmail: ["/usr/sbin/sendmail"]}
    }
  }
}
"""

NODE_COMMENTS = """\
{
  # Where packets wait: on a disk with room for everything that is under way.
  spool: @spool@
  # The log; nncp-log prints it for people.
  log: @log@

  # Permissions that new files do not get (octal, in quotes).
  # umask: "022"
  # Show no progress while working.
  # noprogress: true
  # Keep no copies of packet headers (they make listings quicker).
  # nohdr: true

  # Network interfaces (regular expressions) where nodes nearby may be heard.
  mcd-listen: [".*"]
  # Network interfaces where this node makes itself heard, and every how many seconds.
  mcd-send: {.*: 10}

  # Who gets a mail about what arrives; it is sent by the command neigh.self.exec.sendmail below.
  # notify: {
  #   # files that came
  #   file: {
  #     from: nncp@localhost
  #     to: me+files@localhost
  #   }
  #   # files of ours that were requested
  #   freq: {
  #     from: nncp@localhost
  #     to: me+requests@localhost
  #   }
  #   # commands that ran: NEIGHBOUR.HANDLE, or *.HANDLE for every neighbour
  #   exec: {
  #     *.news: {
  #       from: nncp@localhost
  #       to: me+news@localhost
  #     }
  #   }
  # }

  self: {
    # Private keys: keep this section to yourself. nncp-cfgmin prints what others may have.
    id: @id@
    exchpub: @exchpub@
    exchprv: @exchprv@
    signpub: @signpub@
    signprv: @signprv@
    noiseprv: @noiseprv@
    noisepub: @noisepub@
  }

  neigh: {
    self: {
      # These four public keys are what your neighbours need: give them away.
      id: @id@
      exchpub: @exchpub@
      signpub: @signpub@
      noisepub: @noisepub@

      exec: {
        # Sends the mails of `notify`.
        sendmail: ["/usr/sbin/sendmail"]
      }
    }

    # A neighbour, by the name that you give it. Its four keys come from its owner; all else is optional.
    # cabin: {
    #   id: ...
    #   exchpub: ...
    #   signpub: ...
    #   noisepub: ...
    #
    #   # Its files are put below this directory. Absent: files from it are refused.
    #   # incoming: "/home/me/from-cabin"
    #
    #   # What it may run here: handle, program and fixed arguments. Absent: nothing.
    #   # exec: {
    #   #   sendmail: ["/usr/sbin/sendmail"]
    #   # }
    #
    #   # Files that it may request. Absent: none.
    #   # freq: {
    #   #   # those below this directory,
    #   #   path: "/srv/public"
    #   #   # in pieces of that many KiB,
    #   #   # chunked: 1024
    #   #   # in packets of at least that many KiB (hides how small a file is),
    #   #   # minsize: 64
    #   #   # and no file larger than that many KiB
    #   #   # maxsize: 100000
    #   # }
    #
    #   # The nodes that packets to it go through, first hop first.
    #   # via: ["village", "pass"]
    #
    #   # Its addresses on networks, by names that `calls` and nncp-call may use.
    #   # addrs: {
    #   #   lan: "[fe80::1%eth0]:5400"
    #   #   internet: "cabin.example:5400"
    #   # }
    #
    #   # At most that many packets per second, in and out.
    #   # rxrate: 10
    #   # txrate: 10
    #   # Hang up after that many seconds of silence, and after that many in all.
    #   # onlinedeadline: 60
    #   # maxonlinetime: 3600
    #
    #   # When to call it by itself.
    #   # calls: [
    #   #   {
    #   #     # minute, hour, day, month, weekday
    #   #     cron: "*/10 * * * *"
    #   #     # only packets up to this niceness: FLASH, PRIORITY, NORMAL, BULK, MAX or 1-255
    #   #     nice: PRIORITY
    #   #     # one direction only: rx or tx
    #   #     xx: tx
    #   #     addr: lan
    #   #     # only if something waits for it
    #   #     when-tx-exists: true
    #   #     # toss what came at once
    #   #     autotoss: true
    #   #   }
    #   # ]
    # }
  }
}
"""

AREA = """\
areas: {
  @name@: {
    id: @id@
    # Only nodes that read and write here need these two; those that just relay must not get them.
    pub: @pub@
    prv: @prv@
  }
}
"""

AREA_COMMENTS = """\
areas: {
  @name@: {
    id: @id@

    # Only nodes that read and write here need these two; those that just relay must not get them.
    pub: @pub@
    prv: @prv@

    # The neighbours that get everything sent to this area.
    # subs: ["cabin"]

    # Files sent to the area are put below this directory. Absent: they are refused.
    # incoming: "/home/me/from-area"

    # What messages to the area may run here: handle, program and fixed arguments. Absent: nothing.
    # exec: {
    #   sendmail: ["/usr/sbin/sendmail"]
    # }

    # Take messages of authors whose keys are not known here, too (they are relayed anyway).
    # allow-unknown: true
  }
}
"""
