# SPDX-License-Identifier: BSD-2-Clause
"""Sessions that the program resumes as a client: with whom, how often, and
never past a check that a full handshake would make."""

import datetime
import hashlib
import signal
import ssl
import subprocess

import pytest

import origin as origins
import peer as peers
import ports
import streams
from casecerts import Recipe
from millrace import ENGINE, cluster, listener
from streams import Payload
from waiting import FACTOR, seconds, until

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HELLO = Payload(11, 400)
GOOD = Recipe()


def call(run, name="ingress"):
    """One connection, there and back, with its sessions put away."""
    caller = streams.dial(run.address(name))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


def reused(run):
    return run.stat("ssl.session_reused", "app")


def resumes(run):
    """Whether the next connection to the upstream resumes."""
    before, shaken = reused(run), run.stat("ssl.handshake", "app")
    call(run)
    run.wait_stat("ssl.handshake", shaken + 1, "app")
    return reused(run) - before == 1


@pytest.fixture
def upstream(start, origin, made, tmp_path):
    """upstream(recipe, **validation): a TLS server of ours behind the program,
    with trust and a revocation list that may be written anew."""
    def begin(recipe=GOOD, version="1.3", more=None, crl=None, **validation):
        app = origin(origins.echo, tls=streams.server_context(
            made.leaf(recipe), VERSIONS[version]))
        for name, source in (("trust", made.authority("root")),
                             ("crl", crl or made.crl("inter"))):
            (tmp_path / name).write_text(source.read_text())
        run = start([listener()], [cluster(app.address, tls={
            "server_name": "app.apps.local",
            "validation": {
                "trust": {"file": str(tmp_path / "trust")},
                "crl": {"file": str(tmp_path / "crl")}, **validation},
            **(more or {})})], workers=1)
        return run

    return begin


@pytest.mark.names
@pytest.mark.parametrize("version", VERSIONS)
def test_openssl(start, made, version):
    """openssl s_server: all but the first connection of a worker resume."""
    port, leaf = ports.pick(), made.leaf(GOOD)
    with peers.s_server(port, leaf, "-cert_chain", leaf.chain, "-rev",
                        {"1.2": "-tls1_2", "1.3": "-tls1_3"}[version]):
        run = start([listener()], [cluster(("127.0.0.1", port), tls={
            "server_name": "app.apps.local",
            "validation": {"trust": {"file": str(made.authority("root"))}}})],
            workers=1)
        for _ in range(6):
            caller = streams.dial(run.address())
            origins.send_all(caller, b"stressed\n")
            got = streams.exchange(caller, expect=9, finish=False)
            assert got.digest == hashlib.sha256(b"desserts\n").hexdigest()
            caller.close()
            run.wait_stat("upstream_cx_active", 0, "app")
        assert run.stat("ssl.handshake", "app") == 6
        assert reused(run) == 5


