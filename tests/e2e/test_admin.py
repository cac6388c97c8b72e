# SPDX-License-Identifier: BSD-2-Clause
"""The admin endpoint of a running daemon, asked by curl: every path, every
format, who may ask, and what the POSTs bring about."""

import ctypes
import json
import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

import origin as origins
import ports
import stats
import streams
from millrace import BINARY, LOOPBACK, cluster, listener
from streams import Payload
from waiting import seconds, until

pytestmark = [pytest.mark.stats, pytest.mark.native]
HELLO = Payload(1, 1000)
TEXT = "text/plain; charset=UTF-8"
JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=UTF-8"


def curl(url, *more):
    """(status, Content-Type, body)"""
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code} %{content_type}", *more, url],
        stdout=subprocess.PIPE, timeout=seconds(20), check=True, text=True)
    body, _, said = done.stdout.rpartition("\n")
    code, _, kind = said.partition(" ")
    return int(code), kind, body


def ask(run, path, method="GET", *more):
    return curl(f"http://{ports.text(*run.admin)}{path}", "-X", method, *more)


def post(run, path):
    code, _, body = ask(run, path, "POST")
    assert (code, body) == (200, "OK\n"), (path, code, body)


@pytest.fixture
def run(start, origin, certs):
    app = origin(origins.echo)
    run = start(
        [listener(certs.ecdsa.server_tls()), listener(name="plain")],
        [cluster(app.address),
         cluster(app.address, name="tls", tls=certs.upstream_tls())])
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    run.ended()
    run.all_over()
    return run


# ---- what is answered

def test_every_get(run, certs):
    host, port = run.address()
    answers = {}
    for path, kind in (
            ("/help", TEXT), ("/certs", JSON), ("/clusters", TEXT),
            ("/clusters?format=json", JSON), ("/config_dump", JSON), ("/listeners", TEXT),
            ("/listeners?format=json", JSON), ("/server_info", JSON), ("/ready", TEXT),
            ("/memory", JSON), ("/stats", TEXT), ("/stats?format=json", JSON),
            ("/stats?format=prometheus", PROMETHEUS), ("/stats/prometheus", PROMETHEUS)):
        code, got, body = ask(run, path)
        assert (code, got) == (200, kind), path
        answers[path] = json.loads(body) if kind == JSON else body
    assert answers["/ready"] == "LIVE\n"
    assert f"ingress::{host}:{port}\n" in answers["/listeners"]
    assert answers["/listeners?format=json"]["listener_statuses"][0] == {
        "name": "ingress",
        "local_address": {"socket_address": {"address": host, "port_value": port}}}
    app = run.clusters[0]["endpoints"][0]
    assert f"app::{app}::cx_total::1\n" in answers["/clusters"]
    assert answers["/clusters?format=json"]["cluster_statuses"][0]["name"] == "app"
    assert answers["/server_info"]["state"] == "LIVE"
    assert answers["/server_info"]["pid"] == run.process.pid
    assert int(answers["/memory"]["total_physical_bytes"]) > 1 << 20
    shown = [chain["cert_chain"][0] for chain in answers["/certs"]["certificates"]
             if chain["cert_chain"]]
    serial = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-in", certs.ecdsa.chain], check=True,
        stdout=subprocess.PIPE, timeout=60, text=True).stdout.strip().split("=")[1]
    assert [int(entry["serial_number"], 16) for entry in shown] == [int(serial, 16)]
    assert {"dns": "app.apps.local"} in shown[0]["subject_alt_names"]
    assert {"ip_address": "::1"} in shown[0]["subject_alt_names"]
    assert shown[0]["days_until_expiration"] in ("19", "20")
    trusted = [entry["path"] for chain in answers["/certs"]["certificates"]
               for entry in chain["ca_cert"]]
    assert trusted == [str(certs.authority.pem)]


