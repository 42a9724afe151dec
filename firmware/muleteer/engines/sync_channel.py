# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret part of a session: frames in, payloads out, and back. Knows no message.

The first message each way is the Noise handshake, all others are ciphertext with a counted nonce. File data is read by
its owner into `scratch` and encrypted from there into the output: that is the only copy.
"""

from __future__ import annotations

from muleteer.crypto.aead import TAG_SIZE, AuthenticationFailed
from muleteer.crypto.keys import WeakPublicKey
from muleteer.crypto.noise import INITIATOR_OVERHEAD, RESPONDER_OVERHEAD, NoiseIK
from muleteer.engines.sync_frames import HEAD_SIZE, FrameReader, close_frame, frame_size
from muleteer.engines.sync_messages import PAYLOAD_MAX
from muleteer.errors import BadFrame, BadGreeting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from muleteer.crypto.keys import ExchangeKey
    from muleteer.crypto.noise import NoiseCipher

    Buffer: TypeAlias = bytes | bytearray | memoryview

FRAME_MAX = frame_size(PAYLOAD_MAX + INITIATOR_OVERHEAD)
"""Bytes of the longest frame we send: the greeting of an initiator that has 1,360 packets or more."""

OVERHEAD = HEAD_SIZE + TAG_SIZE
"""Bytes that a frame has more than its payload, after the handshake."""

_NO_BUFFER = memoryview(b"")


class Channel:
    """One connection, from its first message on. `peer` is the other end's public key, b"" until it is known."""

    __slots__ = (
        "_frames",
        "_greeted",
        "_initiator",
        "_noise",
        "_opening",
        "_plain",
        "_plain_at",
        "_scratch",
        "_sealing",
    )

    def __init__(self, initiator: bool, static: ExchangeKey, ephemeral: ExchangeKey, peer: bytes | None) -> None:  # noqa: FBT001
        self._initiator = initiator
        self._noise = NoiseIK(initiator, static, ephemeral, peer)
        self._greeted = False
        self._opening: NoiseCipher | None = None
        self._sealing: NoiseCipher | None = None
        self._frames = FrameReader()
        self._plain = self._scratch = _NO_BUFFER
        self._plain_at = 0

    @property
    def peer(self) -> bytes:
        """The public key of the other end."""
        return self._noise.peer

    @property
    def peer_ephemeral(self) -> bytes:
        """The fresh key by which its greeting differs from all others."""
        return self._noise.peer_ephemeral

    @property
    def is_open(self) -> bool:
        """Both greetings are through."""
        return self._sealing is not None

    @property
    def has_piece(self) -> bool:
        """A frame has begun to arrive and is not whole."""
        return self._frames.has_piece

    # ------------------------------------------------------------------------------------------ in

    def feed(self, data: Buffer) -> None:
        """Lend bytes from the link; payloads given out before are not valid any more."""
        self._frames.feed(data)
        self.rewind()

    def rewind(self) -> None:
        """Use the room of the payloads given out so far again."""
        self._plain_at = 0
        if len(self._plain) < self._frames.held:
            self._plain = memoryview(bytearray(self._frames.held))

    def keep(self) -> None:
        """Copy what is not given out yet: its owner wants the buffer back."""
        self._frames.keep()

    def next_payload(self) -> memoryview | None:
        """Return what the next whole message holds, None if there is none; valid until `feed` or `rewind`.

        Raises BadFrame, and BadGreeting for a first message.
        """
        message = self._frames.next()
        if message is None:
            return None
        room = self._plain[self._plain_at :]
        if self._opening is not None:
            try:
                size = self._opening.open_into(message, room)
            except AuthenticationFailed as wrong:
                raise BadFrame(problem="a message fails its authentication") from wrong
        else:
            size = self._read_greeting(message, room)
        self._plain_at += size
        return room[:size]

    def _read_greeting(self, message: memoryview, room: memoryview) -> int:
        if self._greeted or self._greets_first():
            raise BadFrame(problem="a message before its time")
        try:
            size = self._noise.read_message(message, room)
        except AuthenticationFailed as wrong:
            raise BadGreeting(problem="it fails its authentication") from wrong
        except WeakPublicKey as wrong:
            raise BadGreeting(problem="its key is worthless") from wrong
        self._greeted = True
        if self._initiator:
            self._split()
        return size

    def _greets_first(self) -> bool:
        return self._initiator and not self._scratch

    # ------------------------------------------------------------------------------------------ out

    def greeting_size(self, payload_size: int) -> int:
        """Return the bytes of our first frame with such a payload."""
        return frame_size(payload_size + (INITIATOR_OVERHEAD if self._initiator else RESPONDER_OVERHEAD))

    def greet(self, payload: bytes, out: memoryview) -> int:
        """Write our first frame into `out`; return its bytes. Raises BadGreeting if the peer's key cannot be used."""
        try:
            size = self._noise.write_message(payload, out[HEAD_SIZE:])
        except WeakPublicKey as wrong:
            raise BadGreeting(problem="the key of the other end is worthless") from wrong
        self._scratch = memoryview(bytearray(PAYLOAD_MAX))
        if not self._initiator:
            self._split()
        return close_frame(out, size)

    def scratch(self, size: int) -> memoryview:
        """Return room for a payload of so many bytes."""
        return self._scratch[:size]

    def seal(self, payload: memoryview, out: memoryview) -> int:
        """Write a frame with this payload into `out` and return its bytes; the channel is open."""
        assert self._sealing is not None  # noqa: S101 - the owner's promise
        return close_frame(out, self._sealing.seal_into(payload, out[HEAD_SIZE:]))

    def _split(self) -> None:
        self._sealing, self._opening = self._noise.split()

    def close(self) -> None:
        """Forget keys and buffers."""
        self._sealing = self._opening = None
        self._plain = self._scratch = _NO_BUFFER
        self._frames = FrameReader()
