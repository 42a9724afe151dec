# SPDX-License-Identifier: GPL-3.0-or-later
"""The Noise handshake against the published vectors (cacophony) and a recorded session of a real peer."""

import json
import pathlib

import pytest

from muleteer.crypto.keys import ExchangeKey
from muleteer.crypto.noise import (
    INITIATOR_OVERHEAD,
    RESPONDER_OVERHEAD,
    AuthenticationFailed,
    NoiseIK,
    hkdf,
    hmac_blake2b,
)
from muleteer.crypto.sodium import WeakPublicKey
from muleteer.formats.ids import b32decode

DATA = pathlib.Path(__file__).parent / "data"
PUBLISHED = json.loads((DATA / "noise" / "ik.json").read_text())["vectors"]
KEYS = json.loads((DATA / "cfg" / "keys.json").read_text())["nodes"]
RECORDED = json.loads((DATA / "sp" / "transcript.json").read_text())


def pair(vector):
    prologue = bytes.fromhex(vector["init_prologue"])
    keys = [ExchangeKey(bytes.fromhex(vector[f"{who}_{kind}"])) for who in ("init", "resp") for kind in KINDS]
    remote = bytes.fromhex(vector["init_remote_static"])
    assert remote == keys[2].public
    return NoiseIK(True, keys[0], keys[1], remote, prologue), NoiseIK(False, keys[2], keys[3], None, prologue)


KINDS = ("static", "ephemeral")


def written(write, payload):
    out = memoryview(bytearray(len(payload) + 256))
    return bytes(out[: write(payload, out)])


@pytest.mark.parametrize("vector", PUBLISHED)
def test_published_vectors_in_both_roles(vector):
    initiator, responder = pair(vector)
    steps = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    assert len(steps) == 6
    for (payload, wire), sender, receiver in zip(steps, (initiator, responder), (responder, initiator), strict=False):
        assert written(sender.write_message, payload) == wire
        assert written(receiver.read_message, wire) == payload
    assert initiator.handshake_hash == responder.handshake_hash == bytes.fromhex(vector["handshake_hash"])
    forth, back = initiator.split()
    theirs, ours = responder.split()
    ways = [(forth, ours), (theirs, back)] * 2
    for (payload, wire), (seal, unseal) in zip(steps[2:], ways, strict=True):
        assert written(seal.seal_into, payload) == wire
        assert written(unseal.open_into, wire) == payload
    assert responder.peer == ExchangeKey(bytes.fromhex(vector["init_static"])).public


def key(node, kind):
    return b32decode(KEYS[node][kind])


def message(number):
    (path,) = (DATA / "sp").glob(f"{number:02}-*.bin")
    frame = path.read_bytes()
    return frame[12 : 12 + int.from_bytes(frame[8:12], "big")]


def test_recorded_handshake_of_a_real_peer():
    ephemeral = ExchangeKey(bytes.fromhex(RECORDED["initiator_ephemeral_private_hex"]))
    noise = NoiseIK(True, ExchangeKey(key("bob", "noiseprv")), ephemeral, key("alice", "noisepub"))
    first, second = message(0), message(1)
    padding = b"\0\0\0\x04" * ((len(first) - INITIATOR_OVERHEAD) // 4)
    assert written(noise.write_message, padding) == first
    assert len(written(noise.read_message, second)) == len(second) - RESPONDER_OVERHEAD
    assert noise.handshake_hash.hex() == RECORDED["handshake_hash_after_msg2_hex"]
    assert noise._chaining_key.hex() == RECORDED["chaining_key_after_msg2_hex"]


def test_hmac_known_answer():
    # computed with hmac.new(key, data, hashlib.blake2b), an independent implementation
    import hashlib
    import hmac

    for size in (0, 1, 64, 128):
        secret, data = bytes(range(size)), b"what is to be authenticated" * size
        assert hmac_blake2b(secret, data) == hmac.new(secret, data, hashlib.blake2b).digest()
    first, second = hkdf(b"c" * 64, b"m" * 32)
    temporary = hmac.new(b"c" * 64, b"m" * 32, hashlib.blake2b).digest()
    assert first == hmac.new(temporary, b"\x01", hashlib.blake2b).digest()
    assert second == hmac.new(temporary, first + b"\x02", hashlib.blake2b).digest()


def fresh():
    return pair(PUBLISHED[0])


@pytest.mark.parametrize("at", [0, 40, 90, 110])
def test_a_changed_message_is_refused(at):
    initiator, responder = fresh()
    wire = bytearray(written(initiator.write_message, b"payload of 1 6b"))
    wire[at] ^= 1
    with pytest.raises(AuthenticationFailed):
        written(responder.read_message, wire)


def test_a_message_for_another_key_is_refused():
    vector = dict(PUBLISHED[0], resp_static="11" * 32)
    with pytest.raises(AssertionError):
        pair(vector)
    _, other = fresh()
    stranger = NoiseIK(True, ExchangeKey(b"s" * 32), ExchangeKey(b"e" * 32), ExchangeKey(b"x" * 32).public)
    with pytest.raises(AuthenticationFailed):
        written(other.read_message, written(stranger.write_message, b""))


@pytest.mark.parametrize("size", [0, 1, 47, 95])
def test_a_short_message_is_refused(size):
    initiator, responder = fresh()
    wire = written(initiator.write_message, b"")
    with pytest.raises(AuthenticationFailed):
        written(responder.read_message, wire[:size])


def test_a_worthless_key_is_refused():
    _, responder = fresh()
    with pytest.raises(WeakPublicKey):
        written(responder.read_message, bytes(96))
    initiator = NoiseIK(True, ExchangeKey(b"s" * 32), ExchangeKey(b"e" * 32), bytes(32))
    with pytest.raises(WeakPublicKey):
        written(initiator.write_message, b"")


def test_an_initiator_needs_the_key_of_the_other_end():
    with pytest.raises(ValueError, match="public key"):
        NoiseIK(True, ExchangeKey(b"s" * 32), ExchangeKey(b"e" * 32), None)


def test_transport_messages_come_in_order_and_once():
    initiator, responder = fresh()
    written(responder.read_message, written(initiator.write_message, b""))
    written(initiator.read_message, written(responder.write_message, b""))
    seal, _ = initiator.split()
    _, unseal = responder.split()
    first, second = written(seal.seal_into, b"1"), written(seal.seal_into, b"2")
    with pytest.raises(AuthenticationFailed):
        written(unseal.open_into, second)
    assert written(unseal.open_into, first) == b"1"
    with pytest.raises(AuthenticationFailed):
        written(unseal.open_into, first)
    assert written(unseal.open_into, second) == b"2"


def test_a_message_that_found_no_room_was_not_counted():
    initiator, _ = fresh()
    seal, _ = initiator.split()
    twin, _ = initiator.split()
    with pytest.raises(ValueError, match="too small"):
        seal.seal_into(b"x" * 10, memoryview(bytearray(25)))
    assert written(seal.seal_into, b"x") == written(twin.seal_into, b"x")


def test_secrets_do_not_show():
    initiator, _ = fresh()
    assert repr(initiator) == "NoiseIK(hidden)"
    assert repr(initiator.split()[0]) == "NoiseCipher(hidden)"