def test_formats_agree(run):
    """The same numbers three times, by Envoy's names."""
    moving = r"server\.(uptime|memory_allocated)"
    text = stats.parse(ask(run, "/stats")[2])
    entries = json.loads(ask(run, "/stats?format=json")[2])["stats"]
    assert list(entries[-1]) == ["histograms"]
    quantiles = entries[-1]["histograms"]
    assert quantiles["supported_quantiles"][:2] == [0, 25]
    told = {entry["name"]: entry["values"] for entry in quantiles["computed_quantiles"]}
    assert list(told) == sorted(told)
    length = told[f"{run.scope()}.downstream_cx_length_ms"]
    assert len(length) == 10 and length[0]["cumulative"] <= length[9]["cumulative"] < 60000
    assert told["cluster.tls.upstream_cx_connect_ms"][0]["cumulative"] is None
    assert stats.quantile(ask(run, "/stats")[2], f"{run.scope()}.downstream_cx_length_ms",
                          "P100") == length[9]["cumulative"]
    told = {entry["name"]: entry["value"] for entry in entries[:-1]}
    still = {name for name in text if not re.match(moving, name)}
    assert list(text) == sorted(text) and list(told) == list(text)
    assert {name: told[name] for name in still} == {name: text[name] for name in still}
    metrics = [line for line in ask(run, "/stats/prometheus")[2].splitlines()
               if not line.startswith("#")]
    numbers = [line for line in metrics if not re.search(r"_ms_(bucket|sum|count)\{", line)]
    assert len(numbers) == len(text)
    # Two listeners and two clusters have six histograms of 20 buckets, sum and count.
    assert len(metrics) - len(numbers) == 6 * 22
    address = ports.text(*run.address()).replace(":", "_")
    assert (f'envoy_listener_downstream_cx_length_ms_bucket{{envoy_listener_address="{address}",'
            'le="+Inf"} 1') in metrics
    assert f'envoy_listener_ssl_handshake{{envoy_listener_address="{address}"}} 1' in metrics
    assert text[f"{run.scope()}.ssl.handshake"] == 1
    assert any(re.fullmatch(r"envoy_listener_ssl_certificate_expiration_unix_time_in_seconds"
                            r'\{envoy_tls_certificate="ecdsa",envoy_listener_address="'
                            + re.escape(address) + r'"\} \d{10}', line) for line in metrics)
    used = stats.parse(ask(run, "/stats?usedonly")[2])
    assert used[f"{run.scope()}.ssl.handshake"] == 1
    assert f"{run.scope()}.ssl.connection_error" not in used
    only = ask(run, "/stats?filter=ssl.handshake$&format=text")[2]
    assert set(stats.parse(only)) == {f"{run.scope()}.ssl.handshake",
                                      "cluster.tls.ssl.handshake"}
    assert ask(run, "/stats?filter=%28")[0] == 400
    assert ask(run, "/stats?format=yaml")[0] == 400
    cumulative = ask(run, "/stats?histogram_buckets=cumulative&usedonly")[2]
    line = next(line for line in cumulative.splitlines()
                if line.startswith(f"{run.scope()}.downstream_cx_length_ms: B0.5(0,"))
    counts = [int(count) for count in re.findall(r"B[0-9.]+\(0,(\d+)\)", line)]
    assert len(counts) == 19 and counts == sorted(counts) and counts[-1] == 1
    disjoint = json.loads(ask(run, "/stats?histogram_buckets=disjoint&format=json")[2])
    found = {entry["name"]: entry["buckets"] for entry in disjoint["stats"][-1]["histograms"]}
    assert sum(bucket["cumulative"]
               for bucket in found[f"{run.scope()}.downstream_cx_length_ms"]) == 1
    assert ask(run, "/stats?histogram_buckets=wide")[0] == 400


def test_no_page_may_act(run):
    code, _, body = ask(run, "/quitquitquit", "POST", "-H", "Origin: http://localhost")
    assert code == 403 and "browser" in body
    assert run.process.poll() is None


