# SPDX-License-Identifier: BSD-2-Clause
"""millrace verify: the kernel's word and the daemon's, about every socket."""

import contextlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

import pytest

import origin as origins
import peer as peers
import ports
import stats
import streams
from millrace import BINARY, ENGINE, LOOPBACK, cluster, listener, probed
from waiting import seconds, until

pytestmark = pytest.mark.verify

PROVED = "proved by the kernel"
CLAIMED = "claimed by the daemon"
ENCRYPTED = PROVED if ENGINE == "kernel" else CLAIMED


def verify(*arguments):
    """(exit status, standard output, standard error)"""
    run = subprocess.run([BINARY, "verify", *map(str, arguments)],
                         capture_output=True, text=True,
                         timeout=seconds(30))
    return run.returncode, run.stdout, run.stderr


def rows(run, *arguments):
    """(exit status, the sockets as verify --json tells them)"""
    code, out, err = verify("-c", run.path, "--json", *arguments)
    assert out, err
    told = json.loads(out)
    assert told["pid"] == run.process.pid
    assert told["accepted"] == (code == 0)
    assert told["descriptors_seen"]
    return code, told["sockets"]


def pick(sockets, **wanted):
    found = [row for row in sockets
             if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, sockets)
    return found[0]


def talk(stream, text=b"to and fro"):
    """There and back through an echo: both directions have run."""
    origins.send_all(stream, text)
    got = b""
    while len(got) < len(text):
        data = stream.receive()
        if data is None:
            origins.wait_readable(stream)
            continue
        assert data
        got += data
    assert got == text


@pytest.mark.parametrize("version, cipher", [
    ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256")])
def test_tls_on_both_sides(start, certs, origin, version, cipher):
    """What each side negotiated, and who encrypts it."""
    wanted = getattr(ssl.TLSVersion, version.replace(".", "_"))
    app = origin(origins.echo,
                 tls=streams.server_context(certs.ecdsa, wanted))
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address, tls=certs.upstream_tls())])
    client = streams.dial(run.address(), streams.client_context(
        certs, wanted, None if version == "TLSv1.3" else cipher))
    talk(client)
    code, sockets = rows(run)
    assert code == 0 and len(sockets) == 2, sockets
    engine = "kernel" if ENGINE == "kernel" else "user space"
    for side in "down", "up":
        row = pick(sockets, side=side)
        assert (row["verdict"], row["tx"], row["rx"], row["version"]) == (
            ENCRYPTED, engine, engine, version), row
        assert (row["listener"], row["cluster"], row["policy"]) == (
            "ingress", "app", "strict")
    down, up = pick(sockets, side="down"), pick(sockets, side="up")
    assert down["cipher"] == cipher
    assert down["local"] == ports.text(*run.address())
    assert down["remote"] == ports.text(*client.sock.getsockname())
    assert up["remote"] == ports.text(*app.address)
    code, sockets = rows(run, "--strict")
    assert code == (0 if ENGINE == "kernel" else 1), sockets
    assert all(row["accepted"] == (code == 0) for row in sockets)
    client.close()


def test_table(start, certs, origin):
    """The same for people: a line a socket, and the sum."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    code, out, err = verify("-c", run.path)
    lines = out.splitlines()
    assert (code, err) == (0, ""), (out, err)
    assert lines[0].split()[:4] == ["listener", "cluster", "side", "local"]
    assert lines[1].startswith("ingress ") and lines[1].endswith(ENCRYPTED)
    assert lines[2].split()[2] == "up" and lines[2].endswith(" plain")
    assert lines[-1] == (f"2 sockets: 1 {ENCRYPTED}, 1 plain, 1 to be "
                         "encrypted; all is as it should be")
    client.close()


def test_engine_user(start, certs, origin):
    """Where the user engine is asked for, it is the daemon's word."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)], engine="user")
    run.fallback_expected = True
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    code, sockets = rows(run)
    row = pick(sockets, side="down")
    assert (code, row["verdict"], row["tx"], row["rx"]) == (
        0, CLAIMED, "user space", "user space")
    assert rows(run, "--strict")[0] == 1
    client.close()


