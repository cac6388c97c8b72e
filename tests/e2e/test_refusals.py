# SPDX-License-Identifier: BSD-2-Clause
"""Limits, timeouts, upstreams that are not there, and certificates that are
refused: each with its counter, its one log line, and what the peer sees."""

import socket
import struct

import pytest

import origin as origins
import ports
import streams
from millrace import ENGINE, cluster, listener
from streams import Payload
from waiting import seconds, until

HELLO = Payload(1, 1000)


def served(run, certs=None):
    """The next client is served."""
    caller = streams.dial(run.address(),
                          streams.client_context(certs) if certs else None)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


def closed_port():
    """A port that refuses."""
    return ("127.0.0.1", ports.pick())


def wait_end(sock, timeout_s=20):
    """b"" or "reset": how it ended."""
    sock.settimeout(seconds(timeout_s))
    try:
        while sock.recv(4096):
            pass
        return "fin"
    except ConnectionResetError:
        return "reset"


def turned_away(address, said=b""):
    """Whether a newcomer is reset: at once, when connect() is done, or when it
    has said something."""
    try:
        with socket.create_connection(address) as sock:
            if said:
                sock.sendall(said)
            return wait_end(sock) == "reset"
    except ConnectionResetError:
        return True


@pytest.mark.limits
def test_connection_limit(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), limits={"connections": 3})],
                [cluster(app.address)])
    context = streams.client_context(certs)
    callers = [streams.dial(run.address(), context) for _ in range(3)]
    assert turned_away(run.address())
    run.wait_stat("downstream_cx_overflow", 1)
    for caller in callers:
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
    run.check_idle()
    served(run, certs)


@pytest.mark.limits
def test_handshake_limit(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), limits={"handshakes": 2},
                          timeouts={"handshake": "10m"})],
                [cluster(app.address)])
    silent = [socket.create_connection(run.address()) for _ in range(2)]
    run.wait_stat("millrace.handshakes_active", 2)
    assert turned_away(run.address())
    run.wait_stat("downstream_cx_overload_reject", 1)
    for sock in silent:
        sock.close()
    run.wait_stat("millrace.handshakes_active", 0)
    served(run, certs)


@pytest.mark.limits
def test_handshake_timeout(start, origin, certs):
    """Who says nothing, and who stops half way."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), timeouts={"handshake": "300ms"})],
                [cluster(app.address)])
    for said in (b"", record(22, 500, b"\1\0\1\xf0")):
        assert turned_away(run.address(), said)
    run.wait_stat("downstream_cx_transport_socket_connect_timeout", 2)
    run.ended(2, reason="handshake_timeout")
    assert app.accepted == 0


@pytest.mark.limits
def test_idle_timeout(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), timeouts={"idle": "300ms"})],
                [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    origins.send_all(caller, b"x")
    assert streams.exchange(caller, finish=False).end in ("reset", "truncated")
    caller.close()
    run.ended(reason="idle_timeout")
    assert run.stat("millrace.idle_timeout") == 1


@pytest.mark.limits
def test_endpoints_in_turn(start, origin):
    """One that refuses is passed over; when none is left the caller is reset."""
    apps = [origin(origins.echo) for _ in range(2)]
    run = start([listener()], [cluster(apps[0].address, closed_port(), apps[1].address)],
                workers=1)
    for _ in range(6):
        served(run)
    assert all(app.accepted >= 2 for app in apps)
    assert run.stat("upstream_cx_connect_fail", "app") == 2
    run = start([listener()], [cluster(closed_port(), closed_port())])
    assert turned_away(run.address())
    run.ended(reason="no_upstream")
    assert run.stat("millrace.no_upstream") == 1
    assert run.stat("upstream_cx_none_healthy", "app") == 1


@pytest.mark.limits
def test_connect_timeout(start):
    """An endpoint whose queue is full does not answer."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    run = start([listener()],
                [cluster(full.getsockname(), timeouts={"connect": "300ms"})])
    assert turned_away(run.address())
    run.ended(reason="no_upstream")
    assert run.stat("upstream_cx_connect_timeout", "app") == 1
    for sock in [full, *fillers]:
        sock.close()


@pytest.mark.limits
def test_upstream_handshake_timeout(start, origin, certs):
    app = origin(lambda stream: stream.sock.setblocking(True) or stream.sock.recv(1 << 16)
                 and stream.sock.recv(1))
    run = start([listener()], [cluster(app.address, tls=certs.upstream_tls(),
                                       timeouts={"handshake": "300ms"})])
    assert turned_away(run.address())
    run.ended(reason="upstream_tls_failed")
    assert run.stat("millrace.handshake_timeout", "app") == 1


@pytest.mark.limits
def test_descriptors_run_out(start, origin, certs):
    """Accepting pauses and goes on."""
    app = origin(origins.echo)
    # The kernel looks at the limit when accepting begins.
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)],
                prefix=("prlimit", "--nofile=40:40"))
    callers = [socket.create_connection(run.address()) for _ in range(60)]
    until(lambda: run.log.lines(msg="accepting paused"), "the pause", 10)
    for caller in callers:
        caller.close()
    served(run, certs)
    assert run.stat("millrace.accept_paused") > 0


# ---- certificates of upstreams

