# SPDX-License-Identifier: BSD-2-Clause
"""What Envoy's names count: who signed, who left first, how long it took, and
who was waited for before a handshake."""

import re
import ssl

import pytest

import origin as origins
import stats
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import FACTOR, until

pytestmark = pytest.mark.stats
HELLO = Payload(1, 1000)


def talk(address, context=None, **more):
    caller = streams.dial(address, context, **more)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    return caller


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_signed(start, origin, certs, version):
    """The peer's signature, on both sides; a resumed session has none."""
    app = origin(origins.echo, tls=streams.server_context(certs.ecdsa, version))
    run = start(
        [listener(certs.ecdsa.server_tls(validation={
            "trust": {"file": str(certs.authority.pem)}}))],
        [cluster(app.address, tls=certs.upstream_tls())])
    context = streams.client_context(certs, version)
    context.load_cert_chain(certs.rsa.chain, certs.rsa.key)
    first = talk(run.address(), context)
    run.wait_stat("downstream_cx_destroy", 1)
    signed = "ssl.sigalgs.rsa_pss_rsae_sha256"
    assert run.stat(signed) == 1
    assert run.stat("ssl.sigalgs.ecdsa_secp256r1_sha256", "app") == 1
    talk(run.address(), context, session=first.ssl.session)
    run.wait_stat("downstream_cx_destroy", 2)
    assert run.stat("ssl.session_reused") == 1
    assert (run.stat("ssl.handshake"), run.stat(signed)) == (2, 1)
    assert not [name for name in run.stats() if "sigalgs.other" in name]


def test_who_left_first(start, origin):
    """The application ends, the client ends, the application resets."""
    def leave(stream):
        origins.send_all(stream, b"x")
        streams.exchange(stream)

    def reset(stream):
        origins.wait_readable(stream)
        stream.reset()

    ways = {"remote": leave, "local": origins.echo, "reset": reset}
    run = start(
        [listener(name=name, cluster=f"to-{name}") for name in ways],
        [cluster(origin(handler).address, name=f"to-{name}") for name, handler in ways.items()])
    caller = streams.dial(run.address("remote"))
    assert streams.exchange(caller, finish=False).size == 1
    caller.finish()
    caller.close()
    talk(run.address("local"))
    caller = streams.dial(run.address("reset"))
    origins.send_all(caller, b"x")
    assert streams.exchange(caller, finish=False).end == "reset"
    caller.close()
    run.all_over()
    for name, first in (("remote", (0, 1)), ("local", (1, 0)), ("reset", (0, 1))):
        assert run.stat("upstream_cx_destroy", f"to-{name}") == 1
        found = tuple(run.stat(f"upstream_cx_destroy_{who}", f"to-{name}")
                      for who in ("local", "remote"))
        assert found == first, name


@pytest.mark.limits
def test_idle(start, origin):
    run = start([listener(timeouts={"idle": "200ms"})],
                [cluster(origin(origins.echo).address)])
    caller = streams.dial(run.address())
    assert streams.exchange(caller, finish=False).end == "reset"
    caller.close()
    run.wait_stat("downstream_cx_destroy", 1)
    assert run.stat("upstream_cx_idle_timeout", "app") == 1
    assert run.stats()["tcp.ingress.idle_timeout"] == 1
    assert run.stat("upstream_cx_destroy_local", "app") == 1


@pytest.mark.limits
def test_first_bytes(start, origin, certs):
    """Waited for while nothing is said; what does not come in time is counted,
    and on a permissive port taken for plaintext."""
    # So long that its beginning is seen.
    quick = {"timeouts": {"handshake": f"{int(500 * FACTOR + 1500)}ms"}}
    run = start(
        [listener({"mode": "passthrough"}, name="routed", routes=[
            {"server_names": [certs.name], "cluster": "app", "tls": "passthrough"}], **quick),
         listener({**certs.ecdsa.server_tls(), "mode": "permissive"}, name="both", **quick)],
        [cluster(origin(origins.echo).address)])
    for name in "routed", "both":
        silent = streams.dial(run.address(name))
        run.wait_stat("downstream_pre_cx_active", 1, name)
        run.wait_stat("downstream_pre_cx_timeout", 1, name)
        run.wait_stat("downstream_pre_cx_active", 0, name)
        if name == "both":
            streams.exchange(silent, HELLO).assert_is(HELLO)
        silent.close()
    talk(run.address("both"), streams.client_context(certs))
    run.wait_stat("downstream_cx_active", 0, "both")
    assert run.stat("downstream_pre_cx_timeout", "both") == 1
    assert run.stat("downstream_cx_transport_socket_connect_timeout", "routed") == 0


def test_times(start, origin):
    """Histograms hold each connection once, and as long as the sum says."""
    run = start([listener()], [cluster(origin(origins.echo).address)])
    for _ in range(7):
        talk(run.address())
    run.all_over()
    text = stats.get(run.admin, "/stats/prometheus?filter=_ms")[1]
    found = {f"{name} {le}": int(value) for name, le, value in re.findall(
        r'^envoy_(\w+)\{[^}]*?(?:le="([^"]+)")?\} (\d+)$', text, re.M)}
    for name in "listener_downstream_cx_length_ms", "cluster_upstream_cx_length_ms", \
            "cluster_upstream_cx_connect_ms":
        assert found[f"{name}_count "] == found[f"{name}_bucket +Inf"] == 7, name
        assert found[f"{name}_bucket 3600000"] == 7
    assert found["listener_downstream_cx_length_ms_sum "] == \
        run.stat("millrace.cx_length_ms_total")
    assert found["cluster_upstream_cx_length_ms_sum "] <= \
        found["listener_downstream_cx_length_ms_sum "]
    # What is told of once is not told of twice: a reset leaves them.
    assert stats.get(run.admin, "/reset_counters", "POST")[0] == 200
    until(lambda: run.stat("downstream_cx_total") == 0, "the reset")
    assert "ingress" not in text
    again = stats.get(run.admin, "/stats/prometheus?filter=length_ms$")[1]
    assert re.search(r"^envoy_listener_downstream_cx_length_ms_count\S+ 7$", again, re.M)
