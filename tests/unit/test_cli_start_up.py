# SPDX-License-Identifier: GPL-3.0-or-later
"""What an nncp-* command may not import: most cost as much as a whole command of the Go peer, os a fifth of it."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = ROOT / "tests" / "vectors" / "data" / "cfg" / "alice.hjson"
PACKET = ROOT / "tests" / "vectors" / "data" / "packets" / "file-11.pkt"
PATH = [str(ROOT / "firmware"), sysconfig.get_path("purelib")]

# The run itself, without the process's end, then what it left in sys.modules.
RUN = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from muleteer.cli.nncp import main
status = main(sys.argv[2:])
sys.stdout.flush()
sys.stderr.write("MODULES " + " ".join(sys.modules))
raise SystemExit(status)
"""
FORBIDDEN = {
    "argparse",
    "asyncio",
    "base64",
    "collections",
    "contextlib",
    "cryptography",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hjson",
    "importlib",
    "inspect",
    "json",
    "logging",
    "nacl.bindings",
    "os",
    "pathlib",
    "queue",
    "re",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "tokenize",
    "trio",
    "typing",
    "urllib",
    "warnings",
    "zipfile",
    "zstandard",
}


@pytest.fixture
def warm():
    """A runtime directory in RAM, where the parsed configuration is remembered."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no /dev/shm: the configuration cache needs a file system in RAM")
    folder = tempfile.mkdtemp(dir="/dev/shm")
    yield {"XDG_RUNTIME_DIR": folder, "PATH": "/usr/bin:/bin"}
    shutil.rmtree(folder)


@pytest.fixture
def lab(tmp_path):
    for part in ("spool", "stick"):
        (tmp_path / part).mkdir()
    (tmp_path / "small").write_bytes(b"x" * 1024)
    shutil.copy(PACKET, tmp_path / "packet")
    return tmp_path


def modules(lab, env, command, *words):
    """Run a command as its launcher does and return (status, what it imported)."""
    flags = [] if command == "nncp-hash" else ["-cfg", str(CONFIG)]
    if command not in ("nncp-hash", "nncp-pkt", "nncp-log", "nncp-cfgmin"):
        flags += ["-spool", str(lab / "spool")]
    if command in (
        "nncp-file",
        "nncp-xfer",
        "nncp-toss",
        "nncp-check",
        "nncp-ack",
        "nncp-freq",
        "nncp-exec",
        "nncp-log",
    ):
        flags += ["-log", str(lab / "log")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUN, ":".join(PATH), command, *flags, *words],
        cwd=lab,
        env=env,
        input=PACKET.read_bytes(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = done.stderr.decode()
    assert "MODULES " in text, text
    return done.returncode, set(text.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nncp-stat", ()),
        ("nncp-stat", ("-pkt",)),
        ("nncp-file", ("small", "bob:x")),
        ("nncp-file", ("-quiet", "-", "bob:x")),
        ("nncp-exec", ("-quiet", "-nocompress", "bob", "cat")),
        ("nncp-freq", ("bob:x",)),
        ("nncp-ack", ("-node", "bob", "-pkt", "A" * 52)),
        ("nncp-ack", ("-all",)),
        ("nncp-xfer", ("-mkdir", "stick")),
        ("nncp-toss", ()),
        ("nncp-check", ()),
        ("nncp-hash", ("-file", "small")),
        ("nncp-pkt", ()),
    ],
)
def test_no_slow_imports(lab, warm, command, words):
    modules(lab, warm, command, *words)  # remembers the configuration
    status, found = modules(lab, warm, command, *words)
    assert status == 0
    assert not found & FORBIDDEN


def test_looking_at_a_spool_needs_no_cryptography(lab, warm):
    modules(lab, warm, "nncp-stat")
    _, found = modules(lab, warm, "nncp-stat")
    assert not {name for name in found if name.startswith(("nacl", "cryptography", "_cffi_backend", "blake3"))}
