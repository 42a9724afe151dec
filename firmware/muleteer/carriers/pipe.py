# SPDX-License-Identifier: GPL-3.0-or-later
"""A link made of a shell command: what it reads is what we send, what it prints is what we hear.

``|ssh host nncp-daemon -ucspi`` calls a node through ssh; a forced command in the other side's authorized_keys works
the same way. The command's standard error is ours. When the link is closed it gets `CHILD_SECONDS` to end by itself (it
sees the end of its input), then it is killed with everything that it started.
"""

from __future__ import annotations

import os
import signal
import subprocess

from muleteer.carriers.link import FdLink
from muleteer.carriers.tcp import words_of
from muleteer.errors import LinkFailed

CHILD_SECONDS = 10.0
"""How long a command may take to end once its link is closed: the reference's deadline."""

_SHELL = "/bin/sh"


class PipeLink(FdLink):
    """The link to a running command."""

    def __init__(self, process: subprocess.Popen[bytes], command: str, *, own_group: bool) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a command of a link runs with pipes")
        # The link owns the descriptors: the file objects are only how subprocess hands them over.
        super().__init__(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()), f"|{command}")
        process.stdin.close()
        process.stdout.close()
        self._process = process
        self._own_group = own_group

    def close(self) -> None:
        """Let the command see the end, and wait for its own; kill it if that takes too long."""
        if self._process.returncode is not None:
            return
        super().close()
        try:
            self._process.wait(CHILD_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()

    def _kill(self) -> None:
        if self._own_group:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()


def open_pipe(command: str, *, own_group: bool = True) -> PipeLink:
    """Start a shell command as a link. Raises LinkFailed.

    `own_group` False leaves it in our process group, so that an ssh in the foreground of a terminal may ask there for a
    passphrase; then only the shell itself can be killed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is the owner's, from the configuration or command line
            [_SHELL, "-c", command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0 if own_group else None,
        )
    except (OSError, ValueError) as error:
        raise LinkFailed(address=f"|{command}", problem=words_of(error)) from error
    return PipeLink(process, command, own_group=own_group)
