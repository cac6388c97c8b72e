# SPDX-License-Identifier: BSD-2-Clause
"""KeyUpdate, ours and the peer's, on both engines; what a kernel that cannot
rekey does instead."""

import os

import pytest

import origin as origins
from millrace import ENGINE, cluster, listener, probed
import streams
from streams import Payload

pytestmark = pytest.mark.keyupdate

MIB = 1 << 20
SIZE = 8 * MIB
# Under one key of ours, and what is sent to use several up.
RECORDS = int(os.environ.get("E2E_RECORDS", "1000"))
LIMITED = Payload(4, 5 * RECORDS << 14)


def kernel_rekeys():
    here = probed()
    return here["REKEY_TX"] == here["REKEY_RX"] == "yes"


def can_rekey():
    return ENGINE != "kernel" or kernel_rekeys()


@pytest.mark.parametrize("request_", [0, 1])
def test_peer_updates_as_client(start, origin, certs, peer, request_):
    """A KeyUpdate after each MiB, with and without a demand for ours."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    client = peer.client(run.address(), certs.authority.pem, size=SIZE, seed=5,
                         update=MIB, request=request_, version=13)
    if not can_rekey():
        orderly_close(run, client.outcome(), "ingress")
        return
    outcome = client.outcome()
    assert outcome["sent"] == outcome["received"], outcome
    assert int(outcome["updates_sent"]) >= 7
    assert run.stat("millrace.key_update.received") == int(outcome["updates_sent"])
    assert bool(run.stat("millrace.key_update.sent")) == bool(request_)
    run.ended(reason="done")


def orderly_close(run, outcome, scope):
    """The peer sees close_notify behind whole records, and the counter
    tells why."""
    assert outcome["end"] == "clean", str(outcome)
    assert int(outcome["received_bytes"]) < SIZE
    assert outcome["updates_sent"] != "0"
    run.ended(reason="key_update_unsupported")
    assert run.stat("millrace.key_update.unsupported", scope) == 1


def test_peer_updates_as_server(start, certs, peer):
    server = peer.server(certs.ecdsa, size=SIZE, seed=6, update=MIB, request=1, version=13,
                         expect=SIZE)
    run = start([listener()], [cluster(server.address, tls=certs.upstream_tls())])
    caller = streams.dial(run.address())
    payload = Payload(8, SIZE)
    if not can_rekey():
        assert streams.exchange(caller, payload).end != "clean"
        caller.close()
        orderly_close(run, server.outcome(), "app")
        return
    got = streams.exchange(caller, payload)
    caller.close()
    outcome = server.outcome()
    assert outcome["received"] == payload.digest(), outcome
    assert outcome["sent"] == got.digest
    assert run.stat("millrace.key_update.received", "app") == int(outcome["updates_sent"])


@pytest.mark.parametrize("suite,limit,rekeys", [
    ("TLS_AES_128_GCM_SHA256", {"records": RECORDS}, True),
    ("TLS_AES_256_GCM_SHA384", {"records": RECORDS}, True),
    ("TLS_AES_128_GCM_SHA256", {"blocks": RECORDS * 1024}, True),
    ("TLS_CHACHA20_POLY1305_SHA256", {"records": RECORDS, "blocks": RECORDS * 1024}, False),
])
def test_our_own_limit(start, origin, certs, suite, limit, rekeys):
    """A key is renewed before its limit of records, or of blocks of 16 bytes;
    ChaCha20 has none."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(ciphersuites=suite), rekey_limit=limit)],
                [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    if rekeys and not can_rekey():
        got = streams.exchange(caller, LIMITED)
        assert got.size < LIMITED.size and got.end == "clean", got
        caller.close()
        run.ended(reason="aead_limit")
        assert run.stat("millrace.aead_limit") == 1
        return
    streams.exchange(caller, LIMITED).assert_is(LIMITED)
    caller.close()
    sent = run.stat("millrace.key_update.sent")
    assert sent >= 4 if rekeys else sent == 0


def test_limit_without_rekey(start, origin, certs):
    """TLS 1.2 has no KeyUpdate: the connection ends in order."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(max_version="1.2", ciphers="ECDHE+AESGCM"),
                          rekey_limit={"records": RECORDS})],
                [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    got = streams.exchange(caller, LIMITED)
    assert got.size < LIMITED.size and got.end == "clean", got
    caller.close()
    run.ended(reason="aead_limit")
    assert run.stat("millrace.aead_limit") == 1


def test_rekey_required(start, origin, certs):
    """auto takes the user engine where the kernel cannot rekey."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), engine="auto", rekey="required")],
                [cluster(app.address)])
    run.fallback_expected = True
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, Payload(4, MIB)).assert_is(Payload(4, MIB))
    caller.close()
    in_kernel = kernel_rekeys()
    assert run.stat("millrace.engine.tx_kernel") == in_kernel
    assert run.stat("millrace.fallback.rekey_required") == (0 if in_kernel else 2)