def test_config_dump_tells_no_key(run, certs):
    body = ask(run, "/config_dump")[2]
    config = json.loads(body)["configs"][0]["config"]
    tls = config["listeners"][0]["tls"]
    shown = tls["certificate"]["file"]
    assert (shown["chain"], shown["key"]) == (str(certs.ecdsa.chain), "[redacted]")
    assert config["listeners"][1]["tls"]["mode"] == "disabled"
    assert config["listeners"][0]["timeouts"] == {"handshake": "10s", "idle": "3600s"}
    assert config["clusters"][1]["tls"]["validation"]["names"] == [certs.name]
    assert config["clusters"][0]["tls"] is None
    assert str(certs.ecdsa.key) not in body and "PRIVATE" not in body


# ---- what a POST brings about

def test_counters_are_reset(run):
    before = run.stats()
    assert before[f"{run.scope()}.millrace.rx_bytes"] == HELLO.size
    post(run, "/reset_counters")
    after = run.stats()
    assert after[f"{run.scope()}.millrace.rx_bytes"] == 0
    assert after[f"{run.scope()}.ssl.handshake"] == 0
    assert after["server.live"] == 1
    caller = streams.dial(run.address("plain"))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    run.wait_stat("millrace.rx_bytes", HELLO.size, "plain")
    post(run, "/reopen_logs")


def test_health_is_told(run):
    post(run, "/healthcheck/fail")
    assert ask(run, "/ready")[::2] == (503, "DRAINING\n")
    caller = streams.dial(run.address("plain"))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    post(run, "/healthcheck/ok")
    assert ask(run, "/ready")[0] == 200


def test_levels(run):
    """At error no connection is told; at info it is again."""
    def one():
        caller = streams.dial(run.address("plain"))
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
        run.wait_stat("downstream_cx_active", 0, "plain")

    assert ask(run, "/logging", "POST")[::2] == (
        200, "active loggers:\n  millrace: info\n")
    assert ask(run, "/logging?level=error", "POST")[2].endswith("millrace: error\n")
    told = len(run.log.lines(msg="connection ended"))
    one()
    assert ask(run, "/logging?level=info", "POST")[0] == 200
    one()
    run.ended(told + 1)
    assert len(run.log.lines(msg="connection ended")) == told + 1
    assert ask(run, "/logging?level=loud", "POST")[0] == 400


def test_reload(run):
    first = run.path.read_text()
    new = {**listener(name="new"), "engine": run.listeners[0]["engine"]}
    run.config["listeners"] = [*run.listeners, new]
    run.path.write_text(json.dumps(run.config))
    post(run, "/reload")
    assert run.stats()["server.millrace.reload_failed"] == 0
    host, port = new["listen"].rsplit(":", 1)
    caller = streams.dial((host, int(port)))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    run.errors_expected = True
    good = run.path.read_text()
    run.path.write_text(good.replace('"strict"', '"srtict"').replace('"5s"', '"soon"'))
    # 503 until the workers have taken the last one up.
    code, _, body = until(lambda: (got := ask(run, "/reload", "POST"))[0] != 503 and got,
                          "the refusal", 10)
    assert code == 400 and len(body.splitlines()) == 2
    assert all(line.startswith(f"{run.path}:1: ") for line in body.splitlines())
    after = run.stats()
    assert after["server.millrace.reload_failed"] == 1
    assert after["server.millrace.reload_failure"] == 1
    run.path.write_text(first)
    until(lambda: ask(run, "/reload", "POST")[0] == 200, "the reload", 10)
    assert run.stats()["server.millrace.reload_failed"] == 0


def test_quit(start, origin):
    run = start([listener()], [cluster(origin(origins.echo).address)], drain_timeout="10m")
    caller = streams.dial(run.address())
    origins.send_all(caller, b"x")
    until(lambda: run.stat("millrace.rx_bytes") == 1, "the byte", 10)
    post(run, "/quitquitquit")
    assert run.wait_end() == 0
    caller.close()


# ---- drain

@pytest.fixture
def notified(tmp_path):
    """(prefix of the command, what the daemon told its manager so far)"""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        said = []

        def lines():
            while True:
                try:
                    said.extend(manager.recv(4096).decode().splitlines())
                except BlockingIOError:
                    return said

        yield ["env", f"NOTIFY_SOCKET={path}"], lines


