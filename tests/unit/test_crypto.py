# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from muleteer.crypto import aead, sodium
from muleteer.crypto.aead import Aead, AuthenticationFailed
from muleteer.crypto.entropy import random_bytes
from muleteer.crypto.hashes import blake2b_256, blake3_hash, blake3_keyed, derive_key, xof
from muleteer.crypto.keys import ExchangeKey, SigningKey, WeakPublicKey, verify
from muleteer.crypto.sodium import _Binding, _Public

KEY = bytes(range(32))
NONCE = bytes(range(12))
AD = b"associated"
LIBRARIES = [_Binding, _Public]


def test_the_quick_way_to_libsodium_is_the_one_in_use():
    assert isinstance(sodium.SODIUM, _Binding)


@pytest.mark.parametrize("trouble", [ImportError, AttributeError])
def test_another_pynacl_falls_back_to_its_public_functions(monkeypatch, trouble):
    def changed():
        raise trouble

    monkeypatch.setattr(sodium, "_Binding", changed)
    assert isinstance(sodium.load(), _Public)


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    chosen = request.param()
    for module in ("muleteer.crypto.keys", "muleteer.crypto.aead"):
        monkeypatch.setattr(f"{module}.SODIUM", chosen)
    return chosen


def test_signatures_are_ed25519(library):
    other = Ed25519PrivateKey.from_private_bytes(KEY)
    key = SigningKey.from_seed(KEY)
    assert key.public == other.public_key().public_bytes_raw()
    assert key.private == KEY + key.public
    assert SigningKey.from_private(key.private).sign(b"message") == other.sign(b"message")
    assert verify(key.public, key.sign(b"message"), b"message")
    assert not verify(key.public, key.sign(b"message"), b"massage")
    assert not verify(bytes(32), key.sign(b"message"), b"message")
    assert not verify(key.public, b"short", b"message")
    assert not verify(b"short", key.sign(b""), b"")


def test_secrets_are_x25519(library):
    theirs = X25519PrivateKey.from_private_bytes(KEY[::-1])
    ours = ExchangeKey(KEY)
    public = theirs.public_key().public_bytes_raw()
    assert ours.shared(public) == theirs.exchange(X25519PublicKey.from_public_bytes(ours.public))


@pytest.mark.parametrize("weak", [bytes(32), b"\1" + bytes(31)])
def test_points_of_low_order_are_refused(library, weak):
    with pytest.raises(WeakPublicKey):
        ExchangeKey(KEY).shared(weak)


def test_keys_of_wrong_length_are_refused():
    for make in (SigningKey, SigningKey.from_seed, ExchangeKey, Aead, ExchangeKey(KEY).shared):
        with pytest.raises(ValueError, match="bytes, not 31"):
            make(bytes(31))


def test_repr_hides_keys():
    key = ExchangeKey(KEY)
    for secret in (key, SigningKey.from_seed(KEY), Aead(KEY)):
        assert repr(secret) == f"{type(secret).__name__}(hidden)"


def test_random_keys_differ():
    assert ExchangeKey.generate().private != ExchangeKey.generate().private
    assert SigningKey.generate().private != SigningKey.generate().private
    assert len(random_bytes(5)) == 5


@pytest.mark.parametrize("size", [0, 1, 1000, 131072])
@pytest.mark.parametrize("bulk", [False, True])
def test_sealing_is_chacha20_poly1305(library, size, bulk):
    plain = bytes(size)
    sealed = ChaCha20Poly1305(KEY).encrypt(NONCE, plain, AD)
    out = memoryview(bytearray(size + 20))
    cipher = Aead(KEY, bulk=bulk)
    assert cipher.seal_into(NONCE, memoryview(plain), AD, out) == size + 16
    assert out[: size + 16] == sealed
    assert bytes(out[size + 16 :]) == bytes(4)
    assert cipher.open_into(NONCE, memoryview(sealed), AD, out) == size
    assert out[:size] == plain


@pytest.mark.parametrize("bulk", [False, True])
def test_what_was_changed_does_not_open(library, bulk):
    cipher = Aead(KEY, bulk=bulk)
    out = memoryview(bytearray(100))
    sealed = bytes(out[: cipher.seal_into(NONCE, b"plain", AD, out)])
    for changed in (b"x" + sealed[1:], sealed[:-1], sealed + b"x", sealed[:15], b""):
        with pytest.raises(AuthenticationFailed):
            cipher.open_into(NONCE, changed, AD, out)
    with pytest.raises(AuthenticationFailed):
        cipher.open_into(NONCE, sealed, b"other", out)
    with pytest.raises(AuthenticationFailed):
        cipher.open_into(bytes(12), sealed, AD, out)


@pytest.mark.parametrize("bulk", [False, True])
def test_no_byte_is_written_past_a_buffer(bulk):
    cipher = Aead(KEY, bulk=bulk)
    with pytest.raises(ValueError, match="too small"):
        cipher.seal_into(NONCE, bytes(5), AD, memoryview(bytearray(20)))
    with pytest.raises(ValueError, match="too small"):
        cipher.open_into(NONCE, bytes(21), AD, memoryview(bytearray(4)))
    with pytest.raises(ValueError, match="nonce"):
        cipher.seal_into(bytes(8), bytes(5), AD, memoryview(bytearray(40)))


def test_large_bodies_change_over_to_openssl(monkeypatch):
    monkeypatch.setattr(aead, "_BINDING", "not loaded")
    monkeypatch.setattr(aead, "BULK_AFTER", 100)
    cipher = Aead(KEY)
    out = memoryview(bytearray(100))
    cipher.seal_into(NONCE, bytes(60), AD, out)
    assert cipher._bulk is None
    assert cipher.seal_into(NONCE, bytes(60), AD, out) == 76
    assert cipher._bulk is not None
    assert out[:76] == ChaCha20Poly1305(KEY).encrypt(NONCE, bytes(60), AD)


def test_openssl_is_taken_at_once_where_it_is_loaded():
    assert Aead(KEY)._bulk is not None  # this test module loaded it
    assert Aead(KEY, bulk=False)._bulk is None


def test_another_cryptography_falls_back_to_its_public_module(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.bindings._rust", object())
    assert isinstance(aead._openssl(KEY), ChaCha20Poly1305)


# The BLAKE3 authors' published test vectors (test_vectors.json), input length 3: bytes 0, 1, 2.
B3_KEY = b"whats the Elvish word for friend"
B3_CONTEXT = b"BLAKE3 2019-12-27 16:29:52 test vectors context"


def test_blake3_is_blake3():
    data = bytes(range(3))
    assert blake3_hash(data).hex() == "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f"
    keyed = blake3_keyed(B3_KEY, data).digest()
    assert keyed.hex() == "39e67b76b5a007d4921969779fe666da67b5213b096084ab674742f0d5ec62b9"
    derived = derive_key(B3_CONTEXT, data)
    assert derived.hex() == "440aba35cb006b61fc17c0529255de438efc06a8c9ebf3f2ddac3b5a86705797"


def test_the_unbounded_output_may_be_cut_anywhere():
    whole = xof(KEY, 1000)
    assert whole[:32] == blake3_keyed(KEY).digest()
    assert xof(KEY, 500, 37) == whole[37:537]
    assert len(xof(KEY, 10, 1 << 40)) == 10


def test_blake2b_is_that_of_the_standard_library():
    assert blake2b_256(b"abc") == hashlib.blake2b(b"abc", digest_size=32).digest()
