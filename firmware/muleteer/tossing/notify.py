# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails about what arrived, through the ``sendmail`` handle of the owner's own entry (nncp.md section 20)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.config.model import Config, Mail

HANDLE = "sendmail"
_ENCODED_MAX = 45  # bytes of text in one encoded word: RFC 2047 limits the word to 75 characters


class Mailer:
    """Sends mails if the configuration says how; `seconds` limits one."""

    def __init__(self, config: Config, seconds: float | None = None) -> None:
        self._argv = config.me.exec.get(HANDLE)
        self._seconds = seconds

    def send(self, mail: Mail | None, subject: str, output: bytes = b"") -> str:
        """Send one mail, to nobody if `mail` is None; return what went wrong, nothing if all is well.

        The mailer gets our whole environment, as from the reference.
        """
        if mail is None or not self._argv:
            return ""
        import os  # 0.8 ms, and most mails are to nobody

        from muleteer.tossing.handles import run  # subprocess costs 15 ms

        text = compose(mail, subject, output)
        argv = [*self._argv, mail.recipient]
        return run(argv, os.environ, lambda feed: feed(text), seconds=self._seconds).problem


def compose(mail: Mail, subject: str, output: bytes) -> bytes:
    """Return the whole mail."""
    lines = [f"From: {mail.sender}", f"To: {mail.recipient}", f"Subject: {encoded(subject)}"]
    if output:
        lines += [
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
            _base64(output) + "\n",
        ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def encoded(text: str) -> str:
    """Return a header's text, as encoded words (RFC 2047) unless it is printable ASCII."""
    if text.isascii() and text.isprintable():
        return text
    words, rest = [], text.encode("utf-8", "replace")
    while rest:
        end = min(_ENCODED_MAX, len(rest))
        while end < len(rest) and rest[end] & 0xC0 == 0x80:  # never inside a character
            end -= 1
        words.append(f"=?UTF-8?b?{_base64(rest[:end])}?=")
        rest = rest[end:]
    return "\n ".join(words)


def _base64(data: bytes) -> str:
    from binascii import b2a_base64  # mails only

    return b2a_base64(data, newline=False).decode()
