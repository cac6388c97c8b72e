# SPDX-License-Identifier: BSD-2-Clause
"""Connections that go by the name their clients ask for: to one cluster or
another, with their TLS ended here or passed through."""

import socket
import ssl

import pytest

import origin as origins
import streams
from certs import RSA
from millrace import cluster, listener
from streams import Payload
from waiting import seconds

HELLO = Payload(11, 100000)
A, B, C = "a.apps.local", "b.apps.local", "c.apps.local"


@pytest.fixture(scope="module")
def wild(certs):
    return certs.authority.leaf("wild", ["DNS:*.apps.local"])


def tagged(tag):
    """A server that says who it is, and then echoes."""
    def handler(stream):
        origins.send_all(stream, tag)
        return origins.echo(stream)
    return handler


def ask(run, certs, name, version=None):
    """Which server answered."""
    caller = streams.dial(run.address(), streams.client_context(certs, version),
                          name=name)
    got = streams.exchange(caller, HELLO)
    caller.close()
    assert got.end == "clean" and got.size == HELLO.size + 1, got
    return got.digest


def digest(tag):
    import hashlib
    whole = hashlib.sha256(tag)
    at = 0
    while at < HELLO.size:
        piece = HELLO.at(at)
        whole.update(piece)
        at += len(piece)
    return whole.hexdigest()


@pytest.mark.names
@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2])
def test_by_name(start, origin, certs, wild, version):
    """Ended for a, passed through for b, the rest by default, in one
    listener; b's client sees b's own certificate."""
    own = certs.authority.leaf("b-own", [f"DNS:{B}"], RSA)
    apps = {"a": origin(tagged(b"A")), "rest": origin(tagged(b"D")),
            "b": origin(tagged(b"B"), tls=streams.server_context(own))}
    run = start([listener(wild.server_tls(), cluster="rest", routes=[
        {"server_names": [A], "cluster": "a"},
        {"server_names": [B], "cluster": "b", "tls": "passthrough"},
        {"server_names": ["*.else.local"], "cluster": "a"}])],
        [cluster(app.address, name=name) for name, app in apps.items()])
    assert ask(run, certs, A, version) == digest(b"A")
    assert ask(run, certs, B, version) == digest(b"B")
    assert ask(run, certs, C, version) == digest(b"D")
    assert run.stat("upstream_cx_total", "b") == 1
    assert run.stat("ssl.handshake") == 2
    assert run.stat("tls_inspector.tls_found") == 3
    assert run.stat("tls_inspector.sni_found") == 3
    assert run.stat("tls_inspector.alpn_not_found") == 3


@pytest.mark.names
def test_passthrough(start, origin, certs):
    """Nothing is ended here; who has no route is refused by name."""
    own = certs.authority.leaf("b-own2", [f"DNS:{B}"])
    app = origin(tagged(b"B"), tls=streams.server_context(own))
    entry = listener({"mode": "passthrough"}, routes=[
        {"server_names": [B], "cluster": "app"}])
    del entry["cluster"]
    run = start([entry], [cluster(app.address)])
    assert ask(run, certs, B) == digest(b"B")
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        ask(run, certs, A)
    assert "no route for a.apps.local" in run.ended(
        reason="no_route")[0]["error"]
    assert run.stat("no_filter_chain_match") == 1
    assert app.accepted == 1
    for words, reason in ((b"GET / HTTP/1.1\r\n\r\n", "handshake_failed"),
                          (b"", "reset_by_down")):
        with socket.create_connection(run.address()) as sock:
            sock.sendall(words)
            sock.settimeout(seconds(10))
            try:
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
            except OSError:  # reset already
                pass
        run.ended(reason=reason)
    assert run.stat("tls_inspector.tls_not_found") == 1


@pytest.mark.names
def test_hello_in_pieces(start, origin, certs, wild):
    """A ClientHello of several segments and of several records."""
    app = origin(tagged(b"A"))
    run = start([listener(wild.server_tls(), cluster="none", routes=[
        {"server_names": [A], "cluster": "app"}])],
        [cluster(app.address), cluster(app.address, name="none")])

    class Cut(socket.socket):
        """Its first write is cut into records of 50 bytes, sent byte by
        byte."""
        cut = False

        def sendall(self, data):
            if self.cut or not data:
                return super().sendall(data)
            self.cut = True
            body = data[5:]
            pieces = [body[at:at + 50] for at in range(0, len(body), 50)]
            whole = b"".join(data[:3] + len(piece).to_bytes(2, "big") + piece
                             for piece in pieces)
            for byte in whole:
                super().sendall(bytes([byte]))
            return None

    sock = Cut(socket.AF_INET, socket.SOCK_STREAM)
    sock.connect(run.address())
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    caller = streams.Tls(sock, streams.client_context(certs), name=A)
    got = streams.exchange(caller, HELLO)
    assert got.digest == digest(b"A")
    caller.close()
    assert run.stat("upstream_cx_total", "app") == 1


@pytest.mark.names
def test_hello_too_large(start, origin, certs, wild):
    app = origin(origins.echo)
    run = start([listener(wild.server_tls(), routes=[
        {"server_names": [A], "cluster": "app"}])], [cluster(app.address)])
    with socket.create_connection(run.address()) as sock:
        sock.sendall(b"\x16\x03\x01\x40\x00\x01\x01\x00\x00" + bytes(16380))
        sock.settimeout(seconds(10))
        try:
            while sock.recv(100):
                pass
        except ConnectionResetError:
            pass
    run.ended(reason="handshake_failed")
    assert run.stat("tls_inspector.client_hello_too_large") == 1