def test_engines_differ_by_direction(start, certs, origin):
    """Half a record came with Finished: receiving stays in user space until
    its other half is there."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    client = HalfRecord(run.address(), certs, b"x" * 1000)
    kernel = ENGINE == "kernel"
    engine = "kernel" if kernel else "user space"
    row = until(lambda: [row for row in rows(run)[1]
                         if row["side"] == "down" and row["tx"] == engine],
                f"{engine} to send")[0]
    assert (row["rx"], row["verdict"]) == ("user space", CLAIMED), row
    assert rows(run, "--strict")[0] == 1
    client.go_on()
    row = until(lambda: [row for row in rows(run)[1]
                         if row["side"] == "down" and row["rx"] == engine],
                f"{engine} to receive")[0]
    assert row["verdict"] == ENCRYPTED
    assert rows(run, "--strict")[0] == (0 if kernel else 1)
    client.close()


def test_engines_differ_the_other_way(start, certs, origin):
    """A peer that asked for small records: sending stays in user space where
    the kernel cannot keep to them."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), engine="auto")],
                [cluster(app.address)])
    run.fallback_expected = True
    with peers.s_client(run.address(), certs, "-tls1_2", "-maxfraglen", "512") as client:
        payload = streams.Payload(5, 1000)
        client.exchange(payload, payload.size).assert_is(payload, "open")
        row = pick(rows(run)[1], side="down")
        kernel = ENGINE == "kernel"
        limits = probed()["PAYLOAD_MAX"] == "yes"
        assert (row["rx"], row["tx"], row["verdict"]) == (
            "kernel" if kernel else "user space",
            "kernel" if kernel and limits else "user space",
            PROVED if kernel and limits else CLAIMED), row


@pytest.mark.parametrize("user", ["down", "up"])
def test_engines_differ_by_side(start, certs, origin, user):
    """One side's configuration says user space; the other is the kernel's,
    where it has one."""
    app = origin(origins.echo, tls=streams.server_context(certs.ecdsa))
    engines = {"down": "auto", "up": "auto", user: "user"}
    run = start(
        [listener(certs.ecdsa.server_tls(), engine=engines["down"])],
        [cluster(app.address, tls=certs.upstream_tls(), engine=engines["up"])])
    run.fallback_expected = True
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    code, sockets = rows(run)
    found = {row["side"]: row["verdict"] for row in sockets}
    other = {"down": "up", "up": "down"}[user]
    assert (code, found) == (0, {user: CLAIMED, other: ENCRYPTED}), sockets
    assert rows(run, "--strict")[0] == 1
    client.close()


class HalfRecord:
    """A client that sends the beginning of a record with its Finished."""

    def __init__(self, address, certs, payload):
        self.sock = socket.create_connection(address, seconds(20))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = streams.client_context(certs).wrap_bio(
            incoming, outgoing, server_hostname=certs.name)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(outgoing.read())
                incoming.write(self.sock.recv(65536))
        tls.write(payload)
        data = outgoing.read()
        self.sock.sendall(data[:-100])
        self.rest = data[-100:]

    def go_on(self):
        self.sock.sendall(self.rest)

    def close(self):
        self.sock.close()


def test_plain(start, origin):
    """Without TLS it says so: right where the file asks for none, and wrong
    once the file asks for TLS, whatever the daemon still serves."""
    app = origin(origins.echo)
    run = start([listener()], [cluster(app.address)])
    client = streams.dial(run.address())
    talk(client)
    code, sockets = rows(run, "--strict")
    assert code == 0
    assert [row["verdict"] for row in sockets] == ["plain", "plain"]
    assert [row["policy"] for row in sockets] == ["disabled", "disabled"]
    # Alone by its endpoint's address: the daemon's own word counts.
    assert verify("--admin", ports.text(*run.admin))[0] == 0
    client.close()


def test_plain_against_the_file(start, certs, origin):
    """A connection older than a reload goes on in the clear; verify knows
    what the file wants now."""
    app = origin(origins.echo)
    run = start([listener()], [cluster(app.address)])
    client = streams.dial(run.address())
    talk(client)
    run.listeners[0]["tls"] = certs.ecdsa.server_tls()
    run.path.write_text(json.dumps(run.config))
    code, sockets = rows(run)
    down = pick(sockets, side="down")
    assert (code, down["verdict"], down["policy"], down["accepted"]) == (
        1, "plain", "strict", False)
    assert pick(sockets, side="up")["accepted"]
    code, out, _ = verify("-c", run.path)
    assert code == 1 and "plain: policy wants TLS" in out
    assert out.rstrip().endswith("NOT all is as it should be")
    client.close()


