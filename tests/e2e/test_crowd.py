# SPDX-License-Identifier: BSD-2-Clause
"""Many connections: at once, in sequence, and beside one that floods."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import threading

import pytest

import origin as origins
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import seconds, until
from world import CLIENTS

SHORT = int(os.environ.get("E2E_SHORT", "20000"))
AT_ONCE = int(os.environ.get("E2E_AT_ONCE", "2000"))


@pytest.mark.many
def test_at_once(start, origin, certs):
    """All are open before the first one sends; each gets its own bytes."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), timeouts={"handshake": "5m"})],
                [cluster(app.address)])
    context = streams.client_context(certs)
    callers = [streams.dial(run.address(), context, timeout_s=60) for _ in range(AT_ONCE)]
    until(lambda: run.stat("downstream_cx_active") == AT_ONCE, "all of them", 60)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def one(numbered):
            number, caller = numbered
            payload = Payload(number % 50, 1000 + number)
            streams.exchange(caller, payload).assert_is(payload)
            caller.close()
        list(pool.map(one, enumerate(callers)))
    run.ended(AT_ONCE, timeout_s=60, reason="done")


@pytest.mark.many
def test_in_sequence(start, origin, certs):
    """Short ones, one after the other in each of a few processes; afterwards
    nothing is left: no descriptor, no memory, no operation."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    processes = 4

    def burst(count):
        each = str(count // processes)
        host, port = run.address()
        running = [subprocess.Popen(
            [*CLIENTS, "short", host, str(port), certs.authority.pem, each],
            stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        said = [one.communicate(timeout=seconds(300))[0].strip() for one in running]
        assert said == [each] * processes
        run.check_idle()

    burst(SHORT // 4)
    before = run.rss_mib()
    burst(SHORT - SHORT // 4)
    assert run.rss_mib() - before < 8, "memory grows with connections"
    run.wait_stat("downstream_cx_destroy", run.stat("downstream_cx_total"))


@pytest.mark.many
@pytest.mark.native
def test_idle_ones_hold_no_buffer(start, origin, certs):
    """Each has filled buffers, one after the other, and stays: what one costs
    then is far less than the 144 KiB of one (io/buf.h)."""
    count = AT_ONCE // 10
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)], workers=1)
    context = streams.client_context(certs)
    payload = Payload(3, 300_000)

    def one():
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, payload, finish=False,
                         expect=payload.size).assert_is(payload, "open")
        return caller

    callers = [one() for _ in range(3)]
    before = run.rss_mib()
    callers += [one() for _ in range(count)]
    each = (run.rss_mib() - before) * 1024 / count
    assert each < 48, f"{each} KiB"
    for caller in callers:
        caller.close()


@pytest.mark.many
@pytest.mark.native
def test_a_crowd_leaves_its_memory(start, origin, certs):
    """What many need at the same moment is given back when they are quiet,
    though all of them stay."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)], workers=1)
    context = streams.client_context(certs)
    callers = [streams.dial(run.address(), context) for _ in range(AT_ONCE // 10)]
    payload = Payload(5, 1 << 16)
    before = run.rss_mib()

    run.process.send_signal(signal.SIGSTOP)
    for caller in callers:
        caller.send(payload.at(0))
    run.process.send_signal(signal.SIGCONT)
    for caller in callers:
        streams.exchange(caller, finish=False,
                         expect=payload.size).assert_is(payload, "open")
    most = run.rss_mib()
    # ASan keeps what was freed.
    if "SANITIZE" not in os.environ:
        assert most - before > 8, "so few buffers prove nothing"
        until(lambda: run.rss_mib() - before < (most - before) / 3,
              f"{most - before:.0f} MiB given back", 20)
    for caller in callers:
        caller.close()


@pytest.mark.fairness
def test_flood_beside_others(start, origin, certs):
    """One connection floods; 50 others each move 1 MiB before it has moved
    1 GiB."""
    flood = 1 << 30
    small = Payload(9, 1 << 20)
    moved = threading.Event()

    def app_side(stream):
        origins.wait_readable(stream)
        if stream.sock.recv(1, socket.MSG_PEEK) == b"F":
            outcome = streams.exchange(stream, Payload(1, flood), finish=False, expect=2)
            moved.set()
            return outcome
        return streams.exchange(stream, small)

    app = origin(app_side)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)], workers=1)
    context = streams.client_context(certs)
    greedy = streams.dial(run.address(), context)
    origins.send_all(greedy, b"F")
    stop = threading.Event()

    def read_on():
        greedy.sock.settimeout(0.2)
        while not stop.is_set():
            try:
                if not greedy.sock.recv(1 << 20):
                    return
            except OSError:
                pass

    reader = threading.Thread(target=read_on, daemon=True)
    reader.start()
    until(lambda: run.stat("millrace.tx_bytes") > 1 << 20, "the flood", 20)
    for _ in range(50):
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, Payload(2, 10)).assert_is(small)
        caller.close()
    assert not moved.is_set(), "the flood was over first"
    assert run.stat("millrace.tx_bytes") < flood
    stop.set()
    reader.join()
    greedy.reset()
    run.check_idle()
