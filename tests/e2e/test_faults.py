# SPDX-License-Identifier: BSD-2-Clause
"""The daemon over a ring that misbehaves (tests/fault/ring_fault.c): short
reads and writes, no buffers, no descriptors, lost peers, no memory."""

import os
import pathlib

import pytest

import millrace
import origin as origins
import streams
from millrace import cluster, listener
from streams import Payload
from test_rekey import MIB, kernel_rekeys, orderly_close
from waiting import until

BINARY = pathlib.Path(millrace.BINARY).parent / "fault" / "millrace"

# An emulated machine takes its time.
COUNT = 30 if millrace.ENGINE == "kernel" else 60

pytestmark = [
    pytest.mark.bad_peers,
    pytest.mark.skipif(not os.access(BINARY, os.X_OK), reason="make fault was not run"),
]


def begin(start, faults, listeners, clusters, **more):
    return start(listeners, clusters, binary=str(BINARY),
                 prefix=("env", f"MILLRACE_FAULT={faults}"), **more)


@pytest.mark.parametrize("faults", ["short=1", "short=3,nobufs=3", "nobufs=2"])
@pytest.mark.parametrize("tls_up", [False, True])
def test_whole_all_the_same(start, origin, certs, faults, tls_up):
    """What may happen to anybody costs time, not bytes."""
    app = origin(origins.swap(Payload(2, 200001)),
                 tls=streams.server_context(certs.ecdsa) if tls_up else None)
    run = begin(start, faults, [listener(certs.ecdsa.server_tls())],
                [cluster(app.address, tls=certs.upstream_tls() if tls_up else None)])
    context = streams.client_context(certs)
    for _ in range(8):
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, Payload(1, 200000)).assert_is(Payload(2, 200001))
        app.take().assert_is(Payload(1, 200000))
        caller.close()
    assert len(run.ended(8, reason="done")) == 8


@pytest.mark.parametrize("fault,error", [("emfile", "EMFILE"), ("accept_nobufs", "ENOBUFS")])
def test_accepting_pauses_and_goes_on(start, origin, certs, fault, error):
    """What the kernel has not got now, it has later. A worker meets the fault
    whenever it begins to accept."""
    app = origin(origins.echo)
    run = begin(start, f"{fault}=2", [listener(certs.ecdsa.server_tls())],
                [cluster(app.address)], workers=1)
    context = streams.client_context(certs)
    until(lambda: run.stat("millrace.accept_paused"), "the pause", 10)
    for _ in range(8):
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, Payload(1, 20000)).assert_is(Payload(1, 20000))
        caller.close()
    run.ended(8, reason="done")
    assert {line["errno"] for line in run.log.lines(msg="accepting paused")} == {error}


@pytest.mark.parametrize("faults,reasons", [
    ("connect=2", {"no_upstream"}),
    ("send_reset=20", {"reset_by_down", "reset_by_up", "upstream_tls_failed"}),
    ("recv_reset=20", {"reset_by_down", "reset_by_up", "upstream_tls_failed"}),
    ("no_memory=10", {"no_memory"}),
])
def test_each_costs_itself_only(start, origin, certs, faults, reasons):
    """A connection that is hit ends, with one line that says why; the next
    one is served; nothing is left."""
    app = origin(origins.echo, tls=streams.server_context(certs.ecdsa))
    # Only the user engine takes buffers to seal and open in.
    engine = "user" if "no_memory" in faults else millrace.ENGINE
    run = begin(start, faults, [listener(certs.ecdsa.server_tls())],
                [cluster(app.address, tls=certs.upstream_tls())], engine=engine)
    run.fallback_expected = True
    context = streams.client_context(certs)
    whole = 0
    for _ in range(COUNT):
        try:
            caller = streams.dial(run.address(), context)
        except OSError:
            continue
        outcome = streams.exchange(caller, Payload(1, 40000))
        caller.close()
        if outcome.end == "clean":
            outcome.assert_is(Payload(1, 40000))
            whole += 1
    ended = run.ended(COUNT, timeout_s=30)
    assert len(ended) == COUNT
    found = {line["reason"] for line in ended}
    assert found <= reasons | {"done", "truncated", "peer_alert"}, found
    assert found & reasons and 0 < whole < COUNT, (found, whole)


@pytest.mark.parametrize("fault,words", [("no_tx", "rx:kernel/tx:user"),
                                         ("no_rx", "rx:user/tx:kernel")])
@pytest.mark.parametrize("version", [12, 13])
def test_engines_differ_by_direction(start, origin, certs, peer, fault, words, version):
    """One direction in the kernel, the other here: nobody can tell, across new
    keys where there can be any."""
    in_kernel = millrace.ENGINE == "kernel"
    rekeys = version == 13 and (kernel_rekeys() or not in_kernel)
    app = origin(origins.swap(Payload(2, 3 * MIB)))
    run = begin(start, f"{fault}=1", [listener(certs.ecdsa.server_tls())],
                [cluster(app.address)], engine="auto")
    run.fallback_expected = True
    client = peer.client(run.address(), certs.authority.pem, size=3 * MIB, seed=1,
                         version=version, update=MIB if rekeys else 0, request=1).outcome()
    got = app.take()
    assert (got.digest, got.end) == (client["sent"], "clean")
    assert (client["received"], client["end"]) == (Payload(2, 3 * MIB).digest(), "clean")
    assert client["updates_sent"] == ("3" if rekeys else "0")
    line = run.ended(reason="done")[0]
    assert line["engine_down"] == (words if in_kernel else "rx:user/tx:user")
    assert run.stat("millrace.fallback.key_refused") == in_kernel


def test_a_new_key_is_asked_of_a_kernel_that_has_none(start, origin, certs, peer):
    """We read the KeyUpdate, and could go on reading; sending cannot."""
    app = origin(origins.echo)
    run = begin(start, "no_rx=1", [listener(certs.ecdsa.server_tls())],
                [cluster(app.address)], engine="auto")
    run.fallback_expected = True
    client = peer.client(run.address(), certs.authority.pem, size=8 * MIB, seed=1,
                         version=13, update=MIB, request=1).outcome()
    if kernel_rekeys() or millrace.ENGINE != "kernel":
        assert client["sent"] == client["received"]
        assert int(client["updates_received"]) > 0
    else:
        orderly_close(run, client, "ingress")


if millrace.ENGINE == "kernel":
    def test_a_kernel_without_tls_is_not_asked_each_time(start, origin, certs):
        """One answer holds for ten seconds; then a module that was loaded
        meanwhile is found."""
        app = origin(origins.echo)
        run = begin(start, "no_ulp=3", [listener(certs.ecdsa.server_tls())],
                    [cluster(app.address)], engine="auto", workers=1)
        run.fallback_expected = True
        context = streams.client_context(certs)

        def without():
            """Of how many directions the kernel has not been asked for keys,
            after one connection more."""
            caller = streams.dial(run.address(), context)
            streams.exchange(caller, Payload(1, 1000)).assert_is(Payload(1, 1000))
            caller.close()
            return run.stat("millrace.fallback.no_ulp")

        first = until(without, "a kernel without TLS", 10)
        assert [without() - first for _ in range(20)] == list(range(2, 42, 2))
        until(lambda: without() == without(), "a kernel that has it", 30)
