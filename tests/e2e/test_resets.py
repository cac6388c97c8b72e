# SPDX-License-Identifier: BSD-2-Clause
"""A peer that resets its connection, at every stage of the handshake and of
forwarding, as client and as server: it costs that connection only."""

import itertools
import socket
import ssl

import pytest

import origin as origins
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import seconds

pytestmark = pytest.mark.bad_peers

HELLO = Payload(1, 1000)
MUCH = bytes(1 << 20)
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
                                   ids=["1.2", "1.3"])


def life(sock, context, **role):
    """An end of TLS on sock, one step at a time: yields what it has done."""
    sock.settimeout(seconds(20))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, **role)
    yield "handshake: nothing said"
    while True:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        flight = outgoing.read()
        if flight:
            sock.sendall(flight[:len(flight) // 2])
            yield "handshake: half a flight"
            sock.sendall(flight[len(flight) // 2:])
            yield "handshake: a flight"
        if done:
            break
        sock.recv(1, socket.MSG_PEEK)
        yield "handshake: theirs is unread"
        incoming.write(sock.recv(50))
        yield "handshake: theirs is read in part"
        incoming.write(sock.recv(1 << 16))
    tls.write(HELLO.at(0))
    record = outgoing.read()
    sock.sendall(record[:500])
    yield "open: half a record"
    sock.sendall(record[500:])
    yield "open: a record"
    if not incoming.pending:  # what did not come with the handshake
        sock.recv(1, socket.MSG_PEEK)
        yield "open: theirs is unread"
        incoming.write(sock.recv(1 << 16))
    yield "open: theirs is read"
    tls.write(MUCH)
    sock.setblocking(False)
    sock.send(outgoing.read())
    yield "open: more than is read"


def end(sock, context, **role):
    """A life that ends by close_notify and FIN, all read until then."""
    sock.settimeout(seconds(20))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, **role)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(1 << 16))
    try:
        tls.unwrap()
    except ssl.SSLError:
        pass  # theirs has not come
    sock.sendall(outgoing.read())
    yield "ending: close_notify"
    sock.shutdown(socket.SHUT_WR)
    yield "ending: FIN"


def each_stage(run, one):
    """one(life, steps) for each life and one step more each time, to its end:
    one() resets then, and tells what was done and whether it was all of the
    steps. A line in the log for each. Yields the stage, what one() told
    beside, and the line."""
    count = 0
    for begin in (life, end):
        for steps in itertools.count(1):
            done, *told = one(begin, steps)
            count += 1
            line = run.ended(count)[-1]
            yield done[-1], *told, line["reason"]
            if len(done) < steps:
                break
    assert count >= 14, count
    assert len(run.log.lines(msg="connection ended")) == count
    run.wait_stat("downstream_cx_destroy", count)
    assert run.stat("downstream_cx_total") == count


def cut(begin, steps, sock, context, **role):
    done = list(itertools.islice(begin(sock, context, **role), steps))
    streams.Plain(sock).reset()
    return done


@VERSIONS
def test_client_resets(start, origin, certs, version):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    context = streams.client_context(certs, version)

    def one(begin, steps):
        sock = socket.create_connection(run.address())
        return [cut(begin, steps, sock, context, server_hostname=certs.name)]

    for stage, reason in each_stage(run, one):
        # When both have said their end it may be over before the reset.
        allowed = {"reset_by_down", "done"} if "ending" in stage else {"reset_by_down"}
        assert reason in allowed, stage
    caller = streams.dial(run.address(), context)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


@VERSIONS
def test_server_resets(start, origin, certs, version):
    """The caller is reset too: what it got is not whole."""
    context = streams.server_context(certs.ecdsa, version)
    wanted = []
    app = origin(lambda stream: cut(*wanted[-1], stream.sock, context, server_side=True))
    run = start([listener()], [cluster(app.address, tls=certs.upstream_tls())])

    def one(begin, steps):
        wanted.append((begin, steps))
        try:
            caller = streams.dial(run.address())
            got = streams.exchange(caller, HELLO, finish=False).end
            caller.close()
        except ConnectionResetError:
            got = "reset"
        return app.take(), got

    for stage, got, reason in each_stage(run, one):
        if "ending" in stage:
            assert got in ("clean", "reset") and reason in ("reset_by_up", "done"), stage
        elif "open" in stage:
            assert (got, reason) == ("reset", "reset_by_up"), stage
        else:
            # Its last flight is the handshake's end, for us, too; and one that
            # says nothing may be gone before we have seen that it is there.
            assert got == "reset", stage
            reasons = ["upstream_tls_failed", "reset_by_up"]
            if "nothing said" in stage:
                reasons.append("no_upstream")
            assert reason in reasons, stage
