# SPDX-License-Identifier: GPL-3.0-or-later
"""Cryptography, thin and typed: hashes, authenticated encryption, keys, random bytes.

Purpose: the only place that touches a cryptographic library. Everything above sees bytes in, bytes out, and two kinds
of key object whose ``repr`` hides the secret.

Which library does what, and why (figures: ``tests/bench/bench_primitives.py``, DECISIONS.md):

* BLAKE3: ``blake3`` (there is none in the standard library).
* Ed25519, X25519 and small ChaCha20-Poly1305 bodies: libsodium, by PyNaCl's binding module (`sodium`), as it loads in
  a fraction of the time of ``cryptography``.
* Large bodies: OpenSSL, by ``cryptography``, three times as fast per byte; imported when the first large body comes.

It must not import anything of Muleteer but `errors` and `record`. It knows no format: nonces, contexts and associated
data are arguments. Random bytes come from `entropy` alone.
"""
