# SPDX-License-Identifier: BSD-2-Clause
"""A permissive port before an application that speaks first."""

import json
import ssl
import subprocess
import time

import pytest

import origin as origins
import streams
from millrace import BINARY, cluster, listener
from streams import Payload
from waiting import FACTOR, seconds

HELLO = Payload(13, 400)
# The most there is; nobody waits for it who says something.
LONG = "10s"
BANNER = b"220 mail ready\r\n"


def server_first(stream):
    origins.send_all(stream, BANNER)
    return origins.echo(stream)


def permissive(certs, wait=None, **more):
    tls = {**certs.ecdsa.server_tls(**more), "mode": "permissive"}
    if wait:
        tls["server_first_wait"] = wait
    return tls


def late_tls(address, certs, delay_s, name="app.apps.local"):
    """A TLS client whose ClientHello comes so much after its SYN."""
    plain = streams.dial(address)
    time.sleep(delay_s)
    return streams.Tls(plain.sock, streams.client_context(certs), name=name)


@pytest.mark.limits
@pytest.mark.parametrize("delay_ms", [0, 1, 10, 100])
def test_delayed_hello(start, origin, certs, delay_ms):
    """Within server_first_wait it is TLS, and the banner comes inside it."""
    app = origin(server_first)
    run = start([listener(permissive(certs, LONG))], [cluster(app.address)])
    caller = late_tls(run.address(), certs, delay_ms / 1000)
    got = streams.exchange(caller, HELLO)
    assert got.end == "clean" and got.size == len(BANNER) + HELLO.size
    caller.close()
    assert run.stat("tls_inspector.tls_found") == 1
    assert run.stat("tls_inspector.sni_found") == 1
    assert run.stat("tls_inspector.alpn_not_found") == 1


@pytest.mark.limits
def test_too_late(start, origin, certs):
    """After the banner it is too late: the client sees that this is no TLS,
    and the application what it was sent."""
    app = origin(server_first)
    run = start([listener(permissive(certs))], [cluster(app.address)])
    plain = streams.dial(run.address())
    origins.wait_readable(plain, 10)
    with pytest.raises((ssl.SSLError, OSError)):
        streams.Tls(plain.sock, streams.client_context(certs),
                    name=certs.name)
    plain.close()
    run.ended(1)
    assert run.stat("tls_inspector.tls_not_found") == 1
    assert run.stat("ssl.connection_error") == 0


@pytest.mark.many
def test_interleaved(start, origin, certs):
    """TLS and plain clients of a server-first application, in turn."""
    count = 1000 if FACTOR <= 1 else 40
    app = origin(server_first)
    # This process may be held up between SYN and ClientHello.
    run = start([listener(permissive(certs, LONG))], [cluster(app.address)])
    context = streams.client_context(certs)
    for _ in range(count):
        for tls in (context, None):
            caller = streams.dial(run.address(), tls)
            got = streams.exchange(caller, HELLO)
            assert got.end == "clean"
            assert got.size == len(BANNER) + HELLO.size
            caller.close()
    assert run.stat("tls_inspector.tls_found") == count
    assert run.stat("tls_inspector.tls_not_found") == count


@pytest.mark.check
def test_check_warns(certs, tmp_path):
    """Plain clients show no certificate, whatever validation says."""
    path = tmp_path / "millrace.yaml"
    path.write_text(json.dumps({
        "listeners": [listener(permissive(certs, validation={
            "trust": {"file": str(certs.authority.pem)}}))],
        "clusters": [cluster(("127.0.0.1", 1))]}))
    out = subprocess.run([BINARY, "check", "-c", str(path)], timeout=seconds(60),
                         capture_output=True, text=True)
    assert out.returncode == 0, out
    assert "validation does not bind those who speak plaintext" in out.stderr
