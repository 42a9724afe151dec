# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-pkt``: tell what a packet on standard input is, or what is in it."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import
import sys

from muleteer.cli.flags import SWITCH, Flag
from muleteer.cli.nncp_say import line
from muleteer.cli.nncp_setting import CFG, load_setting
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import NotAPacket, TruncatedPacket, UnknownSender, WrongRecipient
from muleteer.formats.envelope import HEADER_SIZE, EnvelopeHeader, Opener
from muleteer.formats.ids import Id, NodeId
from muleteer.formats.magic import PLAIN
from muleteer.formats.niceness import format_nice
from muleteer.formats.packet import ACK, AREA, EXEC, EXEC_FAT, FILE, FREQ, PLAIN_HEADER_SIZE, TRNS, PlainHeader
from muleteer.formats.safename import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.cli.flags import Given
    from muleteer.config.model import Config

SUMMARY = """tell what the packet on standard input is, or write out what is in it

NAME [-dump [-decompress]]
NAME -overheads"""
FLAGS = (
    CFG,
    Flag("dump", SWITCH, False, "write an encrypted packet's plain packet, or a plain packet's payload"),
    Flag("decompress", SWITCH, False, "decompress the dumped payload of a plain packet"),
    Flag("overheads", SWITCH, False, "print how many bytes each layer of a packet adds"),
)
_PIECE = 1 << 20
_KINDS = {
    FILE: "file",
    FREQ: "file request",
    EXEC: "exec compressed",
    TRNS: "transitional",
    EXEC_FAT: "exec uncompressed",
    AREA: "area",
    ACK: "acknowledgement",
}


def run(given: Given) -> int:
    """Describe or dump."""
    config = load_setting(given).config
    if given.on("overheads"):
        line(f"Plain: {PLAIN_HEADER_SIZE}\nEncrypted: {HEADER_SIZE}\nSize: 16")
        return 0
    head = _read_head()
    if head[: len(PLAIN) - 1] == PLAIN[:-1]:
        return _plain(given, config, PlainHeader.unpack(head), head[PLAIN_HEADER_SIZE:])
    header = EnvelopeHeader.unpack(head)
    if given.on("dump"):
        _dump_encrypted(config, header, head[HEADER_SIZE:])
        sys.stdout.flush()  # here, where failing is our failure
    else:
        _describe_encrypted(config, header)
    return 0


def _read_head() -> bytes:
    """Read as much as the longer of the two headers has; less only at the end of the input."""
    head = b""
    while len(head) < PLAIN_HEADER_SIZE and (piece := os.read(0, PLAIN_HEADER_SIZE - len(head))):
        head += piece
    if len(head) < HEADER_SIZE:
        raise TruncatedPacket(problem=f"not enough data to read: {len(head)} bytes")
    if head[:3] != PLAIN[:3]:
        raise NotAPacket(problem=f"unable to determine packet type from {head[:8].hex()}")
    return head


def _plain(given: Given, config: Config, header: PlainHeader, begun: bytes) -> int:
    if not given.on("dump"):
        line(
            f"Packet type: plain\nPayload type: {_KINDS.get(header.kind, 'unknown')}\n"
            f"Niceness: {format_nice(header.nice)} ({header.nice})\nPath: {_path(config, header)}"
        )
        return 0
    if given.on("decompress"):
        _decompress(begun)
    else:
        _write(begun)
        _each_piece(_write)
    sys.stdout.flush()
    return 0


def _path(config: Config, header: PlainHeader) -> str:
    if header.kind in (EXEC, EXEC_FAT):
        return show(header.path.replace(b"\0", b" "))
    if header.kind not in (TRNS, AREA, ACK) or len(header.path) != len(Id(bytes(32))):
        return show(header.path)
    text = str(Id(header.path))
    if header.kind == TRNS and (node := config.neighbours.get(NodeId(header.path))):
        return f"{text} ({node.name})"
    if header.kind == AREA:
        area = config.areas.get(Id(header.path))
        return f"{text} ({area.name if area else text})"
    return text


def _describe_encrypted(config: Config, header: EnvelopeHeader) -> None:
    area = config.areas.get(header.recipient)
    recipient = f"area {area.name}" if area else _name(config, header.recipient)
    line(
        f"Packet type: encrypted\nNiceness: {format_nice(header.nice)} ({header.nice})\n"
        f"Sender: {header.sender} ({_name(config, header.sender)})\nRecipient: {header.recipient} ({recipient})"
    )


def _name(config: Config, node: NodeId) -> str:
    known = config.neighbours.get(node)
    return known.name if known else "unknown"


def _dump_encrypted(config: Config, header: EnvelopeHeader, begun: bytes) -> None:
    key = _key(config, header.recipient)
    sender = config.neighbours.get(header.sender)
    if sender is None:
        raise UnknownSender(sender=header.sender)
    header.verify(sender.signpub)
    rest = memoryview(begun)

    def read(view: memoryview) -> int:
        nonlocal rest
        if not rest:
            return os.readv(0, [view])
        count = min(len(view), len(rest))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    def on_header(plain: PlainHeader) -> Callable[[memoryview], None]:
        _write(plain.pack())
        return _write

    Opener(header, key).run(read, on_header)


def _key(config: Config, recipient: NodeId) -> ExchangeKey:
    area = config.areas.get(recipient)
    if area is not None and area.prv is not None:
        return ExchangeKey(area.prv)
    if config.own is None or recipient != config.own.id:
        raise WrongRecipient(recipient=recipient)
    return ExchangeKey(config.own.exchprv)


def _decompress(begun: bytes) -> None:
    from muleteer.formats.zstd import Decompressor

    body = Decompressor(_write)
    body.push(begun)
    _each_piece(body.push)
    body.finish()


def _each_piece(take: Callable[[memoryview], object]) -> None:
    buffer = memoryview(bytearray(_PIECE))
    while count := os.readv(0, [buffer]):
        take(buffer[:count])


def _write(data: bytes | memoryview) -> None:
    sys.stdout.buffer.write(data)
