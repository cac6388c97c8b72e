# SPDX-License-Identifier: BSD-2-Clause
"""From start to end: refused configurations, reload, drain, permissive ports,
clients' certificates, and the statistics as the page shows them."""

import json
import shutil
import signal
import socket
import subprocess

import pytest

import origin as origins
import ports
import streams
from millrace import BINARY, cluster, listener, split
from streams import Payload
from waiting import FACTOR, seconds, until

HELLO = Payload(1, 1000)


def rewrite(run, **changes):
    run.config.update(changes)
    run.path.write_text(json.dumps(run.config))
    run.process.send_signal(signal.SIGHUP)


# ---- reload

@pytest.mark.limits
def test_reload(start, origin, certs):
    """A listener comes, one goes, a certificate changes; a stream goes on."""
    app = origin(origins.echo)
    first = listener(certs.ecdsa.server_tls())
    gone = listener(name="gone")
    run = start([first, gone], [cluster(app.address)])
    context = streams.client_context(certs)
    old = streams.dial(run.address(), context)
    old_gone = streams.dial(run.address("gone"))
    streams.exchange(old, HELLO, finish=False, expect=HELLO.size)
    run.wait_stat("downstream_cx_active", 1, "gone")

    new = listener(name="new")
    new["engine"] = first["engine"]
    first["tls"] = certs.rsa.server_tls()
    run.listeners = [first, new]
    rewrite(run, listeners=run.listeners)
    until(lambda: run.log.lines(msg="reloaded"), "the reload", 10)
    caller = streams.dial(run.address("new"))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    caller = streams.dial(run.address(), context)
    assert "RSA" in subject_key(run, certs)
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    for stream in (old, old_gone):
        streams.exchange(stream, Payload(2, 100000)).assert_is(Payload(2, 100000)) \
            if stream is old_gone else streams.exchange(stream, Payload(2, 100000))
        stream.close()
    until(lambda: ports.refused(split(gone["listen"])), "the listener's end", 5)

    run.errors_expected = True
    rewrite(run, drain_timeout="soon", clusters=[])
    until(lambda: len(run.log.lines(msg="the configuration stays as it was")) >= 2,
          "both errors", 10)
    assert run.stats()["server.millrace.reload_failed"] == 1
    caller = streams.dial(run.address("new"))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


def subject_key(run, certs):
    host, port = run.address()
    out = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", certs.name],
        input=b"", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        timeout=seconds(60)).stdout
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=out,
                          stdout=subprocess.PIPE, timeout=seconds(60)).stdout.decode()
    return "RSA" if "rsaEncryption" in text else "EC"


# ---- drain

