# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, reading and remembering nncp.hjson."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from muleteer.config import cache
from muleteer.config import load as load_module
from muleteer.config.compiled import to_config, to_plain
from muleteer.config.load import config_path, load
from muleteer.config.model import relocate, with_environment
from muleteer.errors import ConfigError, NotYetSupported, UsageError

FIRMWARE = Path(__file__).parent.parent.parent / "firmware"
VECTORS = Path(__file__).parent.parent / "vectors" / "data" / "cfg"
ALICE = VECTORS / "alice.hjson"
OLD = 1_600_000_000


@pytest.fixture
def ram():
    """Return a private directory in RAM, where the cache may live."""
    root = tempfile.mkdtemp(prefix="muleteer-test-", dir="/dev/shm")
    yield Path(root)
    shutil.rmtree(root)


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    """Return a copy of a configuration that counts as old enough to be remembered."""
    monkeypatch.setattr(cache, "YOUNG_NS", -1)
    path = tmp_path / "nncp.hjson"
    shutil.copy(ALICE, path)
    return path


def parses(monkeypatch):
    """Count cold loads from now on."""
    from muleteer.config import read

    calls = []
    real = read.read_config
    monkeypatch.setattr(read, "read_config", lambda path: calls.append(path) or real(path))
    return calls


# ---------------------------------------------------------------------------------------------- which file


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        (None, {}, "/etc/nncp.hjson"),
        ("/a", {}, "/a"),
        ("/a", {"NNCPCFG": "/b"}, "/b"),  # as in the reference: the environment wins
        (None, {"NNCPCFG": ""}, "/etc/nncp.hjson"),
    ],
)
def test_which_file_counts(flag, environ, expected):
    assert config_path(flag, environ) == expected


def test_values_of_a_real_configuration():
    config = load(str(ALICE), {}, ())
    keys = json.loads((VECTORS / "keys.json").read_text())["nodes"]
    assert str(config.own.id) == keys["alice"]["id"]
    assert config.me.name == "self"
    assert list(config.aliases) == ["self", "bob", "carol", "dave"]
    dave = config.find("dave")
    assert dave is config.find(keys["dave"]["id"])
    assert [config.neighbours[hop].name for hop in dave.via] == ["bob", "carol"]
    assert dave.exec == {"cat": ("/bin/cat",)}
    assert dave.freq.path == "/srv/nncp-vec/alice/freq"
    assert config.find_area("ar").subs == (config.aliases["bob"],)
    for unknown in ("nobody", "", "A" * 52, "a" * 52):
        with pytest.raises(UsageError, match="unknown node"):
            config.find(unknown)
    with pytest.raises(UsageError, match="unknown area"):
        config.find_area("nothing")


def test_no_private_key_in_any_repr():
    config = load(str(ALICE), {}, ())
    shown = repr(config) + str(config.own) + f"{config.areas}"
    own, area = config.own, config.find_area("ar")
    for secret in (own.exchprv, own.signprv, own.noiseprv, area.prv):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_environment_moves_spool_and_log():
    config = load(str(ALICE), {}, ())
    assert with_environment(config, {}) is config
    moved = with_environment(config, {"NNCPSPOOL": "/x", "NNCPLOG": "FD:4"})
    assert (moved.spool, moved.log) == ("/x", "FD:4")
    flags = relocate(moved, "/y", None)  # -spool wins over NNCPSPOOL
    assert (flags.spool, flags.log, flags.own) == ("/y", "FD:4", config.own)


# ---------------------------------------------------------------------------------------------- files that are none


def complaint(path):
    with pytest.raises(ConfigError) as caught:
        load(str(path), {}, ())
    return str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    assert complaint(tmp_path / "none") == (
        f"{tmp_path}/none: there is no such file. Create one with `nncp-cfgnew`, or name another with -cfg or NNCPCFG."
    )
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read" in complaint(tmp_path / "loop")
    assert "cannot be read" in complaint("a\0b")
    assert "cannot be read" in complaint("a" * 5000)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert "cannot be read" in complaint(tmp_path / "socket")
    with pytest.raises(NotYetSupported, match="directory"):
        load(str(tmp_path), {}, ())
    (tmp_path / "blob").write_bytes(b"NNCPB\0\0\3" + bytes(80))
    with pytest.raises(NotYetSupported, match="encrypted"):
        load(str(tmp_path / "blob"), {}, ())
    (tmp_path / "image").write_bytes(bytes((4 << 20) + 1))
    assert "larger than 4 MiB" in complaint(tmp_path / "image")
    (tmp_path / "latin").write_bytes(b"spool: /a\nlog: /\xe9\n")
    assert "latin (line 2): byte 0xE9 is not UTF-8 text. Save" in complaint(tmp_path / "latin")


