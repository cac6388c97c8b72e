# SPDX-License-Identifier: BSD-2-Clause
"""Which certificate a client is shown, what is stapled to it, and which
protocol of the application is agreed on."""

import re
import socket
import ssl
import subprocess

import pytest

import origin as origins
import streams
from casecerts import Recipe
from millrace import cluster, listener
from streams import Payload
from waiting import seconds, until

# Neither engine has a part in it.
pytestmark = pytest.mark.native

HELLO = Payload(9, 300)


def file_of(made, recipe, **more):
    leaf = made.leaf(recipe)
    return {"file": {"chain": str(leaf.chain), "key": str(leaf.key), **more}}


def shown(address, name, ciphers=None):
    """(names, kind of key) of what a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with socket.create_connection(address) as sock:
        with context.wrap_socket(sock, server_hostname=name) as tls:
            text = subprocess.run(
                ["openssl", "x509", "-inform", "DER", "-noout", "-text",
                 "-ext", "subjectAltName"], check=True, capture_output=True,
                input=tls.getpeercert(True), timeout=seconds(60)).stdout
    text = text.decode()
    names = [word[4:] for word in text.replace(",", " ").split()
             if word.startswith("DNS:")]
    return names[0], "rsa" if "rsaEncryption" in text else "ec"


A, B = "a.apps.local", "b.apps.local"
WILD = "*.apps.local"


@pytest.mark.names
def test_by_name(start, origin, certs, made):
    """Exact before wildcard, the first one by default, and of each name an
    ECDSA and an RSA one side by side."""
    recipes = [Recipe(sans=(f"DNS:{name}",), key=key) for name, key in (
        (B, "ec"), (WILD, "ec"), (A, "ec"), (A, "rsa"), (B, "rsa"))]
    app = origin(origins.echo)
    run = start([listener({"mode": "strict", "certificates": [
        file_of(made, recipe) for recipe in recipes]})],
        [cluster(app.address)])
    address = run.address()
    ecdsa, rsa = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
    assert shown(address, A) == (A, "ec")
    assert shown(address, A.upper()) == (A, "ec")
    assert shown(address, A, ecdsa) == (A, "ec")
    assert shown(address, A, rsa) == (A, "rsa")
    assert shown(address, B, rsa) == (B, "rsa")
    assert shown(address, "c.apps.local") == (WILD, "ec")
    assert shown(address, "c.d.apps.local") == (B, "ec")
    assert shown(address, "unknown.example", rsa) == (B, "rsa")
    assert shown(address, None) == (B, "ec")


@pytest.mark.names
def test_stapled(start, origin, certs, made, tmp_path):
    """A response from a file is stapled, renewed with its file, and left out
    when it is of yesterday; one that calls the certificate revoked is
    refused."""
    recipe = Recipe(cn="stapled")
    file = tmp_path / "ocsp.der"
    file.write_bytes(made.ocsp(recipe).read_bytes())
    app = origin(origins.echo)
    run = start([listener({"mode": "strict",
                           "certificate": file_of(made, recipe,
                                                  ocsp=str(file))})],
                [cluster(app.address)])

    def status():
        host, port = run.address()
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-status",
             "-CAfile", made.authority("root"), "-servername", certs.name],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds(60)).stdout

    # A client may be done before its last message is read.
    assert "Cert Status: good" in status()
    run.wait_stat("ssl.ocsp_staple_requests", 1)
    run.wait_stat("ssl.ocsp_staple_responses", 1)
    shown(run.address(), certs.name)
    run.wait_stat("ssl.handshake", 2)
    assert run.stat("ssl.ocsp_staple_requests") == 1
    file.write_bytes(made.ocsp(recipe, "R").read_bytes())
    # What is written in place may be seen while it is still empty.
    until(lambda: any("revoked" in line["why"] for line in run.log.lines(
        msg="a file cannot be used, and the one before it stays in force")),
          "the refusal")
    assert "Cert Status: good" in status()
    fresh = made.ocsp(recipe).read_bytes()
    until_when = re.findall(rb"20[0-9]{12}Z", fresh)[-1]
    file.write_bytes(fresh.replace(until_when, b"20200101000000Z"))
    until(lambda: "no response sent" in status(), "no response", 3)
    until(lambda: run.stat("ssl.ocsp_staple_omitted") >= 1, "its count")


def client(certs, *protocols):
    context = streams.client_context(certs)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@pytest.mark.names
@pytest.mark.parametrize("own,expected", [
    (None, ["h2"]), (["x", "h2"], ["x", "h2"])])
def test_alpn(start, origin, certs, own, expected):
    """The listener chooses by its own order; the upstream is offered what was
    chosen, or the cluster's own list."""
    seen = []
    upstream = streams.server_context(certs.ecdsa)
    upstream.set_alpn_protocols(["http/1.1", "x", "h2"])

    def handler(stream):
        seen.append(stream.ssl.selected_alpn_protocol())
        return origins.echo(stream)

    app = origin(handler, tls=upstream)
    more = {"alpn": own} if own else {}
    run = start([listener(certs.ecdsa.server_tls(alpn=["h2", "http/1.1"]))],
                [cluster(app.address, tls=certs.upstream_tls(**more))])
    caller = streams.dial(run.address(), client(certs, "http/1.1", "h2"))
    assert caller.ssl.selected_alpn_protocol() == "h2"
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    assert seen == [expected[0]]
    # One that offers nothing is served as ever.
    caller = streams.dial(run.address(), client(certs))
    assert caller.ssl.selected_alpn_protocol() is None
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        streams.dial(run.address(), client(certs, "spdy/3"))