def test_drain_with_a_deadline(start, origin, certs, notified):
    """Progress is told; what is open at the deadline ends by close_notify;
    the daemon stays, to be asked."""
    prefix, said = notified
    app = origin(lambda stream: streams.exchange(stream, finish=False).end)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)],
                drain_timeout="5s", prefix=prefix)
    until(lambda: "READY=1" in said(), "the start", 10)
    caller = streams.dial(run.address(), streams.client_context(certs))
    origins.send_all(caller, b"x")
    run.wait_stat("millrace.rx_bytes", 1)
    post(run, "/drain_listeners?graceful")
    until(lambda: ports.refused(run.address()), "the end of accepting", 10)
    assert ask(run, "/ready")[::2] == (503, "DRAINING\n")
    # One that asked whether it is refused may not be over yet.
    until(lambda: run.stats()["server.millrace.draining_connections"] == 1, "the last one", 10)
    assert run.stats()["listener_manager.total_listeners_draining"] == 1
    assert "STATUS=draining: 1 connections open" in said()
    assert streams.exchange(caller, finish=False).end == "clean"
    caller.close()
    assert app.take() == "reset"
    run.ended(reason="drain")
    until(lambda: run.stats()["server.millrace.draining_connections"] == 0, "the end", 10)
    until(lambda: "STATUS=drained: nothing is forwarded" in said(), "the status", 10)
    assert "STOPPING=1" not in said()
    run.terminate()
    assert run.wait_end() == 0
    assert "STOPPING=1" in said()


def test_drain_without_a_deadline(start, origin, certs):
    """No word cuts what is open, until SIGTERM sets one."""
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(origin(origins.echo).address)], drain_timeout="1ms")
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO, finish=False, expect=HELLO.size)
    post(run, "/drain_listeners")
    until(lambda: ports.refused(run.address()), "the end of accepting", 10)
    streams.exchange(caller, HELLO, finish=False, expect=HELLO.size)
    until(lambda: run.stats()["server.millrace.draining_connections"] == 1, "the last one", 10)
    code, _, body = ask(run, "/reload", "POST")
    assert code == 503, body
    run.terminate()
    assert streams.exchange(caller, finish=False).end == "clean"
    caller.close()
    assert run.wait_end() == 0


def test_drain_of_inbound_listeners(run, certs):
    """Who speaks TLS to us is drained; the way out goes on, over reloads."""
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO, finish=False, expect=HELLO.size)
    post(run, "/drain_listeners?inboundonly")
    until(lambda: ports.refused(run.address()), "the end of accepting", 10)
    post(run, "/reload")
    assert ports.refused(run.address()) and ask(run, "/ready")[0] == 200
    assert run.stats()["listener_manager.total_listeners_draining"] == 1
    streams.exchange(caller, HELLO, finish=True)
    caller.close()
    caller = streams.dial(run.address("plain"))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


# ---- logs

def test_json_and_what_is_held_back(start, origin):
    """One line a second and kind: the rest is counted, not told."""
    run = start([listener()], [cluster(origin(origins.echo).address)],
                log={"format": "json", "rate": 1})
    for _ in range(30):
        caller = streams.dial(run.address())
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
    run.wait_stat("downstream_cx_destroy", 30)
    held = run.stats()["server.millrace.log_lines_held"]
    lines = run.ended(30 - held)
    assert len(lines) == 30 - held and held > 0
    assert all(line["rx_bytes"] == str(HELLO.size) for line in lines)

    def told():
        caller = streams.dial(run.address())
        caller.close()
        return [line for line in run.log.lines() if line.get("held_back")]

    assert int(until(told, "a line that tells", 20)[0]["held_back"]) >= held

# ---- a worker that hangs