@pytest.mark.transfer
@pytest.mark.parametrize("version", VERSIONS)
def test_nginx(start, made, tmp_path, version):
    """nginx says for itself that the sessions were resumed, and curl that
    what came is whole."""
    port, leaf = ports.pick(), made.leaf(GOOD)
    body = bytes(Payload(12, 200000).at(0, 200000))
    (tmp_path / "body").write_bytes(body)
    conf = tmp_path / "nginx.conf"
    paths = " ".join(f"{name}_temp_path {tmp_path}/{name};" for name in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf.write_text(
        "daemon off; master_process off; user root;\n"
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        "events {}\n"
        f"http {{ log_format r '$ssl_session_reused'; {paths}\n"
        f" access_log {tmp_path}/access.log r;\n"
        f" server {{ listen 127.0.0.1:{port} ssl; root {tmp_path};\n"
        f"  ssl_protocols TLSv{version}; ssl_session_tickets on;\n"
        f"  ssl_certificate {leaf.chain}; ssl_certificate_key {leaf.key};\n"
        " } }\n")
    nginx = subprocess.Popen(["nginx", "-c", str(conf)],
                             stderr=subprocess.PIPE)
    try:
        until(lambda: peers.listens(port), "nginx")
        run = start([listener()], [cluster(("127.0.0.1", port), tls={
            "server_name": "app.apps.local",
            "validation": {"trust": {"file": str(made.authority("root"))}}})],
            workers=1)
        host, at = run.address()
        for _ in range(5):
            got = subprocess.run(
                ["curl", "-sS", "--fail", f"http://{host}:{at}/body"],
                capture_output=True, timeout=seconds(60))
            assert got.stdout == body, got.stderr
        assert reused(run) == 4
        until(lambda: (tmp_path / "access.log").read_text().split() ==
              [".", "r", "r", "r", "r"], "nginx's own words")
    finally:
        nginx.terminate()
        nginx.communicate(timeout=seconds(20))


@pytest.mark.names
@pytest.mark.parametrize("version", VERSIONS)
def test_millrace(start, origin, made, version):
    """Ours at both ends, with certificates of both: the listener's tickets
    are the cluster's sessions, and each side counts them."""
    app = origin(origins.echo)
    leaf = made.leaf(GOOD)
    trust = {"file": str(made.authority("root"))}
    server = listener(leaf.server_tls(
        validation={"trust": trust}, min_version=version, max_version=version),
        name="mesh")
    address = server["listen"]
    run = start([listener(cluster="far"), server],
                [cluster(app.address), {
                    "name": "far", "endpoints": [address], "tls": {
                        "server_name": "app.apps.local",
                        "validation": {"trust": trust},
                        "certificate": leaf.server_tls()["certificate"]}}],
                workers=1)
    for _ in range(5):
        call(run)
    assert run.stat("ssl.session_reused", "far") == 4
    assert run.stat("ssl.session_reused", "mesh") == 4
    assert run.stat("ssl.handshake", "mesh") == 5
    for line in run.ended(10):
        assert line["reason"] == "done", line


@pytest.mark.many
def test_many_at_once(upstream):
    """Connections that overlap: a ticket is used once, and every connection
    brings the next one."""
    run = upstream()
    for _ in range(3):
        # It sees all of them at once: none has the ticket of another.
        run.process.send_signal(signal.SIGSTOP)
        callers = [streams.dial(run.address()) for _ in range(8)]
        run.process.send_signal(signal.SIGCONT)
        for caller in callers:
            streams.exchange(caller, HELLO, expect=HELLO.size, finish=False)
        for caller in callers:
            streams.exchange(caller, HELLO).assert_is(HELLO)
            caller.close()
    assert run.stat("ssl.handshake", "app") == 24
    assert reused(run) == 16


@pytest.mark.names
def test_disabled(upstream):
    run = upstream(more={"resumption": "disabled"})
    assert not any(resumes(run) for _ in range(3))
    received = run.stat("millrace.ticket.received", "app")
    assert received > 0
    assert run.stat("millrace.ticket.dropped", "app") == received


# ---- nothing is skipped

@pytest.mark.names
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", [
    "trust", "crl", "names", "pin", "server_name", "certificate", "node"])
def test_other_demands(upstream, made, tmp_path, what, version):
    """After each change the first handshake is a full one; and one that says
    the same as before changes nothing."""
    shown = made.leaf(GOOD).server_tls()["certificate"]
    run = upstream(version=version, more={"certificate": shown},
                   names=["app.apps.local"])
    tls = run.config["clusters"][0]["tls"]
    assert not resumes(run)
    assert resumes(run)
    run.reload()
    assert resumes(run)
    if what == "trust":
        (tmp_path / "trust").write_text(
            made.bundle("root", "tight").read_text())
    elif what == "crl":
        (tmp_path / "crl").write_text(
            made.crl("inter", (Recipe(cn="other"),)).read_text())
    elif what == "names":
        tls["validation"]["names"] = ["app.apps.local", "more.apps.local"]
    elif what == "pin":
        tls["validation"]["certificate_sha256"] = [made.fingerprint(GOOD)]
    elif what == "server_name":
        tls["server_name"] = "other.apps.local"
    elif what == "certificate":
        tls["certificate"] = made.leaf(Recipe(cn="us")).server_tls()[
            "certificate"]
    else:
        run.config["node"] = "app.apps.local"
    run.reload()
    assert not resumes(run)
    assert resumes(run)


