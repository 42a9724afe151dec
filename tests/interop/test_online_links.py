# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions over everything that is no plain TCP: pipes, ssh, inetd, UCSPI, a SOCKS5 proxy, discovered addresses."""

import contextlib
import getpass
import os
import pathlib
import select
import shlex
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest
from online_lab import ENVIRON, PAIR, SECONDS, free_port, is_open, wait_until

pytestmark = pytest.mark.interop

ANSWERER = pytest.mark.parametrize("answerer", ["go", "ours"])
SSHD = "/usr/sbin/sshd"


def exchanged(online, there, back):
    assert online.packets("bob", "alice", "rx") == set(there)
    assert online.packets("alice", "bob", "rx") == set(back)
    assert online.packets("alice", "bob", "tx") == online.packets("bob", "alice", "tx") == set()


@pytest.fixture
def mail(online):
    """Something for either side."""
    return online.queue("alice", "bob", 200_000, 10), online.queue("bob", "alice", 300_000, 20)


@PAIR
@pytest.mark.parametrize("flag", ["-ucspi", "-inetd"])
def test_a_pipe(online, mail, caller, answerer, flag):
    command = online.script(answerer, "daemon", "bob", flag)
    said = online.call(caller, at=f"|{command}")
    exchanged(online, *mail)
    assert "Connection to bob (|" in said


@PAIR
def test_a_pipe_in_the_configuration(online, mail, caller, answerer):
    command = online.script(answerer, "daemon", "bob", "-ucspi", "-autotoss")
    online.change(
        "alice", lambda config: config["neigh"]["bob"].update(addrs={"lan": "127.0.0.1:1", "ssh": f"|{command}"})
    )
    online.call(caller, to="bob:ssh")
    assert online.packets("alice", "bob", "rx") == set(mail[1])
    assert online.packets("bob", "alice", "rx") == set()
    assert (online.path("bob", "incoming", "alice-96-1")).stat().st_size == 10


@PAIR
def test_the_next_address_is_tried(online, mail, caller, answerer):
    with online.daemon(answerer) as address:
        addrs = {"a": "127.0.0.1:1", "b": "|false", "c": address}
        online.change("alice", lambda config: config["neigh"]["bob"].update(addrs=addrs))
        online.call(caller, NNCPDEADLINE="1")
    exchanged(online, *mail)


@pytest.mark.parametrize("flag", ["-ucspi", "-inetd"])
def test_nothing_but_the_protocol_goes_to_standard_streams(online, flag):
    """Standard error is often the same socket: nothing may be said there."""
    ours, theirs = socket.socketpair()
    ours.settimeout(SECONDS)
    words = online.words("ours", "daemon", "bob", flag, "-debug")
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRON) as process:
        theirs.close()
        ours.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert ours.recv(1000) == b""
        assert process.wait(SECONDS) == 1
    ours.close()


