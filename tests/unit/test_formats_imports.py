# SPDX-License-Identifier: GPL-3.0-or-later
"""What the formats may cost at start-up: the Go peer's whole command takes 4 ms, some imports alone take more."""

import pkgutil
import subprocess
import sys

import pytest

import muleteer
import muleteer.crypto
import muleteer.formats

SLOW = [
    "re",
    "typing",
    "enum",
    "dataclasses",
    "json",
    "subprocess",
    "tempfile",
    "argparse",
    "pathlib",
    "logging",
    "contextlib",
    "functools",
    "collections",
    "hashlib",
    "zstandard",
    "nacl.bindings",
    "nacl.exceptions",
    "cryptography",
    "struct",
    "datetime",
]


def imported_by(module):
    paths = [path for path in sys.path if path.endswith("-packages")]
    root = muleteer.__path__[0].rpartition("/")[0]
    code = f"import sys; sys.path += {[root, *paths]!r}; import {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (muleteer.crypto, muleteer.formats)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("module", MODULES)
def test_no_slow_import(module):
    assert imported_by(module).isdisjoint(SLOW)


@pytest.mark.parametrize("module", ["envelope_header", "ids", "recfile", "niceness", "safename", "packet"])
def test_listing_packets_needs_no_cryptography(module):
    assert imported_by(f"muleteer.formats.{module}").isdisjoint({"nacl", "blake3", "_cffi_backend"})


def test_formats_are_pure():
    loaded = imported_by(
        ",".join(f"muleteer.formats.{m.name}" for m in pkgutil.iter_modules(muleteer.formats.__path__))
    )
    assert "random" not in loaded
    others = {name for name in loaded if name.startswith("muleteer.")}
    allowed = ("muleteer.formats", "muleteer.crypto", "muleteer.errors", "muleteer.record")
    assert all(name.startswith(allowed) for name in others)
