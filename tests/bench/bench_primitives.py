# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the ways to the primitives that packets are made of, and prints a table.

Run ``python tests/bench/bench_primitives.py``; it takes some ten seconds. `crypto` chose by these figures. Trust the
ratios, not the seconds: the best of several rounds is shown, as a shared machine only ever adds time.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_sign_seed_keypair

from muleteer.crypto.aead import Aead
from muleteer.crypto.hashes import xof
from muleteer.crypto.keys import ExchangeKey, SigningKey, verify
from muleteer.crypto.sodium import SODIUM, _Public
from muleteer.formats.envelope import EnvelopeHeader, Opener, Sealer
from muleteer.formats.ids import NodeId
from muleteer.formats.mth import LEAF_KEY, MthHasher
from muleteer.formats.packet import FILE, PlainHeader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 131072
SMALL = 1316
KEY = bytes(range(32))
NONCE = bytes(12)
AD = bytes(32)
ROUNDS = 5

IMPORTS = (
    "pass",
    "blake3",
    "nacl._sodium",
    "nacl.bindings",
    "cryptography.hazmat.bindings._rust",
    "cryptography.hazmat.primitives.ciphers.aead",
    "zstandard",
    "muleteer.formats.envelope",
)


def seconds(act: Callable[[], object], *, at_least: float = 0.05) -> float:
    """Return the best time of one call."""
    calls = 1
    best = float("inf")
    for _ in range(ROUNDS):
        while True:
            start = time.perf_counter()
            for _ in range(calls):
                act()
            spent = time.perf_counter() - start
            if spent >= at_least / ROUNDS:
                break
            calls *= 2
        best = min(best, spent / calls)
    return best


def rate(size: int, act: Callable[[], object]) -> str:
    return f"{size / seconds(act) / 2**20:8.0f} MiB/s"


def micro(act: Callable[[], object]) -> str:
    return f"{seconds(act) * 1e6:8.1f} us"


def ciphers() -> Iterator[tuple[str, str, str]]:
    yield from _ciphers("128 KiB", BLOCK, lambda act: rate(BLOCK, act))
    yield from _ciphers("1,316 bytes", SMALL, micro)


def _ciphers(name: str, size: int, show: Callable[[Callable[[], object]], str]) -> Iterator[tuple[str, str, str]]:
    plain = bytes(size)
    out = memoryview(bytearray(size + 16))
    openssl = ChaCha20Poly1305(KEY)
    small, bulk, public = Aead(KEY, bulk=False), Aead(KEY, bulk=True), _Public()
    yield f"seal {name}", "libsodium, binding", show(lambda: small.seal_into(NONCE, plain, AD, out))
    yield "", "libsodium, public", show(lambda: public.seal_into(KEY, NONCE, plain, AD, out))
    yield "", "OpenSSL, encrypt_into", show(lambda: bulk.seal_into(NONCE, plain, AD, out))
    yield "", "OpenSSL, encrypt", show(lambda: openssl.encrypt(NONCE, plain, AD))
    sealed = openssl.encrypt(NONCE, plain, AD)
    yield f"open {name}", "libsodium, binding", show(lambda: small.open_into(NONCE, sealed, AD, out))
    yield "", "OpenSSL, decrypt_into", show(lambda: bulk.open_into(NONCE, sealed, AD, out))


def hashes() -> Iterator[tuple[str, str, str]]:
    block = bytes(BLOCK)
    large = memoryview(bytes(8 << 20))
    yield "hash 128 KiB", "blake3, keyed", rate(BLOCK, lambda: blake3(block, key=LEAF_KEY).digest())
    auto = blake3.AUTO
    yield "", "blake3, its threads", rate(BLOCK, lambda: blake3(block, key=LEAF_KEY, max_threads=auto).digest())
    yield "", "hashlib blake2b", rate(BLOCK, lambda: hashlib.blake2b(block).digest())
    yield "", "hashlib sha256", rate(BLOCK, lambda: hashlib.sha256(block).digest())
    yield "hash 64 bytes", "blake3, keyed", micro(lambda: blake3(block[:64], key=LEAF_KEY).digest())
    yield "tree hash 8 MiB", "aligned views", rate(8 << 20, lambda: MthHasher().update(large))
    yield "", "after a header", rate(8 << 20, lambda: _shifted(large))
    yield "padding 64 KiB", "blake3 output", rate(65536, lambda: xof(KEY, 65536, 1 << 33))