@PAIR
def test_ucspi_client(online, mail, caller, answerer):
    """Descriptors 6 and 7 are somebody else's connection; blocking ones, the real programs would wait on for ever."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    peer = {"PROTO": "TCP", "TCPREMOTEIP": "10.9.8.7", "TCPREMOTEPORT": "99"}
    script = online.script(caller, "call", "alice", "-ucspi", "-onlinedeadline", "1", "bob")
    with subprocess.Popen(
        online.words(answerer, "daemon", "bob", "-ucspi"),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=ENVIRON | peer | {"NNCPDEADLINE": "2"},
    ) as answering:
        theirs.close()
        fd = ours.fileno()
        calling = subprocess.run(
            ["bash", "-c", f"exec 6<&{fd} 7>&{fd}; exec {script}"],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
            env=ENVIRON | peer,
        )
        ours.close()
        answering.wait(SECONDS)
    exchanged(online, *mail)
    if caller == "ours":  # the real one knows no address then
        assert b"Connection to bob (10.9.8.7:99)" in calling.stderr


# ------------------------------------------------------------------------------------------------------ ssh


@pytest.fixture
def sshd(online, tmp_path):
    """A real sshd; gives what must come before the host, and a function that sets the forced command."""
    if not (os.path.exists(SSHD) and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("no sshd is installed here")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
    )
    if os.geteuid() == 0:
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def force(script):
        key = (folder / "user.pub").read_text()
        (folder / "authorized_keys").write_text(f'restrict,command="{script}" {key}')

    ssh = ["ssh", "-F", "none", "-p", str(port), "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", f"UserKnownHostsFile={folder}/known", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]
    with subprocess.Popen([SSHD, "-D", "-f", folder / "config", "-E", folder / "log"]) as process:
        wait_until(lambda: process.poll() is not None or is_open(f"127.0.0.1:{port}"))
        yield shlex.join([*ssh, f"{getpass.getuser()}@127.0.0.1"]), force
        process.terminate()


@PAIR
def test_ssh_with_a_forced_command(online, sshd, mail, caller, answerer):
    """The classic set-up: whatever the caller asks for, the key in authorized_keys starts the daemon."""
    ssh, force = sshd
    force(online.script(answerer, "daemon", "bob", "-ucspi"))
    online.call(caller, at=f"|{ssh} anything")
    exchanged(online, *mail)


# ------------------------------------------------------------------------------------------------------ SOCKS5


@contextmanager
def socks_proxy():
    """A small SOCKS5 proxy, in Tor's role; gives its address and the list of what it was asked for."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))
    stop, stopped = socket.socketpair()

    def serve():
        while listener in select.select([listener, stopped], [], [])[0]:
            client, _ = listener.accept()
            threading.Thread(target=relay, args=(client, asked), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", asked
    stop.send(b"x")
    thread.join(SECONDS)
    for each in (listener, stop, stopped):
        each.close()


def relay(client, asked):
    count = client.recv(2, socket.MSG_WAITALL)[1]
    client.recv(count, socket.MSG_WAITALL)
    client.sendall(b"\5\0")
    kind, length = client.recv(5, socket.MSG_WAITALL)[3:]
    assert kind == 3
    host = client.recv(length, socket.MSG_WAITALL).decode()
    port = int.from_bytes(client.recv(2, socket.MSG_WAITALL), "big")
    asked.append((host, port))
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        client.sendall(b"\5\0\0\1\0\0\0\0\0\0")
        other = {client: server, server: client}
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                other[ready].sendall(data)


@ANSWERER
def test_a_proxy_in_tors_role(online, mail, answerer):
    """The name of the hidden service reaches the proxy and nobody else."""
    with online.daemon(answerer) as address, socks_proxy() as (proxy, asked):
        port = address.rpartition(":")[2]
        online.call("ours", at=f"socks5://{proxy}/abcdefgh.onion:{port}")
    exchanged(online, *mail)
    assert asked == [("abcdefgh.onion", int(port))]


# ------------------------------------------------------------------------------------------------------ a slow line


@contextmanager
def slow_line(address, bytes_a_second):
    """A TCP relay that takes from the caller so slowly that the caller's kernel holds the rest; gives its address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    tick = 0.1

    def serve():
        client, _ = listener.accept()
        host, _, port = address.rpartition(":")
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=pour, args=(server, client))
            back.start()
            while data := client.recv(int(bytes_a_second * tick)):
                select.select([], [], [], tick)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            back.join(SECONDS)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    thread.join(SECONDS)
    listener.close()


def pour(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


def test_a_slow_line_is_not_an_idle_one(online):
    """The kernel takes all at once and needs five seconds to send it: with a patience of one second we stay."""
    there = online.queue("alice", "bob", 250_000)
    online.change("bob", lambda config: config["neigh"]["alice"].update(onlinedeadline=20))
    with online.daemon("go", NNCPDEADLINE="20") as address, slow_line(address, 60_000) as slow:
        online.call("ours", at=slow, NNCPDEADLINE="20")
    assert online.packets("bob", "alice", "rx") == set(there)
    assert online.packets("alice", "bob", "tx") == set()


# ------------------------------------------------------------------------------------------------------ discovery


@pytest.fixture
def network(online):
    """A network of its own with two interfaces, in which the laboratory's programs run."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"], stderr=subprocess.DEVNULL)
    online.prefix = ["nsenter", "-t", str(holder.pid), "-n"]
    online.net = f"/proc/{holder.pid}/net"
    own = os.readlink("/proc/self/ns/net")
    try:
        wait_until(lambda: holder.poll() is not None or os.readlink(f"/proc/{holder.pid}/ns/net") != own)
        steps = ("link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up")
        made = [subprocess.run([*online.prefix, "ip", *step.split()], check=False).returncode for step in steps]
        if holder.poll() is not None or any(made):
            pytest.skip("no network of its own can be made here")
        addresses = pathlib.Path(online.net, "if_inet6")
        wait_until(lambda: ready(addresses.read_text()))
        for node in ("alice", "bob"):
            online.change(node, lambda config: config.update({"mcd-listen": ["^v"], "mcd-send": {"^v": 1}}))
        yield online
    finally:
        holder.kill()
        holder.wait()


def ready(table):
    """Whether both interfaces have addresses that are no longer tentative."""
    rows = [line.split() for line in table.splitlines()]
    return len([row for row in rows if row[5].startswith("v") and not int(row[4], 16) & 0x40]) == 2


@PAIR
def test_a_discovered_address(network, mail, caller, answerer):
    with network.daemon(answerer, host="[::]"):
        said = network.call(caller, "-mcd-wait", "20")
    exchanged(network, *mail)
    assert "MCD discovered bob's address: [fe80::" in said
    assert "Connection to bob ([fe80::" in said
    added = [record for record in network.records("alice") if record.get("Who") == "mcd-add"]
    assert added[0]["If"] in ("v0", "v1")


@PAIR
def test_a_caller_hears_of_addresses(network, mail, caller, answerer):
    call = {"cron": "* * * * * * *", "onlinedeadline": 1, "when-tx-exists": True}
    network.change("alice", lambda config: config["neigh"]["bob"].update(calls=[call]))
    with network.daemon(answerer, host="[::]"), network.program(caller, "caller", "alice"):
        wait_until(lambda: network.packets("alice", "bob", "rx") == set(mail[1]))
        wait_until(lambda: network.packets("alice", "bob", "tx") == set())


@pytest.mark.parametrize("who", ["go", "ours"])
def test_announce_once(network, who):
    """Heard by the other program."""
    other = {"go": "ours", "ours": "go"}[who]
    with network.program(other, "call", "alice", "-mcd-wait", "20", "bob") as listening:
        for _ in range(200):
            network.run(who, "daemon", "bob", "-mcd-once", "-bind", "[::]:5999")
            if listening.poll() is not None:
                break
    assert "MCD discovered bob's address" in network.said("alice")
    assert "5999" in network.said("alice")


@pytest.mark.parametrize("who", ["go", "ours"])
def test_nobody_announces(network, who):
    said = network.run(who, "call", "alice", "-mcd-wait", "1", "bob", status=1)
    assert "1 seconds" in said