def test_permissive(start, certs, origin):
    """One port, and each connection is told by what it is."""
    app = origin(origins.echo)
    run = start([listener({**certs.ecdsa.server_tls(), "mode": "permissive"})],
                [cluster(app.address)])
    plain = streams.dial(run.address())
    talk(plain)
    tls = streams.dial(run.address(), streams.client_context(certs))
    talk(tls)
    code, sockets = rows(run, "--strict")
    down = [row for row in sockets if row["side"] == "down"]
    assert code == 0
    assert sorted(row["verdict"] for row in down) == sorted(
        ["plain", ENCRYPTED])
    assert {row["policy"] for row in down} == {"permissive"}
    plain.close()
    tls.close()


def test_in_the_handshake(start, certs, origin):
    """Nothing of an application has gone through: no objection."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls(), timeouts={"handshake": "10m"})],
                [cluster(app.address)])
    with socket.create_connection(run.address()):
        code, sockets = until(
            lambda: (found := rows(run, "--strict"))[1] and found,
            "the connection to be listed")
        assert code == 0 and len(sockets) == 1, sockets
        row = sockets[0]
        assert (row["verdict"], row["side"], row["version"], row["tx"]) == (
            "in the handshake", "down", None, None)


def test_half_closed(start, certs, origin):
    """One direction has ended; the other is still encrypted."""
    release = threading.Event()

    def hold(stream):
        origins.wait_readable(stream)
        origins.send_all(stream, stream.receive())
        assert release.wait(seconds(30))
        stream.finish()
        origins.send_all(stream, b"")

    app = origin(hold)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    client.finish()
    row = pick(rows(run)[1], side="down")
    assert row["verdict"] == ENCRYPTED
    release.set()
    assert streams.exchange(client, finish=False).end == "clean"
    client.close()


def test_many_connections_that_come_and_go(start, certs, origin):
    """More than a worker lists in one turn, while others begin and end."""
    app = origin(origins.echo)
    # Those that only connect stay as long as the test takes.
    run = start([listener(certs.ecdsa.server_tls(), timeouts={"handshake": "10m"})],
                [cluster(app.address)], workers=1)
    context = streams.client_context(certs)
    idle = [streams.dial(run.address(), context) for _ in range(20)]
    idle += [socket.create_connection(run.address()) for _ in range(300)]
    talk(idle[19])
    run.wait_stat("downstream_cx_active", len(idle))
    end = threading.Event()

    def churn():
        while not end.is_set():
            with contextlib.closing(
                    streams.dial(run.address(), context)) as stream:
                talk(stream)

    busy = threading.Thread(target=churn)
    busy.start()
    try:
        wanted = {ports.text(*(one.sock if hasattr(one, "sock") else one)
                             .getsockname()) for one in idle}
        for _ in range(3):
            code, sockets = rows(run)
            assert code == 0, [row for row in sockets if not row["accepted"]]
            assert wanted <= {row["remote"] for row in sockets}
    finally:
        end.set()
        busy.join()
    for one in idle:
        one.close()


def test_listing_while_draining(start, certs, origin):
    """A worker that has ended is asked no more; the others answer."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)], drain_timeout="10m")
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    run.terminate()
    assert run.log.wait(msg="draining", timeout_s=10)
    for _ in range(3):
        status, body = stats.get(run.admin, "/connections")
        told = json.loads(body)
        assert (status, told["omitted"], len(told["connections"])) == (
            200, 0, 1), body
    client.close()
    assert run.wait_end() == 0


def test_unix_socket(start, origin, tmp_path):
    app = origin(origins.echo)
    path = tmp_path / "admin.sock"
    run = start([listener()], [cluster(app.address)],
                admin={"listen": f"unix:{path}"})
    # The harness asks by address; here there is none.
    run.active = lambda: 0
    run.stats = lambda: {}
    code, out, err = verify("--admin", f"unix:{path}", "--json")
    assert code == 0 and json.loads(out)["sockets"] == [], err
    assert verify("-c", run.path)[0] == 0


# ---- a daemon that does not tell the truth

