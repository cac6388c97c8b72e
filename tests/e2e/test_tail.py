# SPDX-License-Identifier: BSD-2-Clause
"""The end of a stream: not a byte of the tail is lost, and each kind of end
is told for what it is."""

import itertools
import os
import select
import socket
import threading

import pytest

import origin as origins
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import seconds, until

pytestmark = pytest.mark.close

SIZES = [1, 100, 16384, 16385, 40000, 65536, 65537, 81920, 131072, 300000]
STALLED = int(os.environ.get("E2E_STALLED", "500"))
SNDBUFS = [None, 4608, 20000, 65536]


def both(certs, tls_down, tls_up, app):
    up = certs.upstream_tls() if tls_up else None
    return ([listener(certs.ecdsa.server_tls() if tls_down else None)],
            [cluster(app.address, tls=up)])


@pytest.mark.parametrize("tls_down,tls_up", [(True, False), (False, True), (True, True)])
def test_sweep(start, origin, certs, tls_down, tls_up):
    """Sizes × send buffers × who ends first: 80 combinations for each way."""
    context = streams.server_context(certs.ecdsa) if tls_up else None
    payloads = [Payload(7, size) for size in SIZES]
    turn = itertools.count()
    # One connection at a time: which one it is, both sides know.
    current = {}

    def app_side(stream):
        if current["up_first"]:
            return streams.exchange(stream, current["payload"])
        got = streams.exchange(stream, finish=False)
        streams.exchange(stream, current["payload"])
        return got

    for sndbuf in SNDBUFS:
        app = origin(app_side, tls=context, sndbuf=sndbuf)
        run = start(*both(certs, tls_down, tls_up, app))
        for payload, up_first in itertools.product(payloads, (True, False)):
            next(turn)
            current.update(payload=payload, up_first=up_first)
            caller = streams.dial(
                run.address(), streams.client_context(certs) if tls_down else None,
                sndbuf=sndbuf)
            streams.exchange(caller, payload).assert_is(payload)
            app.take().assert_is(payload)
            caller.close()
        run.ended(len(payloads) * 2, reason="done")
    assert next(turn) == 80


@pytest.mark.parametrize("tls_up", [False, True])
def test_input_left_unread(start, origin, certs, tls_up):
    """The caller has ended, and the upstream's tickets and answer come at
    once: closing must not reset away what is still on its way."""
    answer = Payload(3, 200000)

    def app_side(stream):
        return streams.exchange(stream, answer)

    app = origin(app_side, tls=streams.server_context(certs.ecdsa) if tls_up else None)
    run = start(*both(certs, True, tls_up, app))
    for _ in range(20):
        caller = streams.dial(run.address(), streams.client_context(certs))
        streams.exchange(caller, Payload(4, 10)).assert_is(answer)
        caller.close()
        app.take().assert_is(Payload(4, 10))


def test_caller_that_does_not_wait(start, origin, certs):
    """It has what it wants, says so, and is gone before the application ends:
    the close_notify that it is owed meets a reset, and nothing is amiss."""
    gone = threading.Event()

    def app_side(stream):
        streams.exchange(stream, Payload(3, 1000), finish=False, expect=10)
        assert gone.wait(seconds(20))
        stream.finish()

    app = origin(app_side)
    run = start(*both(certs, True, False, app))
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, Payload(4, 10), finish=False,
                     expect=1000).assert_is(Payload(3, 1000), "open")
    caller.finish()
    caller.close()
    gone.set()
    run.ended(reason="done")


def test_truncation(start, origin, certs):
    """FIN without close_notify is counted, and nobody vouches for it."""
    app = origin(lambda stream: streams.exchange(stream, finish=False),
                 tls=streams.server_context(certs.ecdsa))
    run = start(*both(certs, True, True, app))
    caller = streams.dial(run.address(), streams.client_context(certs))
    origins.send_all(caller, b"half of it")
    caller.finish(notify=False)
    assert app.take().end == "truncated"
    caller.close()
    # OpenSSL answers such an end with an alert, which may come first.
    assert run.ended()[0]["reason"] in ("truncated", "peer_alert")
    assert run.stat("millrace.truncated") == 1
    assert run.stat("millrace.truncated", "app") == 0


@pytest.mark.parametrize("tls_down,tls_up", [(True, False), (False, True), (False, False)])
def test_reset_passes(start, origin, certs, tls_down, tls_up):
    """A reset on one side is a reset on the other, from both sides."""
    resets = []
    arrived = threading.Event()

    def app_side(stream):
        streams.exchange(stream, expect=1, finish=False)
        arrived.set()
        if resets:
            stream.reset()
            return "reset"
        return streams.exchange(stream, finish=False).end

    app = origin(app_side, tls=streams.server_context(certs.ecdsa) if tls_up else None)
    run = start(*both(certs, tls_down, tls_up, app))
    context = streams.client_context(certs) if tls_down else None

    caller = streams.dial(run.address(), context)
    origins.send_all(caller, b"x" * 1000)
    assert arrived.wait(seconds(20))
    caller.reset()
    assert app.take() == "reset"
    run.ended(reason="reset_by_down")

    resets.append(True)
    caller = streams.dial(run.address(), context)
    origins.send_all(caller, b"x" * 1000)
    assert streams.exchange(caller, finish=False).end == "reset"
    caller.close()
    run.ended(reason="reset_by_up")


def test_zero_windows_do_not_hold_others_up(start, origin, certs):
    """Peers that stop reading, and then close that way: another stream goes
    on, and all of them end."""
    size = 3 << 20
    app = origin(origins.swap(Payload(2, size)))
    run = start(*both(certs, True, False, app))
    context = streams.client_context(certs)
    stalled = [streams.dial(run.address(), context, rcvbuf=4096) for _ in range(STALLED)]
    until(lambda: run.active() >= 2 * STALLED, "all of them", 30)
    caller = streams.dial(run.address(), context)
    streams.exchange(caller, Payload(1, size)).assert_is(Payload(2, size))
    caller.close()
    for number, stream in enumerate(stalled):
        # Half of them leave with a reset, half with a FIN.
        if number % 2:
            stream.reset()
        else:
            stream.sock.shutdown(socket.SHUT_WR)
            stream.close()
        if number == STALLED // 2:
            caller = streams.dial(run.address(), context)
            streams.exchange(caller, Payload(1, size)).assert_is(Payload(2, size))
            caller.close()
    run.ended(STALLED + 2, timeout_s=60)


def test_reader_that_stops_costs_bounded_memory(start, origin, certs):
    """A gigabyte is offered to readers that do not read."""
    app = origin(lambda stream: streams.exchange(stream, Payload(5, 1 << 30), finish=False))
    run = start(*both(certs, True, False, app))
    context = streams.client_context(certs)
    before = run.rss_mib()
    callers = [streams.dial(run.address(), context, rcvbuf=8192) for _ in range(50)]
    scope = run.scope()

    def stands_still(last=[None]):
        now = run.stats()[f"{scope}.millrace.tx_bytes"]
        still, last[0] = now == last[0] and now > 0, now
        select.select([], [], [], 0.2)
        return still

    until(stands_still, "everything to stand still", 60)
    # Two buffers of 72 KiB for each, and what OpenSSL and the heap keep.
    assert run.rss_mib() - before < 50 * 0.4 + 16
    for caller in callers:
        caller.reset()
    run.ended(50, timeout_s=30)