def test_a_file_that_we_may_not_read(tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret"
    path.write_text("")
    monkeypatch.setattr(os, "open", refuse)
    assert "this user may not read it. Run this as a user who may" in complaint(path)


def test_a_pipe_is_read_like_a_file(tmp_path, ram):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(ALICE.read_bytes()))
    writer.start()
    config = load(str(fifo), {}, (f"{ram}/cache",))
    writer.join()
    assert config.me.name == "self"
    assert not (ram / "cache").exists()  # what is no file cannot be recognised later


# ---------------------------------------------------------------------------------------------- remembering


def test_the_second_load_comes_from_ram(config_file, ram, monkeypatch):
    cold = parses(monkeypatch)
    places = (f"{ram}/cache",)
    first = load(str(config_file), {}, places)
    second = load(str(config_file), {}, places)
    assert first == second
    assert len(cold) == 1
    directory, (file,) = ram / "cache", (ram / "cache").iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def remembered(config_file, ram):
    places = (f"{ram}/cache",)
    load(str(config_file), {}, places)
    (file,) = (ram / "cache").iterdir()
    return file, places


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text(path.read_text().replace("noprogress", "noprogresz")),
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: path.chmod(0o640),  # ctime: who may read it may have changed
        lambda path: os.replace(shutil.copy(path, f"{path}.new"), path),
    ],
)
def test_any_change_is_noticed(config_file, ram, monkeypatch, change):
    _, places = remembered(config_file, ram)
    cold = parses(monkeypatch)
    change(config_file)
    load(str(config_file), {}, places)
    assert len(cold) == 1
    assert len(list((ram / "cache").iterdir())) == 1  # the new one took the place of the old one


def test_the_same_name_elsewhere_is_another_file(config_file, ram, tmp_path, monkeypatch):
    _, places = remembered(config_file, ram)
    other = tmp_path / "other"
    other.mkdir()
    (other / "nncp.hjson").write_text(ALICE.read_text().replace("/srv/nncp-vec/alice/spool", "/other/spool"))
    for directory in (tmp_path, other, tmp_path, other):
        monkeypatch.chdir(directory)
        expected = "/other/spool" if directory == other else "/srv/nncp-vec/alice/spool"
        assert load("nncp.hjson", {}, places).spool == expected


def test_another_version_does_not_read_it(config_file, ram, monkeypatch):
    _, places = remembered(config_file, ram)
    cold = parses(monkeypatch)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    load(str(config_file), {}, places)
    monkeypatch.setattr(sys, "hexversion", sys.hexversion + 1)
    load(str(config_file), {}, places)
    assert len(cold) == 2


def test_two_versions_of_python_do_not_push_each_other_out(config_file, ram, monkeypatch):
    _, places = remembered(config_file, ram)
    with monkeypatch.context() as other:
        other.setattr(sys, "hexversion", sys.hexversion + 1)
        load(str(config_file), {}, places)
    cold = parses(monkeypatch)
    load(str(config_file), {}, places)
    assert cold == []


def test_configurations_that_are_gone_do_not_pile_up(config_file, ram):
    file, places = remembered(config_file, ram)
    for number in range(cache.FILES_MAX + 3):
        stale = file.with_name(f"nncp-{number:08x}")
        stale.touch(0o600)
        os.utime(stale, (OLD + number, OLD + number))
    file.with_name("of somebody else").touch()
    file.unlink()
    load(str(config_file), {}, places)
    kept = {path.name for path in file.parent.iterdir()}
    assert len(kept) == cache.FILES_MAX + 1
    assert kept >= {file.name, "of somebody else", f"nncp-{cache.FILES_MAX + 2:08x}"}


def foreign_owner(file):
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(file, 12345, 12345)


def linked(file):
    real = file.with_name("real")
    file.rename(real)
    file.symlink_to(real)


def fifo(file):
    file.unlink()
    os.mkfifo(file, 0o600)


