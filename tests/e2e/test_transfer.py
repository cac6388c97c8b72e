# SPDX-License-Identifier: BSD-2-Clause
"""Bytes arrive whole, whatever the version, the cipher and the side."""

import os
import select
import socket
import struct
import subprocess

import pytest

import origin as origins
import peer as peers
import ports
import streams
from millrace import ENGINE, cluster, listener, probed
from streams import Payload
from waiting import FACTOR, seconds

pytestmark = pytest.mark.transfer

BULK = int(os.environ.get("E2E_BULK_MIB", "64")) << 20
UP = Payload(1, BULK + 1)
DOWN = Payload(2, BULK - 1)
# For each cipher and side: size is the question, in the machines too.
EACH = int(os.environ.get("E2E_EACH_MIB", "64")) << 20
EACH_UP = Payload(1, EACH + 1)
EACH_DOWN = Payload(2, EACH - 1)
SMALL_UP = Payload(3, 3_000_001)
SMALL_DOWN = Payload(4, 2_999_999)

# (openssl's options, TLS version and cipher as the log names them)
TLS12 = [
    (["-tls1_2", "-cipher", f"ECDHE-ECDSA-{name}"], "TLSv1.2",
     f"ECDHE-ECDSA-{name}")
    for name in ("AES128-GCM-SHA256", "AES256-GCM-SHA384",
                 "CHACHA20-POLY1305")
]
TLS13 = [
    (["-tls1_3", "-ciphersuites", name], "TLSv1.3", name)
    for name in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                 "TLS_CHACHA20_POLY1305_SHA256")
]
PROTOCOLS = pytest.mark.parametrize(
    "options, version, cipher", TLS12 + TLS13,
    ids=[cipher for _, _, cipher in TLS12 + TLS13])


def assert_line(run, rx, tx, **fields):
    line = run.ended(**fields)[0]
    assert (line["reason"], line["rx_bytes"], line["tx_bytes"]) == (
        "done", str(rx), str(tx)), line
    return line


@PROTOCOLS
def test_terminate(start, origin, certs, evidence, options, version, cipher):
    """s_client → TLS listener → plaintext application, both ways at once."""
    app = origin(origins.swap(EACH_DOWN, expect=EACH_UP.size, finish=False,
                             timeout_s=180))
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    with peers.s_client(run.address(), certs, *options) as client:
        got = client.exchange(EACH_UP, EACH_DOWN.size)
        app.take().assert_is(EACH_UP, "open")
        got.assert_is(EACH_DOWN, "open")
        assert client.process.wait(seconds(20)) == 0
    assert_line(run, EACH_UP.size, EACH_DOWN.size, tls=version, cipher=cipher)
    assert run.stat(f"ssl.ciphers.{cipher}") == 1
    assert run.stat(f"ssl.versions.{version}") == 1
    assert run.stat("ssl.handshake") == 1
    assert run.stat("millrace.rx_bytes") == EACH_UP.size
    assert run.stat("millrace.tx_bytes") == EACH_DOWN.size
    evidence.check(run, "ingress")


@PROTOCOLS
def test_originate(start, certs, evidence, options, version, cipher):
    """Plaintext caller → TLS cluster → s_server, both ways at once."""
    port = ports.pick()
    with peers.s_server(port, certs.ecdsa, *options) as server:
        run = start(
            [listener()],
            [cluster(("127.0.0.1", port), tls=certs.upstream_tls())])
        results = []
        app = peers.threading.Thread(
            target=lambda: results.append(server.exchange(EACH_DOWN, EACH_UP.size)))
        app.start()
        caller = streams.dial(run.address())
        got = streams.exchange(caller, EACH_UP, expect=EACH_DOWN.size, finish=False,
                               timeout_s=180)
        app.join()
        results[0].assert_is(EACH_UP, "open")
        got.assert_is(EACH_DOWN, "open")
        caller.finish()
        # s_server ends its side when it sees close_notify.
        streams.exchange(caller).assert_is(streams.NOTHING)
        caller.close()
        assert_line(run, EACH_UP.size, EACH_DOWN.size, tls=version, cipher=cipher)
        assert run.stat("ssl.handshake", "app") == 1
        assert run.stat("ssl.fail_verify_error", "app") == 0
        evidence.check(run, "app")