@pytest.mark.names
@pytest.mark.parametrize("version", VERSIONS)
def test_revoked(upstream, made, tmp_path, version):
    """Revoked since: refused, however many of its sessions were kept."""
    stolen = Recipe(cn="stolen")
    run = upstream(stolen, version)
    assert [resumes(run) for _ in range(3)] == [False, True, True]
    (tmp_path / "crl").write_text(made.crl("inter", (stolen,)).read_text())
    # One that is on its way just then is ended, not refused.
    until(lambda: refused(run) and run.stat("ssl.fail_verify_error", "app"),
          "the refusal", 3)
    assert "revoked" in run.ended(reason="upstream_tls_failed")[0]["error"]


def refused(run):
    caller = streams.dial(run.address())
    end = streams.exchange(caller, HELLO).end
    caller.close()
    return end == "reset"


def soon():
    """A moment that comes in a while, and how openssl writes it, which costs
    up to a second."""
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=3 * FACTOR + 1)
    return ends, ends.strftime("%y%m%d%H%M%SZ")


def over(moment):
    return datetime.datetime.now(datetime.timezone.utc) > \
        moment.replace(microsecond=0) + datetime.timedelta(seconds=1)


@pytest.mark.names
@pytest.mark.parametrize("what,version", [("certificate", "1.3"),
                                          ("crl", "1.2")])
def test_out_of_date(upstream, made, what, version):
    """The certificate ends, or the list of revoked ones is to be fetched
    anew: a session does not live on beyond that."""
    # Made beforehand: only what ends soon is made while it counts.
    made.leaf(GOOD)
    made.crl("inter")
    ends, text = soon()
    if what == "certificate":
        run = upstream(Recipe(when=text), version)
    else:
        run = upstream(version=version, crl=made.crl("inter", ends=text))
    assert [resumes(run) for _ in range(3)] == [False, True, True]
    until(lambda: over(ends), "the end", 10)
    assert refused(run)
    assert run.stat("ssl.fail_verify_error", "app") == 1


@pytest.mark.names
def test_client_out_of_date(start, origin, certs, made):
    """The same the other way round: a client's certificate that has ended is
    not made good by the ticket that it once got."""
    app = origin(origins.echo)
    made.leaf(GOOD)  # its issuer, beforehand
    run = start([listener(certs.ecdsa.server_tls(validation={
        "trust": {"file": str(made.authority("root"))}}))],
        [cluster(app.address)])
    ends, text = soon()
    leaf = made.leaf(Recipe(when=text, cn="client"))
    sessions = {}
    for version in VERSIONS.values():
        context = streams.client_context(certs, version)
        context.load_cert_chain(leaf.chain, leaf.key)
        sessions[context] = None
        for turn in range(3):
            caller = streams.dial(run.address(), context,
                                  session=sessions[context])
            streams.exchange(caller, HELLO, expect=HELLO.size, finish=False)
            assert caller.ssl.session_reused == (turn > 0)
            sessions[context] = caller.ssl.session
            caller.close()
    until(lambda: over(ends), "the end", 10)
    for context, session in sessions.items():
        with pytest.raises(ssl.SSLError):
            caller = streams.dial(run.address(), context, session=session)
            raise ssl.SSLError(streams.exchange(caller, HELLO).end)
    assert run.stat("ssl.fail_verify_error") == 2


# ---- what it costs while it waits

if ENGINE == "kernel":
    @pytest.mark.verify
    @pytest.mark.parametrize("tickets", [0, 2])
    def test_idle(start, origin, certs, tickets):
        """An upstream that says nothing: the receiving direction goes to the
        kernel with the first ticket, or when ticket_wait is over."""
        context = streams.server_context(certs.ecdsa, VERSIONS["1.3"])
        context.num_tickets = tickets
        app = origin(lambda stream: streams.exchange(stream, finish=False),
                     tls=context)
        run = start([listener()], [cluster(
            app.address, tls=certs.upstream_tls(
                ticket_wait="60s" if tickets else "50ms"))])
        caller = streams.dial(run.address())
        run.wait_stat("millrace.engine.rx_kernel", 1, "app")
        streams.exchange(caller, HELLO, expect=0, finish=False)
        caller.finish()
        assert app.take().size == HELLO.size
        caller.close()