class Stopped:
    """One thread of a process, stopped by ptrace(2), until it is left."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long] * 4
        self.thread = next(
            int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            if (task / "comm").read_text() == f"{name}\n")

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.thread, 0, 0):
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self._ptrace(self.SEIZE)
        self._ptrace(self.INTERRUPT)
        os.waitpid(self.thread, 0x40000000)  # __WALL: a thread, not a child

    def __exit__(self, *_):
        self._ptrace(self.DETACH)


def test_a_worker_that_hangs(run):
    """Nobody waits for it for longer than five seconds: 503 for who asks for
    the connections, the rest is answered; then all is as before."""
    caller = streams.dial(run.address("plain"))
    streams.exchange(caller, HELLO, finish=False, expect=HELLO.size)
    with Stopped(run.process.pid, "worker-1"):
        asked = subprocess.Popen(
            ["curl", "-sS", "-w", "%{http_code}", f"http://{ports.text(*run.admin)}/connections"],
            stdout=subprocess.PIPE, text=True)
        assert ask(run, "/ready")[0] == 200
        out, _ = asked.communicate(timeout=seconds(30))
        assert out == "a worker did not answer, or memory is short\n503"
        assert ask(run, "/stats")[0] == 200
    answer = until(lambda: (got := ask(run, "/connections"))[0] == 200 and got,
                   "the listing", 10)
    told = json.loads(answer[2])
    assert (told["omitted"], [one["listener"] for one in told["connections"]]) == (0, ["plain"])
    caller.close()


# ---- who may ask

def test_unix_socket(start, origin, tmp_path):
    path = tmp_path / "admin.sock"
    run = start([listener()], [cluster(origin(origins.echo).address)],
                admin={"listen": f"unix:{path}"})
    run.leaks_expected = True  # it is asked for them over TCP
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    unix = ["--unix-socket", str(path)]
    assert curl("http://millrace/ready", *unix)[::2] == (200, "LIVE\n")
    assert curl("http://millrace/logging?level=info", "-X", "POST", *unix)[0] == 200
    run.check_engine = lambda: None
    run.terminate()
    assert run.wait_end() == 0
    assert not path.exists()


def test_open_read_only(start, origin):
    port = ports.pick("0.0.0.0")
    run = start([listener()], [cluster(origin(origins.echo).address)],
                admin={"listen": f"0.0.0.0:{port}", "access": "open-read-only"},
                admin_address=(LOOPBACK, port))
    assert ask(run, "/ready")[0] == 200
    assert ask(run, "/stats/prometheus")[0] == 200
    for path in ("/quitquitquit", "/drain_listeners", "/logging", "/reload"):
        code, _, body = ask(run, path, "POST")
        assert code == 403 and "open-read-only" in body
    assert run.process.poll() is None


@pytest.mark.parametrize("admin,words", [
    ({"listen": "0.0.0.0:9901"}, "is not a loopback address"),
    ({"listen": "[::]:9901"}, "write access: open-read-only"),
    ({"listen": "0.0.0.0:9901", "access": "client-certificate"}, "a listener with tls.validation"),
])
def test_a_wide_bind_is_refused(tmp_path, admin, words):
    path = tmp_path / "wide.yaml"
    path.write_text(json.dumps({"admin": admin, "listeners": [listener()],
                                "clusters": [cluster((LOOPBACK, 1))]}))
    done = subprocess.run([BINARY, "run", "-c", str(path)], capture_output=True,
                          timeout=60, text=True)
    assert done.returncode == 1 and words in done.stderr


def test_client_certificate(start, origin, certs):
    """The way that the refusal names: a listener asks who it is."""
    app = origin(origins.echo)
    admin = (LOOPBACK, ports.pick())
    tls = certs.ecdsa.server_tls(validation={
        "trust": {"file": str(certs.authority.pem)}, "names": ["other.apps.local"]})
    run = start([listener(), listener(tls, name="admin", cluster="admin")],
                [cluster(app.address), cluster(admin, name="admin")],
                admin={"listen": ports.text(*admin)}, admin_address=admin)
    run.leaks_expected = True
    url = f"https://{ports.text(*run.address('admin'))}/ready"
    trust = ["--cacert", str(certs.authority.pem)]
    shown = certs.other_name
    assert curl(url, *trust, "--cert", str(shown.chain), "--key", str(shown.key))[0] == 200
    for leaf in (None, certs.ecdsa, certs.unknown):
        show = ["--cert", str(leaf.chain), "--key", str(leaf.key)] if leaf else []
        with pytest.raises(subprocess.CalledProcessError):
            curl(url, *trust, *show)