class Liar:
    """Answers GET /connections with what it was given."""

    def __init__(self, connections, omitted=0):
        told = json.dumps({"pid": os.getpid(), "omitted": omitted,
                           "connections": connections}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.address = self.server.server_address
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def pair():
    """Two ends of a connection of this process."""
    with socket.create_server((LOOPBACK, 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            yield near, far


def cookie(sock):
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, 57, 8), "little")


def side(sock, state="tls", engine="kernel", policy="strict"):
    said = {"cookie": cookie(sock), "policy": policy, "state": state}
    if state == "tls":
        said |= {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256",
                 "tx": engine, "rx": engine}
    return said


def judge(tmp_path, listen, connections, **more):
    """verify's word on this process, whose listener is at listen."""
    liar = Liar(connections, **more)
    path = tmp_path / "liar.yaml"
    try:
        admin = ports.text(*liar.address)
        made = listener()
        made["listen"] = ports.text(*listen)
        path.write_text(json.dumps({
            "admin": {"listen": admin}, "listeners": [made],
            "clusters": [cluster((LOOPBACK, 9),
                                 tls={"validation": {"mode": "none"}})]}))
        code, out, err = verify("-c", path, "--json")
        assert out, err
        return code, [row for row in json.loads(out)["sockets"]
                      if row["local"] == ports.text(*listen)]
    finally:
        liar.close()


def connection(down):
    return [{"listener": "ingress", "cluster": "app", "down": down,
             "up": None}]


def test_contradiction(tmp_path, pair):
    """Said to be the kernel's, and the kernel knows of no TLS there."""
    _, far = pair
    code, found = judge(tmp_path, far.getsockname(), connection(side(far)))
    assert (code, found[0]["verdict"]) == (1, "contradiction"), found
    assert "the kernel" in found[0]["why"]


def test_the_lie_is_what_differs(tmp_path, pair):
    """The same, told as it is: claimed, and acceptable."""
    _, far = pair
    code, found = judge(tmp_path, far.getsockname(),
                        connection(side(far, engine="user")))
    assert found[0]["verdict"] == CLAIMED
    assert found[0]["accepted"], found


def test_not_listed(tmp_path, pair, certs):
    """A socket at a listener's port that no listing names."""
    near, far = pair
    liar = Liar([])
    path = tmp_path / "liar.yaml"
    made = listener(certs.ecdsa.server_tls())
    made["listen"] = ports.text(*far.getsockname())
    path.write_text(json.dumps({
        "admin": {"listen": ports.text(*liar.address)}, "listeners": [made],
        "clusters": [cluster((LOOPBACK, 9))]}))
    try:
        code, out, err = verify("-c", path, "--json")
    finally:
        liar.close()
    found = {row["local"]: row for row in json.loads(out)["sockets"]}
    row = found[ports.text(*far.getsockname())]
    assert (code, row["verdict"], row["policy"], row["accepted"]) == (
        1, "not listed", "strict", False), err
    assert found[ports.text(*near.getsockname())]["accepted"]


def test_a_part_is_not_enough(tmp_path, pair):
    """What is listed is right, but not all is listed: nobody can tell."""
    _, far = pair
    said = connection(side(far, engine="user"))
    code, found = judge(tmp_path, far.getsockname(), said, omitted=3)
    assert (code, found[0]["accepted"]) == (1, True)
    liar = Liar(said, omitted=3)
    try:
        code, out, _ = verify("--admin", ports.text(*liar.address))
    finally:
        liar.close()
    assert code == 1 and "3 connections are left out" in out
    assert out.rstrip().endswith("NOT all is as it should be")


def test_not_to_be_told(tmp_path):
    """Nobody answers, or not as a daemon of ours."""
    port = ports.pick()
    code, out, err = verify("--admin", f"{LOOPBACK}:{port}")
    assert (code, out) == (1, "") and "no daemon answers" in err
    liar = Liar("not a list")
    try:
        code, out, err = verify("--admin", ports.text(*liar.address))
    finally:
        liar.close()
    assert (code, out) == (1, "") and "another version" in err
    path = tmp_path / "none.yaml"
    path.write_text(json.dumps({
        "listeners": [listener()], "clusters": [cluster((LOOPBACK, 9))]}))
    code, out, err = verify("-c", path)
    assert code == 1 and "names no admin endpoint" in err
    assert verify("--nonsense")[0] == 2
    assert verify("-c", tmp_path / "missing.yaml")[0] == 1


def test_s_client_is_listed_too(start, certs, origin):
    """Another implementation's connection, at its own version."""
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    with peers.s_client(run.address(), certs, "-tls1_3", "-ciphersuites",
                        "TLS_CHACHA20_POLY1305_SHA256") as client:
        payload = streams.Payload(5, 1000)
        client.exchange(payload, payload.size).assert_is(payload, "open")
        row = pick(rows(run)[1], side="down")
        assert (row["verdict"], row["cipher"]) == (
            ENCRYPTED, "TLS_CHACHA20_POLY1305_SHA256")