@pytest.mark.parametrize("version", ["12", "13"])
def test_tls_to_tls(start, certs, evidence, peer, version):
    """TLS on both sides, and a half-close that ends each direction."""
    server = peer.server(certs.rsa, size=DOWN.size, seed=7, version=version)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(server.address, tls=certs.upstream_tls())])
    client = peer.client(run.address(), certs.authority.pem, size=UP.size,
                         seed=8, version=version).outcome()
    app = server.outcome()
    assert client["sent"] == app["received"]
    assert app["sent"] == client["received"]
    assert (client["end"], app["end"]) == ("clean", "clean")
    assert client["sent_bytes"] == app["received_bytes"] == str(UP.size)
    assert_line(run, UP.size, DOWN.size)
    assert run.stat("millrace.truncated") == 0
    assert run.stat("millrace.truncated", "app") == 0
    evidence.check(run, "ingress", "app")


def test_versions_differ_by_side(start, certs, peer):
    server = peer.server(certs.ecdsa, size=1 << 20, seed=7, version="12")
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(server.address, tls=certs.upstream_tls())])
    client = peer.client(run.address(), certs.authority.pem, size=1 << 20,
                         seed=8, version="13").outcome()
    app = server.outcome()
    assert (client["version"], app["version"]) == ("TLSv1.3", "TLSv1.2")
    assert client["sent"] == app["received"]
    assert app["sent"] == client["received"]


def test_plain_to_plain(start, origin):
    app = origin(origins.swap(DOWN, timeout_s=180))
    run = start([listener()], [cluster(app.address)])
    caller = streams.dial(run.address())
    streams.exchange(caller, UP, timeout_s=180).assert_is(DOWN)
    app.take().assert_is(UP)
    caller.close()
    line = assert_line(run, UP.size, DOWN.size)
    assert (line["tls"], line["engine_down"], line["engine_up"]) == (
        "-", "plain", "plain")


