# SPDX-License-Identifier: BSD-2-Clause
"""millrace-bench: what it says it did is what was done."""

import json
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import pytest

import millrace
import ports
import streams
from millrace import cluster, listener
from waiting import seconds, until

# Neither engine has a part in it.
pytestmark = pytest.mark.native

LOAD = str(pathlib.Path(millrace.BINARY).with_name("millrace-bench"))


@pytest.fixture
def bench_origin():
    port = ports.pick()
    process = subprocess.Popen([LOAD, "origin", f"127.0.0.1:{port}"],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield millrace.LOOPBACK, port
    process.kill()
    process.wait()


def load(address, *options):
    return subprocess.run(
        [LOAD, ports.text(*address), "--json", *map(str, options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=seconds(60), check=False)


def seen(address, *options):
    ran = load(address, *options)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_questions(start, bench_origin, certs):
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(bench_origin)])
    tls = ["--tls", "--ca", certs.authority.pem, "--server-name", certs.name]
    bulk = seen(run.address(), "bulk", "--size", 3_000_001, "--count", 4,
                "--connections", 2, *tls)
    assert bulk["count"] == 4
    # Heads and bodies of both directions; heads are short.
    assert 0 < bulk["bytes"] - 4 * 3_000_001 < 4 * 400
    up = seen(run.address(), "bulk", "--size", 0, "--body", 3_000_001,
              "--count", 1, *tls)
    assert 0 < up["bytes"] - 3_000_001 < 400
    requests = seen(run.address(), "requests", "--count", 200, *tls)
    assert requests["count"] == 200 and requests["failed"] == 0
    assert 0 < requests["p50_us"] <= requests["p99_us"] <= requests["max_us"]
    run.wait_stat("ssl.handshake", 2 + 1 + 16)
    full = seen(run.address(), "handshakes", "--count", 20, *tls)
    assert full["count"] == 20
    assert run.stat("ssl.session_reused") == 0
    resumed = seen(run.address(), "handshakes", "--count", 20, "--resume", *tls)
    assert resumed["count"] == 20
    run.wait_stat("ssl.session_reused", 20)


def test_failures_are_told(start, bench_origin, certs):
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(bench_origin)])
    run.errors_expected = True
    refused = load((millrace.LOOPBACK, ports.pick()), "requests")
    assert refused.returncode == 1 and "refused" in refused.stderr
    # It is not whom we mean.
    other = load(run.address(), "requests", "--tls", "--ca",
                 certs.authority.pem, "--server-name", "elsewhere.test")
    assert other.returncode == 1, other.stdout


def test_waits_for_its_word(start, bench_origin, certs):
    """--wait: connections stand before a line, and until another."""
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(bench_origin)])
    with subprocess.Popen(
            [LOAD, ports.text(*run.address()), "requests", "--tls", "--json",
             "--wait", "--connections", "3", "--count", "30"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout.readline() == "ready\n"
        run.wait_stat("ssl.handshake", 3)
        assert run.stat("downstream_cx_active") == 3
        before = run.stat("millrace.rx_bytes")
        bench.stdin.write("\n")
        bench.stdin.flush()
        assert json.loads(bench.stdout.readline())["count"] == 30
        until(lambda: run.stat("millrace.rx_bytes") >= before + 30 * 40,
              "the requests to be counted", 10)
        assert run.stat("downstream_cx_active") == 3
    assert bench.returncode == 0
    run.wait_stat("downstream_cx_active", 0)


def sent_to(peer, context, size):
    """What comes through peer until so many bytes of the application have."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    stream, got, shaken = b"", 0, False
    while got < size:
        piece = peer.recv(1 << 16)
        assert piece, f"the end after {got} bytes"
        stream += piece
        incoming.write(piece)
        try:
            if not shaken:
                tls.do_handshake()
                shaken = True
            while got < size:
                got += len(tls.read(1 << 16))
        except ssl.SSLWantReadError:
            pass
        peer.sendall(outgoing.read())
    return stream


def test_record_size(certs):
    """--record is what the records hold that are sent."""
    context = streams.server_context(certs.ecdsa)
    with socket.create_server((millrace.LOOPBACK, 0)) as server:
        bench = subprocess.Popen(
            [LOAD, ports.text(*server.getsockname()), "bulk", "--tls",
             "--record", "1000", "--size", "0", "--body", "100000", "--count",
             "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with server.accept()[0] as peer:
            peer.settimeout(seconds(20))
            stream = sent_to(peer, context, 100000)
    assert bench.wait(seconds(20)) == 1  # it had no answer
    sizes = []
    while len(stream) > 5:
        size = int.from_bytes(stream[3:5], "big")
        sizes += [size] if stream[0] == 23 else []
        stream = stream[5 + size:]
    # What it holds, its type, its tag.
    assert max(sizes) == 1000 + 1 + 16 and len(sizes) >= 100
    wrong = load((millrace.LOOPBACK, 1), "bulk", "--tls", "--record", 100)
    assert wrong.returncode == 2 and "512 to 16384" in wrong.stderr


def stalling_server(stall_s, after):
    """Answers at once, but is away for a while in the middle."""
    server = socket.create_server((millrace.LOOPBACK, 0))

    def serve():
        with server, server.accept()[0] as peer:
            for count in range(1 << 30):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    byte = peer.recv(4096)
                    if not byte:
                        return
                    head += byte
                if count == after:
                    time.sleep(stall_s)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server.getsockname(), thread


def test_a_stall_is_not_hidden():
    """At 200 requests per second a stall of half a second keeps 100 of them
    waiting, a quarter of a second in the mean; whoever counts only what was
    sent sees one."""
    address, thread = stalling_server(0.5, after=50)
    got = seen(address, "requests", "--connections", 1, "--rate", 200,
               "--count", 200)
    thread.join(seconds(10))
    assert got["count"] == 200
    assert got["p90_us"] > 300_000, got
    assert got["max_us"] >= 490_000, got