@pytest.mark.parametrize(
    "spoil",
    [
        foreign_owner,
        linked,
        fifo,
        lambda file: os.link(file, file.with_name("second")),
        lambda file: file.chmod(0o644),
        lambda file: file.parent.chmod(0o755),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(bytes(4)),
        lambda file: file.write_bytes(b"\0\0\0\1N"),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b"\0\0\0\0" + file.read_bytes()[4:]),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_nothing_is_trusted_that_is_not_ours_and_whole(config_file, ram, monkeypatch, spoil):
    file, places = remembered(config_file, ram)
    spoil(file)
    cold = parses(monkeypatch)
    assert load(str(config_file), {}, places).own
    assert len(cold) == 1


def test_a_foreign_directory_is_not_used(config_file, ram, monkeypatch):
    file, places = remembered(config_file, ram)
    foreign_owner(file.parent)
    cold = parses(monkeypatch)
    load(str(config_file), {}, places)
    load(str(config_file), {}, places)
    assert len(cold) == 2


def test_a_linked_directory_is_not_used(config_file, ram, monkeypatch):
    _, places = remembered(config_file, ram)
    (ram / "cache").rename(ram / "real")
    (ram / "cache").symlink_to("real")
    cold = parses(monkeypatch)
    load(str(config_file), {}, places)
    assert len(cold) == 1


def test_a_directory_that_others_can_swap_is_not_used(config_file, ram):
    ram.chmod(0o777)
    load(str(config_file), {}, (f"{ram}/cache",))
    assert not (ram / "cache").exists()
    ram.chmod(0o1777)  # as /dev/shm
    load(str(config_file), {}, (f"{ram}/cache",))
    assert (ram / "cache").exists()


def test_private_keys_reach_no_disk(config_file, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_in_ram", lambda _device: False)
    assert load(str(config_file), {}, (f"{tmp_path}/cache",)).own
    assert not (tmp_path / "cache").exists()


def test_what_counts_as_ram(ram):
    assert cache._in_ram(ram.stat().st_dev)
    assert not cache._in_ram(os.stat("/proc").st_dev)
    assert not cache._in_ram(os.makedev(99, 99))


def test_no_place_at_all(config_file):
    assert load(str(config_file), {}, ("/nonexistent/cache", "/proc/cache", "relative/cache")).own


def test_the_next_place_is_tried(config_file, ram, monkeypatch):
    places = ("/nonexistent/cache", f"{ram}/cache")
    load(str(config_file), {}, places)
    cold = parses(monkeypatch)
    load(str(config_file), {}, places)
    assert cold == []


def test_a_fresh_configuration_is_not_remembered(tmp_path, ram):
    # Two edits within one tick of a coarse clock look the same.
    path = tmp_path / "nncp.hjson"
    shutil.copy(ALICE, path)
    load(str(path), {}, (f"{ram}/cache",))
    assert list((ram / "cache").iterdir()) == []


def test_a_wrong_configuration_is_not_remembered(config_file, ram):
    config_file.write_text("spool: relative")
    for _ in range(2):
        with pytest.raises(ConfigError):
            load(str(config_file), {}, (f"{ram}/cache",))
    assert not (ram / "cache").exists()


def test_a_draft_left_by_a_killed_command_heals(config_file, ram, monkeypatch):
    file, places = remembered(config_file, ram)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    file.rename(draft)
    load(str(config_file), {}, places)
    assert not draft.exists()
    load(str(config_file), {}, places)
    cold = parses(monkeypatch)
    load(str(config_file), {}, places)
    assert cold == []


def test_where_the_cache_lives():
    places = cache.directories({"XDG_RUNTIME_DIR": "/run/user/7"})
    assert places == ("/run/user/7/muleteer", "/run/muleteer/cache", f"/dev/shm/muleteer-{os.geteuid()}")
    assert cache.directories({"XDG_RUNTIME_DIR": "relative"}) == places[1:]
    assert cache.directories({}) == places[1:]


# ---------------------------------------------------------------------------------------------- the price of a load

FORBIDDEN = {"re", "json", "hjson", "dataclasses", "typing", "enum", "tempfile", "contextlib", "functools", "hashlib"}
FORBIDDEN |= {
    "collections",
    "argparse",
    "pathlib",
    "logging",
    "subprocess",
    "muleteer.config.read",
    "muleteer.config.check",
}
PROBE = """
import sys
sys.path[:0] = {paths!r}
before = set(sys.modules)
from muleteer.config.load import load
config = load({path!r}, {{}}, {places!r})
assert config.own
print(*sorted(set(sys.modules) - before))
"""


def test_a_remembered_configuration_imports_next_to_nothing(config_file, ram):
    _, places = remembered(config_file, ram)
    program = PROBE.format(paths=[str(FIRMWARE)], path=str(config_file), places=places)
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert "muleteer.config.load" in imported
    assert imported & FORBIDDEN == set()


def test_plain_values_only():
    config = load(str(ALICE), {}, ())
    allowed = (tuple, dict, bytes, str, int, bool, type(None))

    def walk(value):
        assert type(value) in allowed
        for item in value.items() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
            walk(item)

    plain = to_plain(config)
    walk(plain)
    assert to_config(plain) == config
    assert load_module.DEFAULT_PATH == "/etc/nncp.hjson"