def _shifted(data: memoryview) -> None:
    hasher = MthHasher()
    hasher.update(bytes(172))
    hasher.update(data)


def keys() -> Iterator[tuple[str, str, str]]:
    pair = ExchangeKey(KEY)
    signer = SigningKey(crypto_sign_seed_keypair(KEY)[1])
    message = bytes(108)
    signature = signer.sign(message)
    yield "X25519", "libsodium, new pair", micro(ExchangeKey.generate)
    yield "", "libsodium, agree", micro(lambda: pair.shared(pair.public))
    yield "Ed25519", "libsodium, sign", micro(lambda: signer.sign(message))
    yield "", "libsodium, verify", micro(lambda: verify(signer.public, signature, message))


def packets() -> Iterator[tuple[str, str, str]]:
    yield from _packets("1 KiB", 1024, micro)
    yield from _packets("64 MiB", 64 << 20, lambda act: rate(64 << 20, act))


def _packets(name: str, size: int, show: Callable[[Callable[[], object]], str]) -> Iterator[tuple[str, str, str]]:
    key = ExchangeKey(KEY)
    signer = SigningKey(crypto_sign_seed_keypair(KEY)[1])
    lent = memoryview(bytearray(1 << 20))
    payload = memoryview(bytes(size))
    sealed: list[bytes] = []
    _seal(signer, key, payload, lent, lambda view: sealed.append(bytes(view)))
    packet = memoryview(b"".join(sealed))
    yield f"packet of {name}", "seal", show(lambda: _seal(signer, key, payload, lent, lambda _: None))
    yield "", "open", show(lambda: _open(signer, key, packet))


def _reader(data: memoryview) -> Callable[[memoryview], int]:
    at = 0

    def read(view: memoryview) -> int:
        nonlocal at
        piece = data[at : at + len(view)]
        view[: len(piece)] = piece
        at += len(piece)
        return len(piece)

    return read


def _seal(
    signer: SigningKey, key: ExchangeKey, payload: memoryview, lent: memoryview, give: Callable[[memoryview], None]
) -> None:
    node = NodeId(bytes(32))
    ephemeral = ExchangeKey.generate()
    sealer = Sealer(sender=node, sign=signer, recipient=node, exchpub=key.public, nice=1, ephemeral=ephemeral)
    sealer.run(PlainHeader(FILE, 1, b"name").pack(), _reader(payload), lambda: lent, give)


def _open(signer: SigningKey, key: ExchangeKey, packet: memoryview) -> None:
    header = EnvelopeHeader.unpack(packet)
    header.verify(signer.public)
    Opener(header, key).run(_reader(packet[172:]), lambda _: lambda _: None)


def imports() -> Iterator[tuple[str, str, str]]:
    import muleteer

    paths = [path for path in sys.path if path.endswith("-packages")]
    paths.append(str(muleteer.__path__[0]).rpartition("/")[0])
    times: dict[str, list[float]] = {module: [] for module in IMPORTS}
    for _ in range(8):
        for module in IMPORTS:
            statement = "" if module == "pass" else f"import {module}"
            code = f"import sys; sys.path += {paths!r}; {statement}"
            start = time.perf_counter()
            subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
            times[module].append(time.perf_counter() - start)
    bare = min(times["pass"])
    yield "start", "python -I -S", f"{bare * 1e3:8.1f} ms"
    for module in IMPORTS[1:]:
        yield "import", module, f"{(min(times[module]) - bare) * 1e3:+8.1f} ms"


def main() -> None:
    print(f"libsodium through {type(SODIUM).__name__}")
    for part in (ciphers, hashes, keys, packets, imports):
        for what, how, figure in part():
            print(f"{what:18} {how:45} {figure}", flush=True)


if __name__ == "__main__":
    main()