def test_ipv6(start, origin, certs):
    app = origin(origins.swap(SMALL_DOWN), host="::1")
    run = start([listener(certs.ecdsa.server_tls(), host="::1")],
                [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, SMALL_UP).assert_is(SMALL_DOWN)
    app.take().assert_is(SMALL_UP)
    caller.close()
    line = assert_line(run, SMALL_UP.size, SMALL_DOWN.size)
    assert line["down"].startswith("[::1]:")
    assert line["up"].startswith("[::1]:")
    assert f"listener.[__1]_{run.address()[1]}.ssl.handshake" in run.stats()


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_certificates(start, origin, certs, kind, version):
    """Both kinds of key, on both sides, with the version pinned here."""
    leaf = getattr(certs, kind)
    pinned = {"min_version": version, "max_version": version}
    app = origin(origins.swap(SMALL_DOWN), tls=streams.server_context(leaf))
    run = start([listener(leaf.server_tls(**pinned))],
                [cluster(app.address, tls=certs.upstream_tls(**pinned))])
    caller = streams.dial(run.address(), streams.client_context(certs))
    assert caller.ssl.version() == f"TLSv{version}"
    streams.exchange(caller, SMALL_UP).assert_is(SMALL_DOWN)
    app.take().assert_is(SMALL_UP)
    caller.close()
    assert_line(run, SMALL_UP.size, SMALL_DOWN.size)
    assert run.stat(f"ssl.versions.TLSv{version}") == 1
    assert run.stat(f"ssl.versions.TLSv{version}", "app") == 1


def test_ciphers_of_the_configuration(start, origin, certs):
    """What the configuration leaves out is not negotiated."""
    app = origin(origins.swap(SMALL_DOWN))
    run = start(
        [listener(certs.ecdsa.server_tls(
            ciphersuites="TLS_CHACHA20_POLY1305_SHA256",
            ciphers="ECDHE+AESGCM"))],
        [cluster(app.address)])
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, SMALL_UP).assert_is(SMALL_DOWN)
    assert caller.ssl.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    caller.close()
    context = streams.client_context(
        certs, streams.ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305")
    with pytest.raises(streams.ssl.SSLError, match="HANDSHAKE_FAILURE"):
        streams.dial(run.address(), context)
    run.ended(reason="handshake_failed")


@pytest.mark.parametrize("fragment, size", [(1, 512), (4, 4096)])
def test_max_fragment_length(start, origin, certs, peer, fragment, size):
    """Records toward such a peer stay below what it asked for."""
    app = origin(origins.swap(SMALL_DOWN))
    run = start([listener(certs.ecdsa.server_tls(), engine="auto")],
                [cluster(app.address)])
    run.fallback_expected = True
    client = peer.client(run.address(), certs.authority.pem, size=70001,
                         seed=5, fragment=fragment).outcome()
    app.take()
    assert client["end"] == "clean"
    assert client["received_bytes"] == str(SMALL_DOWN.size)
    assert client["received"] == SMALL_DOWN.digest()
    line = run.ended(reason="done")[0]
    if ENGINE != "kernel":
        return
    in_kernel = probed()["PAYLOAD_MAX"] == "yes"
    assert line["engine_down"] == f"rx:kernel/tx:{'kernel' if in_kernel else 'user'}"
    assert run.stat("millrace.fallback.fragment_limit") == (not in_kernel)


def test_fragments_of_a_demanded_kernel(start, origin, certs, peer):
    """engine: kernel is refused rather than broken."""
    app = origin(origins.swap(SMALL_DOWN))
    run = start([listener(certs.ecdsa.server_tls(), engine="kernel")],
                [cluster(app.address)])
    run.fallback_expected = True
    client = peer.client(run.address(), certs.authority.pem, size=70001, seed=5,
                         fragment=1)
    if ENGINE == "kernel" and probed()["PAYLOAD_MAX"] == "yes":
        assert client.outcome()["received"] == SMALL_DOWN.digest()
        return
    client.process.wait(seconds(60))
    client.kill()
    run.ended(reason="engine_unavailable")
    assert run.stat("millrace.engine_refused") == 1


def test_schedule_of_openssl(start, certs, peer, tmp_path, monkeypatch):
    """Where OpenSSL is configured to take its algorithms from elsewhere, its
    key log tells the secrets instead of our key schedule."""
    conf = tmp_path / "openssl.cnf"
    conf.write_text("openssl_conf = all\n[all]\nalg_section = algorithms\n"
                    "[algorithms]\ndefault_properties = provider=default\n")
    server = peer.server(certs.rsa, size=SMALL_DOWN.size, seed=4, version="13")
    monkeypatch.setenv("OPENSSL_CONF", str(conf))
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(server.address, tls=certs.upstream_tls())])
    monkeypatch.delenv("OPENSSL_CONF")
    client = peer.client(run.address(), certs.authority.pem,
                         size=SMALL_UP.size, seed=3, version="13").outcome()
    app = server.outcome()
    assert client["sent"] == app["received"]
    assert app["sent"] == client["received"]


def test_tickets_resume(start, origin, certs):
    """A session that this program handed out is accepted again."""
    app = origin(origins.swap(SMALL_DOWN))
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    context = streams.client_context(certs)
    first = streams.dial(run.address(), context)
    streams.exchange(first, SMALL_UP).assert_is(SMALL_DOWN)
    session = first.ssl.session
    first.close()
    for _ in range(4):  # whichever worker it falls to
        again = streams.dial(run.address(), context, session=session)
        streams.exchange(again, SMALL_UP).assert_is(SMALL_DOWN)
        assert again.ssl.session_reused
        session = again.ssl.session
        again.close()
    assert run.stat("ssl.session_reused") == 4
    assert run.stat("ssl.handshake") == 5