@pytest.mark.names
@pytest.mark.parametrize("what,stat,words", [
    ("name", "ssl.fail_verify_san", "presented DNS:"),
    ("authority", "ssl.fail_verify_error", "local issuer"),
    ("expired", "ssl.fail_verify_error", "expired"),
    ("plaintext", "ssl.connection_error", "does not speak TLS"),
])
def test_upstream_refused(start, origin, certs, stranger, what, stat, words):
    """The caller is reset, the counter is Envoy's, the words are the operator's."""
    leaf = {"name": certs.ecdsa, "plaintext": certs.ecdsa,
            "expired": certs.authority.leaf("late", [f"DNS:{certs.name}"], expired=True),
            "authority": stranger}[what]
    handler = origins.echo
    context = streams.server_context(leaf)
    if what == "plaintext":
        context = None

        def handler(stream):
            origins.send_all(stream, b"220 no TLS here\r\n" * 3)
            return streams.exchange(stream, finish=False).end

    app = origin(handler, tls=context)
    names = ["other.apps.local"] if what == "name" else None
    run = start([listener()], [cluster(app.address, tls=certs.upstream_tls(names=names))])
    assert turned_away(run.address())
    line = run.ended(reason="upstream_tls_failed")[0]
    assert words in line["error"], line
    assert run.stat(stat, "app") == 1
    fails = {name: value for name, value in run.stats().items()
             if value and name.startswith("cluster.app.ssl.")
             and ("fail" in name or "error" in name)}
    assert list(fails.values()) == [1], fails


@pytest.mark.names
def test_validation_none(start, origin, stranger):
    app = origin(origins.echo, tls=streams.server_context(stranger))
    run = start([listener()],
                [cluster(app.address, tls={"validation": {"mode": "none"}})])
    served(run)


# ---- clients that misbehave

def record(kind, size, body=b"", version=0x0303):
    return struct.pack("!BHH", kind, version, size) + body


@pytest.mark.bad_peers
@pytest.mark.parametrize("bytes_,reason", [
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "handshake_failed", id="plaintext"),
    pytest.param(bytes(range(200)), "handshake_failed", id="garbage"),
    pytest.param(record(22, 16384 + 257, b"\1" * (16384 + 257)), "handshake_failed", id="too-long"),
    pytest.param(record(22, 5, b"\2\0\0\1\0"), "handshake_failed", id="no-hello"),
    pytest.param(record(21, 2, b"\2\x28"), "handshake_failed", id="alert"),
    pytest.param(b"", "reset_by_down", id="nothing"),
])
def test_bad_hello(start, origin, certs, bytes_, reason):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    with socket.create_connection(run.address()) as sock:
        sock.sendall(bytes_)
        if not bytes_:
            sock.shutdown(socket.SHUT_WR)
        wait_end(sock)
    assert len(run.ended(reason=reason)) == 1
    assert run.stat("ssl.connection_error") == (1 if bytes_ else 0)
    assert app.accepted == 0
    served(run, certs)


@pytest.mark.bad_peers
def test_hello_in_pieces(start, origin, certs):
    """A ClientHello one byte at a time is a ClientHello."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])

    class Drip(socket.socket):
        def sendall(self, data):
            for byte in data:
                super().sendall(bytes([byte]))

    sock = Drip(socket.AF_INET, socket.SOCK_STREAM)
    sock.connect(run.address())
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    caller = streams.Tls(sock, streams.client_context(certs), name=certs.name)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


def spoil(sealed, what):
    """One flipped bit, a length or a type that no record has."""
    if what == "flip":
        sealed[len(sealed) // 2] ^= 1
    elif what == "long":
        sealed[3:5] = b"\xff\xff"
    elif what == "longer-by-one":
        sealed[:] = record(23, 16384 + 257, bytes(16384 + 257))
    else:
        sealed[0] = 99


@pytest.mark.bad_peers
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("what,reason", [
    ("flip", "bad_record"),
    ("long", "record_overflow"),
    ("longer-by-one", "record_overflow"),
    ("type", "bad_record"),
])
def test_bad_record(start, origin, certs, version, what, reason):
    """After the handshake: it costs that connection only, and is told once."""
    received = {}

    def app_side(stream):
        received["outcome"] = streams.exchange(stream, finish=False)
        return received["outcome"].end

    app = origin(app_side)
    run = start([listener(certs.ecdsa.server_tls(max_version=version))],
                [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    # What comes with the handshake is the user engine's in any case.
    origins.send_all(caller, b"x")
    run.wait_stat("millrace.rx_bytes", 1)
    caller.ssl.write(b"x" * 5000)
    sealed = bytearray(caller.outgoing.read())
    spoil(sealed, what)
    caller.sock.setblocking(True)
    caller.sock.sendall(sealed)
    if what == "type" and version == "1.3" and ENGINE == "kernel":
        # The kernel does not look at the outer type, which says nothing: the
        # record is authentic, and its inner type is what counts.
        caller.sock.shutdown(socket.SHUT_WR)
        assert app.take() == "clean"
        assert received["outcome"].size == 5001
        caller.close()
        return
    got = streams.exchange(Quiet(caller), finish=False)
    assert got.end != "clean", got
    assert app.take() == "reset"
    caller.close()
    assert len(run.ended(reason=reason)) == 1
    assert run.stat("millrace.bad_record") == 1
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO)
    caller.close()
    assert app.take() == "clean"
    received["outcome"].assert_is(HELLO)


class Quiet(streams.Plain):
    """The socket under a Tls: its bytes as they are."""

    def __init__(self, stream):
        super().__init__(stream.sock)

    def receive(self):
        data = super().receive()
        if data == b"" and self.end == "clean":
            self.end = "closed"
        return data