@pytest.mark.limits
def test_drain(start, origin, certs):
    """SIGTERM: no new ones, the open one goes on to its own end."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)],
                drain_timeout="1m")
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO, finish=False, expect=HELLO.size)
    run.terminate()
    until(lambda: ports.refused(run.address()), "the end of accepting", 10)
    assert run.process.poll() is None
    streams.exchange(caller, Payload(2, 500000), finish=True)
    caller.close()
    assert run.wait_end() == 0
    run.ended(reason="done")


@pytest.mark.limits
@pytest.mark.parametrize("how", ["deadline", "second signal"])
def test_drain_deadline(start, origin, certs, how):
    """What is still open is told by close_notify; its other side is reset."""
    app = origin(lambda stream: streams.exchange(stream, finish=False).end)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)],
                drain_timeout="300ms" if how == "deadline" else "10m")
    caller = streams.dial(run.address(), streams.client_context(certs))
    origins.send_all(caller, b"x")
    until(lambda: run.stat("millrace.rx_bytes") == 1, "the byte", 10)
    run.terminate()
    if how != "deadline":
        until(lambda: run.log.lines(msg="draining"), "the drain", 10)
        run.terminate()
    assert streams.exchange(caller, finish=False).end == "clean"
    caller.close()
    assert app.take() == "reset"
    assert run.wait_end() == 0
    run.ended(reason="drain")


# ---- permissive

@pytest.mark.transfer
def test_permissive(start, origin, certs):
    """TLS and plaintext on one port, whoever speaks first."""
    def server_first(stream):
        origins.send_all(stream, b"220 ready\r\n")
        return origins.echo(stream)

    # A ClientHello that comes later is not taken for one: it has time here.
    permissive = {**certs.ecdsa.server_tls(), "mode": "permissive",
                  "server_first_wait": f"{int(150 * FACTOR)}ms"}
    run = start([listener(permissive, name="mail", cluster="mail"),
                 listener(permissive, name="web", cluster="web")],
                [cluster(origin(server_first).address, name="mail"),
                 cluster(origin(origins.echo).address, name="web")])
    context = streams.client_context(certs)
    for _ in range(20):
        for name, first in (("mail", b"220 ready\r\n"), ("web", b"")):
            for tls in (context, None):
                caller = streams.dial(run.address(name), tls)
                if first:
                    got = streams.exchange(caller, expect=len(first), finish=False)
                    assert got.size == len(first)
                streams.exchange(caller, HELLO).assert_is(HELLO)
                caller.close()
    for name in ("mail", "web"):
        assert run.stat("tls_inspector.tls_found", name) == 20
        assert run.stat("tls_inspector.tls_not_found", name) == 20
        assert run.stat("ssl.handshake", name) == 20


# ---- clients' certificates

@pytest.mark.names
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("shown,demanded,stat", [
    (None, {}, "ssl.fail_verify_no_cert"),
    ("unknown", {}, "ssl.fail_verify_error"),
    ("expired", {}, "ssl.fail_verify_error"),
    ("other_name", {"names": ["app.apps.local"]}, "ssl.fail_verify_san"),
    ("ecdsa", {"certificate_sha256": ["0" * 64]}, "ssl.fail_verify_cert_hash"),
    ("ecdsa", {}, None),
    ("ecdsa", {"names": ["app.apps.local"]}, None),
    ("wildcard", {"names": ["app.apps.local"]}, None),
    ("ecdsa", {"match": [{"suffix": ".apps.local"}]}, None),
])
def test_client_certificate(start, origin, certs, version, shown, demanded, stat):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(
        max_version=version, min_version=version,
        validation={"trust": {"file": str(certs.authority.pem)}, **demanded}))],
        [cluster(app.address)])
    context = streams.client_context(certs)
    if shown:
        leaf = getattr(certs, shown)
        context.load_cert_chain(leaf.chain, leaf.key)
    if stat is None:
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
        assert run.stat("ssl.no_certificate") == 0
        return
    try:
        caller = streams.dial(run.address(), context)
        assert streams.exchange(caller, finish=False).end != "clean"
        caller.close()
    except OSError:
        pass
    assert len(run.ended(reason="handshake_failed")) == 1
    fails = {name.rsplit(".ssl.")[1]: value for name, value in run.stats().items()
             if value and ".ssl." in name and ("fail" in name or "error" in name)}
    assert fails == {stat.split("ssl.")[1]: 1}
    assert app.accepted == 0


@pytest.mark.names
def test_certificate_of_a_cluster(start, origin, certs):
    """millrace to millrace, each with a certificate of its own."""
    app = origin(origins.echo)
    server = start([listener(certs.ecdsa.server_tls(
        validation={"trust": {"file": str(certs.authority.pem)},
                    "names": ["other.apps.local"]}))], [cluster(app.address)])
    identity = {"file": {"chain": str(certs.other_name.chain),
                         "key": str(certs.other_name.key)}}
    client = start([listener()], [cluster(server.address(), tls=certs.upstream_tls(
        certificate=identity))])
    caller = streams.dial(client.address())
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    assert server.stat("ssl.handshake") == 1


# ---- the statistics

@pytest.mark.stats
def test_both_pipelines(start, origin, certs):
    """What the page shows, line for line."""
    app = origin(origins.echo)
    port = ports.pick("0.0.0.0")
    item = listener(certs.ecdsa.server_tls())
    item["listen"] = f"0.0.0.0:{port}"
    run = start([item], [cluster(app.address)])
    for _ in range(3):
        caller = streams.dial(("127.0.0.1", port), streams.client_context(certs))
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
    url = f"http://127.0.0.1:{run.admin[1]}/stats"

    def pipeline(command):
        return subprocess.run(["bash", "-c", f"curl -s '{url}' | {command}"], check=True,
                              stdout=subprocess.PIPE,
                              timeout=seconds(60)).stdout.decode()

    scope = f"listener.0.0.0.0_{port}.ssl"
    assert pipeline("grep ssl.handshake") == f"{scope}.handshake: 3\n"
    assert pipeline(r'grep -e "ssl.*\(fail\|error\)"') == "".join(
        f"{scope}.{name}: 0\n" for name in (
            "connection_error", "fail_verify_cert_hash", "fail_verify_error",
            "fail_verify_no_cert", "fail_verify_san"))


# ---- configurations that are refused

@pytest.mark.check
@pytest.mark.native
@pytest.mark.parametrize("change,told", [
    (lambda c: c.update(listenrs=[]),
     ['20: there is no field "listenrs" here; did you mean "listeners"?']),
    (lambda c: c.update(workers="many"),
     ['20: workers: "many" is neither auto (one per CPU) nor a number from 1 to 256']),
    (lambda c: c["listeners"][0].pop("tls"),
     ['3: listeners[0]: the field "tls" is missing; if plaintext is meant, write tls: { '
      'mode: disabled }']),
    (lambda c: c["listeners"][0].update(cluster="none"),
     ['9: listeners[0].cluster: there is no cluster "none"; known are app']),
    (lambda c: c["clusters"][0].update(endpoints=["host:80"]),
     ['16: clusters[0].endpoints[0]: "host" is a host name; only addresses are supported, '
      'so write the address it stands for']),
    (lambda c: c["clusters"][0].update(tls={}),
     ['18: clusters[0].tls: the field "validation" is missing; TLS to a peer that nobody '
      'checks protects from nobody; write validation: { trust: { file: PATH } }, or, in so '
      'many words, validation: { mode: none }']),
    (lambda c: c["listeners"].append(dict(c["listeners"][0])),
     ['12: listeners[1].name: the name "ingress" is taken, on line 4',
      '13: listeners[1].listen: 127.0.0.1:15000 is taken, on line 5']),
    (lambda c: c["listeners"][0].update(tls=identity("none.pem", "a.key")),
     ['10: listeners[0].tls.certificate.file.chain: %/none.pem cannot be read: No such '
      'file or directory']),
    (lambda c: c["listeners"][0].update(tls=identity("a.pem", "b.key")),
     ['11: listeners[0].tls.certificate.file.key: %/b.key is not the key of the first '
      'certificate in %/a.pem']),
], ids=["unknown field", "wrong type", "no tls", "no such cluster", "a host name",
        "no validation", "twice the same", "no such file", "another's key"])
def test_check(tmp_path, certs, change, told):
    """check and run refuse alike, each with all of the message."""
    for name, leaf in (("a", certs.ecdsa), ("b", certs.rsa)):
        shutil.copy(leaf.chain, tmp_path / f"{name}.pem")
        shutil.copy(leaf.key, tmp_path / f"{name}.key")
    config = {"listeners": [{**listener(), "listen": "127.0.0.1:15000"}],
              "clusters": [cluster(("127.0.0.1", 1))]}
    change(config)
    path = tmp_path / "bad.yaml"
    path.write_text(json.dumps(config, indent=1))
    for command in ("check", "run"):
        result = subprocess.run([BINARY, command, "-c", str(path)], capture_output=True,
                                timeout=60, text=True)
        assert result.returncode == 1
        assert result.stderr == "".join(
            f"{path}:{line.replace('%', str(tmp_path))}\n" for line in told)


def identity(chain, key):
    return {"mode": "strict", "certificate": {"file": {"chain": chain, "key": key}}}


@pytest.mark.check
@pytest.mark.native
def test_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        item = listener()
        item["listen"] = f"127.0.0.1:{holder.getsockname()[1]}"
        path = tmp_path / "taken.yaml"
        path.write_text(json.dumps({"counters": {"pin": "none"}, "listeners": [item],
                                    "clusters": [cluster(("127.0.0.1", 1))]}))
        result = subprocess.run([BINARY, "run", "-c", str(path)], capture_output=True,
                                timeout=60, text=True)
    assert result.returncode == 1
    *_, told = result.stderr.splitlines()
    assert told.split(" ", 1)[1] == (
        'level=error msg="cannot serve" why="listener ingress: cannot listen on '
        f'{item["listen"]}: bind: Address already in use; another process holds this port '
        '(see ss -ltnp)"')
