# SPDX-License-Identifier: GPL-3.0-or-later
"""The launchers: found by name from anywhere, fast where they may be, and all the same."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parent.parent.parent / "firmware" / "scripts"
FIRMWARE = SCRIPTS.parent
NAMES = (
    "ack",
    "call",
    "caller",
    "cfgmin",
    "cfgnew",
    "check",
    "cronexpr",
    "daemon",
    "exec",
    "file",
    "freq",
    "hash",
    "log",
    "pkt",
    "stat",
    "toss",
    "trns",
    "xfer",
)
COMMANDS = {f"nncp-{name}" for name in NAMES}
HASH_OF_HELLO = "076752858a52f11db6a5c8885b44773cd933d571db467dd87879c8c77a9612c9\n"

# Stands for an interpreter: tells how it was started.
FAKE_PYTHON = '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n'


def test_there_is_one_for_each_command():
    sys.path.insert(0, str(FIRMWARE))
    from muleteer.cli.nncp import COMMANDS as SERVED

    assert {path.name for path in SCRIPTS.iterdir()} == COMMANDS == set(SERVED)
    assert len({path.read_bytes() for path in SCRIPTS.iterdir()}) == 1
    assert all(os.access(path, os.X_OK) for path in SCRIPTS.iterdir())


def test_they_are_plain_posix_shell():
    assert next(SCRIPTS.iterdir()).read_text().startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", *SCRIPTS.glob("nncp-stat")], check=True, timeout=20)


@pytest.fixture
def prefix(tmp_path):
    """An installation: bin/ with launchers and an interpreter that only tells how it was called."""
    bin_ = tmp_path / "an installation" / "bin"
    bin_.mkdir(parents=True)
    for script in SCRIPTS.iterdir():
        shutil.copy(script, bin_)
    for name in ("python3", "python3.12"):
        (bin_ / name).write_text(FAKE_PYTHON)
        (bin_ / name).chmod(0o755)
    return bin_.parent


def install(prefix, version="python3.12"):
    package = prefix / "lib" / version / "site-packages" / "muleteer" / "cli"
    package.mkdir(parents=True)
    (package / "nncp.py").touch()
    return package.parent.parent


def started(*words, cwd="/"):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True, timeout=20)
    python, *rest = done.stdout.splitlines()
    return os.path.realpath(os.path.join(cwd, python)), rest


def test_installed_it_starts_without_the_site_module(prefix):
    site = install(prefix)
    python, words = started(str(prefix / "bin" / "nncp-file"), "-quiet", "a b", "")
    assert python == str(prefix / "bin" / "python3.12")
    assert words[:3] == ["-I", "-S", "-c"]
    assert os.path.realpath(words[-5]) == str(site)
    assert words[-4:] == ["nncp-file", "-quiet", "a b", ""]


def test_the_interpreter_must_be_the_one_of_that_folder(prefix):
    install(prefix, "python3.13")
    python, words = started(str(prefix / "bin" / "nncp-file"))
    assert python == str(prefix / "bin" / "python3")
    assert words[0] == "-P"


def test_elsewhere_it_starts_the_ordinary_way(prefix):
    python, words = started(str(prefix / "bin" / "nncp-stat"), "-pkt")
    assert python == str(prefix / "bin" / "python3")
    assert words[:2] == ["-P", "-c"]
    assert words[-2:] == ["nncp-stat", "-pkt"]


@pytest.mark.parametrize("relative", [True, False])
def test_by_a_chain_of_links(prefix, tmp_path, relative):
    install(prefix)
    (tmp_path / "links").mkdir()
    target = (
        os.path.relpath(prefix / "bin" / "nncp-stat", tmp_path / "links") if relative else prefix / "bin" / "nncp-stat"
    )
    (tmp_path / "links" / "first").symlink_to(target)
    (tmp_path / "links" / "second").symlink_to("first")
    python, words = started(str(tmp_path / "links" / "second"))
    assert python == str(prefix / "bin" / "python3.12")
    assert words[-1] == "nncp-stat"


def test_from_its_own_folder_and_by_the_search_path(prefix):
    install(prefix)
    for words in (["./nncp-log"], ["sh", "nncp-log"], ["env", f"PATH={prefix / 'bin'}:/usr/bin:/bin", "nncp-log"]):
        python, rest = started(*words, cwd=prefix / "bin")
        assert python == str(prefix / "bin" / "python3.12")
        assert rest[-1] == "nncp-log"


def test_a_real_run(tmp_path):
    """An installation made of links to this interpreter and this tree."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    shutil.copy(SCRIPTS / "nncp-hash", bin_)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (bin_ / version).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (bin_ / version).chmod(0o755)
    site = tmp_path / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "muleteer").symlink_to(FIRMWARE / "muleteer")
    import blake3

    (site / "blake3").symlink_to(pathlib.Path(blake3.__file__).parent)
    done = subprocess.run([bin_ / "nncp-hash"], input="hello\n", capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == HASH_OF_HELLO