def bare_acknowledgements(sock):
    """Segments without data that have come (linux/tcp.h, struct tcp_info)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    segments, with_data = (struct.unpack_from("=I", info, at)[0] for at in (140, 152))
    return segments - with_data


def test_tickets_acknowledge(start, origin, certs):
    """A client with Nagle's algorithm, whose Finished is not acknowledged yet,
    waits with its first data: the tickets go at once and bring that. Were they
    held for data, the acknowledgement would come alone, 40 ms later."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    context = streams.client_context(certs)

    def alone():
        with socket.create_connection(run.address(), timeout=seconds(20)) as sock, \
                context.wrap_socket(sock, server_hostname="app.apps.local") as caller:
            before = bare_acknowledgements(caller)
            assert select.select([caller], [], [], seconds(20))[0], "no tickets"
            return bare_acknowledgements(caller) - before

    # One that is held up for 40 ms sees it in any case; all of them will not.
    assert any(alone() == 0 for _ in range(int(10 * FACTOR)))


def test_curl_to_nginx(start, certs, tmp_path):
    """Programs that nobody here wrote, with HTTP keep-alive between."""
    port = ports.pick()
    body = bytes(Payload(9, 1 << 20).at(0, 1 << 20))
    (tmp_path / "body").write_bytes(body)
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        "daemon off; master_process off; user root;\n"
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        "events {}\n"
        "http { access_log off; client_max_body_size 8m;\n"
        f" client_body_temp_path {tmp_path}/1; proxy_temp_path {tmp_path}/2;\n"
        f" fastcgi_temp_path {tmp_path}/3; uwsgi_temp_path {tmp_path}/4;\n"
        f" scgi_temp_path {tmp_path}/5;\n"
        f" server {{ listen 127.0.0.1:{port} ssl; root {tmp_path};\n"
        f"  ssl_certificate {certs.rsa.chain};\n"
        f"  ssl_certificate_key {certs.rsa.key}; }} }}\n")
    nginx = subprocess.Popen(["nginx", "-c", str(conf)],
                             stderr=subprocess.PIPE)
    try:
        peers.until(lambda: peers.listens(port), "nginx")
        run = start([listener(certs.ecdsa.server_tls())],
                    [cluster(("127.0.0.1", port), tls=certs.upstream_tls())])
        url = f"https://{certs.name}:{run.address()[1]}/body"
        got = subprocess.run(
            ["curl", "-sS", "--fail", "--http1.1", "--cacert",
             str(certs.authority.pem), "--resolve",
             f"{certs.name}:{run.address()[1]}:127.0.0.1",
             *[url] * 5],
            capture_output=True, timeout=seconds(60))
        assert got.returncode == 0, got.stderr
        assert got.stdout == body * 5
        line = run.ended()[0]
        assert line["reason"] == "done", line
        assert run.stat("ssl.handshake") == 1
        assert run.stat("ssl.handshake", "app") == 1
        run.check_idle()
    finally:
        nginx.terminate()
        nginx.communicate(timeout=seconds(20))


MARKER = b"the plaintext marker that must not be seen on the wire. " * 100


def test_wire_shows_ciphertext_only(start, origin, certs, evidence):
    """A capture of both TLS hops does not hold the application's bytes."""
    def app_side(stream):
        origins.send_all(stream, MARKER)
        got = streams.exchange(stream, expect=len(MARKER), finish=False)
        origins.send_all(stream, MARKER)
        got.size += streams.exchange(stream).size
        return got

    app = origin(app_side, tls=streams.server_context(certs.ecdsa))
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address, tls=certs.upstream_tls())])
    evidence.capture(run.address()[1], app.address[1])
    caller = streams.dial(run.address(), streams.client_context(certs))
    # What comes before both engines stand may be all that there is: once more,
    # so that each engine has its part.
    for answer in (MARKER, b""):
        outcome = streams.exchange(caller, expect=len(MARKER), finish=False)
        assert outcome.size == len(MARKER)
        origins.send_all(caller, answer)
    assert streams.exchange(caller).end == "clean"
    assert app.take().size == len(MARKER)
    caller.close()
    run.ended(reason="done")
    wire = evidence.captured(6 * len(MARKER))
    assert MARKER[:40] not in wire
    evidence.check(run, "ingress", "app")
