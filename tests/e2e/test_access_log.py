# SPDX-License-Identifier: BSD-2-Clause
"""The access log: who, to whom, how, and how it ended, one line each."""

import json
import os
import select
import signal
import socket
import stat as modes
import subprocess

import pytest

import origin as origins
import stats
import streams
from logs import Line
from millrace import BINARY, Millrace, cluster, listener
from streams import Payload
from waiting import seconds, until

HELLO = Payload(1, 1000)


def read(path, parse, count):
    """The lines of the file, once there are count of them."""
    def whole():
        if not path.exists():
            return None
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
        assert len(lines) <= count, lines
        return lines if len(lines) == count else None
    return [parse(line) for line in until(whole, f"{count} lines", 15)]


def text(line):
    assert line.endswith("\n")
    return Line(line[:-1]).fields


def exchange(run, context=None, name="ingress", sni="app.apps.local"):
    caller = streams.dial(run.address(name), context, sni)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    local = caller.sock.getsockname()
    caller.close()
    return f"{local[0]}:{local[1]}"


def mutual(certs, leaf):
    """A client that shows the leaf."""
    context = streams.client_context(certs)
    context.load_cert_chain(leaf.chain, leaf.key)
    return context


def test_fields(start, origin, certs, tmp_path):
    """TLS on both sides with certificates on both, as JSON and as text."""
    spiffe = certs.authority.leaf(
        "client", ["DNS:client.local", "URI:spiffe://mesh.local/client"])
    app = origin(origins.echo, tls=streams.server_context(certs.ecdsa))
    clients = {"validation": {"trust": {"file": str(certs.authority.pem)}}}
    for form, parse in (("json", json.loads), ("text", text)):
        path = tmp_path / f"access.{form}"
        run = start([listener(certs.rsa.server_tls(**clients))],
                    [cluster(app.address, tls=certs.upstream_tls())],
                    access_log={"file": str(path), "format": form})
        caller = exchange(run, mutual(certs, spiffe))
        [line] = read(path, parse, 1)
        app_address = f"{app.address[0]}:{app.address[1]}"
        assert line.pop("time").endswith("Z")
        assert int(line.pop("duration_ms")) < seconds(60) * 1000
        assert line.pop("error") in (None, "-")
        for key in ("engine", "up_engine"):
            assert line.pop(key).startswith("rx:")
        size = HELLO.size if form == "json" else str(HELLO.size)
        assert line == {
            "listener": "ingress", "cluster": "app", "reason": "done",
            "rx_bytes": size, "tx_bytes": size,
            "down": caller, "sni": "app.apps.local", "tls": "TLSv1.3",
            "cipher": "TLS_AES_128_GCM_SHA256"
            if "128" in line["cipher"] else "TLS_AES_256_GCM_SHA384",
            "peer": "URI:spiffe://mesh.local/client",
            "up": app_address, "up_sni": "app.apps.local",
            "up_tls": "TLSv1.3", "up_cipher": line["up_cipher"],
            "up_peer": "DNS:app.apps.local",
        }
        # It is told once: not in the log as well.
        assert not run.log.lines(msg="connection ended")
        assert modes.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_refused_and_forged(start, origin, certs, tmp_path):
    """A client that is refused has a line with the words; what it sends
    cannot forge another."""
    path = tmp_path / "access.json"
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls()),
                 listener(name="plain")], [cluster(app.address)],
                access_log={"file": str(path), "format": "json"})
    with socket.create_connection(run.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        gone(sock)
    [line] = read(path, json.loads, 1)
    assert line["reason"] == "handshake_failed"
    assert "does not speak TLS" in line["error"]
    assert line["tls"] is None and line["up"] is None
    context = streams.client_context(certs)
    context.check_hostname = False
    exchange(run, context, sni='a"\\b,c=d')
    line = read(path, json.loads, 2)[1]
    assert line["sni"] == 'a"\\b,c=d'
    exchange(run, name="plain")
    line = read(path, json.loads, 3)[2]
    assert (line["tls"], line["engine"], line["sni"]) == (None, None, None)


def test_reopen(start, origin, tmp_path):
    """A rotated file is let go of on SIGUSR1, without losing a line, and one
    that cannot be opened keeps the last."""
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "access.log"
    run = start([listener()], [cluster(origin(origins.echo).address)],
                access_log={"file": str(path)})
    exchange(run)
    read(path, text, 1)
    path.rename(folder / "access.log.1")
    exchange(run)
    read(folder / "access.log.1", text, 2)
    run.process.send_signal(signal.SIGUSR1)
    until(path.exists, "the new file", 10)
    exchange(run)
    # It stands there a moment before it is used.
    until(lambda: sum(len(file.read_text().splitlines())
                      for file in folder.iterdir()) == 3, "the third", 15)
    path.rename(folder / "access.log.2")
    assert stats.get(run.admin, "/reopen_logs", "POST") == (200, "OK\n")
    exchange(run)
    read(path, text, 1)
    run.check_idle()

    run.errors_expected = True
    path.unlink()
    path.mkdir()
    run.process.send_signal(signal.SIGUSR1)
    line = run.log.wait(msg="the access log stays as it was")
    assert "Is a directory" in line["why"]
    status, words = stats.get(run.admin, "/reopen_logs", "POST")
    assert status == 500 and "Is a directory" in words


def test_reload(start, origin, tmp_path):
    """The file and the format follow the configuration."""
    first, second = tmp_path / "a.log", tmp_path / "b.json"
    run = start([listener()], [cluster(origin(origins.echo).address)],
                access_log={"file": str(first)})
    exchange(run)
    read(first, text, 1)
    run.reload(lambda config: config.update(
        access_log={"file": str(second), "format": "json"}))
    exchange(run)
    read(second, json.loads, 1)
    run.reload(lambda config: config.pop("access_log"))
    exchange(run)
    run.ended()
    read(first, text, 1)
    read(second, json.loads, 1)


@pytest.mark.limits
def test_slow_reader(start, origin, tmp_path):
    """Who reads the log too slowly costs lines, which are counted, and no
    connection."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = start([listener()], [cluster(origin(origins.refuse).address)],
                    workers=1,
                    access_log={"file": str(path), "format": "json"})
        count = 0
        while run.stat("millrace.access_log_dropped") == 0:
            for _ in range(100):
                refused_by_upstream(run)
            count += 100
            assert count < 20000
        until(lambda: run.active() == 0, "all connections' end", 10)
        dropped = run.stat("millrace.access_log_dropped")
        lines, rest = 0, b""
        while lines + dropped < count:
            until(lambda: readable(reader), "the rest of the lines", 10)
            rest += os.read(reader, 1 << 20)
            *whole, rest = rest.split(b"\n")
            lines += len([json.loads(line) for line in whole])
        assert lines + dropped == count
    finally:
        os.close(reader)


def readable(fd):
    return select.select([fd], [], [], 0)[0]


def refused_by_upstream(run):
    """The reset may come while connect() is still on its way back."""
    try:
        with socket.create_connection(run.address()) as sock:
            gone(sock)
    except ConnectionResetError:
        pass


def gone(sock):
    """Reads to the end, whichever it is."""
    try:
        while sock.recv(1000):
            pass
    except ConnectionResetError:
        pass


def test_unusable(tmp_path):
    """A file that cannot be opened is told before anything is served."""
    run = Millrace(tmp_path, [listener()], [cluster(("127.0.0.1", 9))],
                   access_log={"file": str(tmp_path)})
    ended = subprocess.run(
        [BINARY, "run", "-c", str(run.path)], capture_output=True, text=True,
        check=False, timeout=seconds(20))
    assert ended.returncode == 1
    assert f"access log {tmp_path} cannot be opened: Is a directory" in ended.stderr


JOURNALD = "/lib/systemd/systemd-journald"


@pytest.fixture
def journal(tmp_path):
    """A journald of its own, with a /run of its own: journal.prefix runs a
    command beside it, journal.entries(count) is what it took from millrace."""
    ready = tmp_path / "ready"
    script = (
        "mount -t tmpfs none /run && mkdir -p /run/log/journal /run/systemd && "
        f"{{ {JOURNALD} & }} && while ! [ -S /run/systemd/journal/socket ]; do "
        f"sleep 0.05; done; echo $! >{ready}; wait")
    holder = subprocess.Popen(["unshare", "-m", "sh", "-c", script],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    until(lambda: ready.exists() and ready.read_text().strip(), "journald", 20)

    class Journal:
        prefix = ("nsenter", "-m", "-t", str(holder.pid))

        @classmethod
        def entries(cls, count):
            def found():
                said = subprocess.run(
                    [*cls.prefix, "journalctl", "-D", "/run/log/journal", "-o",
                     "json", "SYSLOG_IDENTIFIER=millrace"], check=False,
                    capture_output=True, text=True, timeout=seconds(20)).stdout
                lines = [json.loads(line) for line in said.splitlines()]
                return lines if len(lines) >= count else None
            return until(found, f"{count} entries", 15)

    yield Journal
    os.kill(int(ready.read_text()), signal.SIGTERM)
    holder.wait(seconds(20))


@pytest.mark.native
def test_journal(start, origin, certs, journal):
    """A real journald: each value is a field, whatever a peer put into it."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)],
                prefix=journal.prefix, access_log={"journal": "true"})
    context = streams.client_context(certs)
    context.check_hostname = False
    down = exchange(run, context)
    # Only of one worker's lines it is known which comes first.
    journal.entries(1)
    exchange(run, context, sni="back\\slash.\"quote\".local")
    journal.entries(2)
    for _ in range(40):
        exchange(run, context)
    entries = journal.entries(42)
    assert len(entries) == 42
    first = entries[0]
    assert first["MESSAGE"] == "connection ended"
    assert first["_TRANSPORT"] == "journal"
    assert first["_PID"] == str(run.process.pid)
    wanted = {"LISTENER": "ingress", "CLUSTER": "app", "REASON": "done",
              "DOWN": down, "UP": f"127.0.0.1:{app.address[1]}",
              "SNI": "app.apps.local", "TLS": "TLSv1.3",
              "RX_BYTES": str(HELLO.size), "TX_BYTES": str(HELLO.size)}
    assert {key: first[f"MILLRACE_{key}"] for key in wanted} == wanted
    assert "MILLRACE_UP_TLS" not in first and "MILLRACE_ERROR" not in first
    assert entries[1]["MILLRACE_SNI"] == "back\\slash.\"quote\".local"
    assert not run.log.lines(msg="connection ended")
    run.fds_idle += 1  # libsystemd's, to the journal
