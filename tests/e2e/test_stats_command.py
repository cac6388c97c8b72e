# SPDX-License-Identifier: BSD-2-Clause
"""millrace stats: the counters, with rates, and again and again."""

import subprocess

import pytest

import origin as origins
import streams
from millrace import BINARY, cluster, listener
from streams import Payload
from waiting import seconds

pytestmark = pytest.mark.verify
HELLO = Payload(1, 1000)


def talk(stream):
    streams.exchange(stream, HELLO, finish=False, expect=HELLO.size)


def run_stats(run, *arguments):
    done = subprocess.run([BINARY, "stats", "-c", str(run.path), *arguments],
                          capture_output=True, text=True,
                          timeout=seconds(30))
    return done.returncode, done.stdout, done.stderr


def table(text):
    """{name: (value, rate)}"""
    found = {}
    for line in filter(None, text.splitlines()):
        *numbers, name = line.split()
        found[name] = (int(numbers[0]), (numbers[1:] or [""])[0])
    return found


def test_stats(start, certs, origin):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address)])
    client = streams.dial(run.address(), streams.client_context(certs))
    talk(client)
    scope = run.scope()
    code, out, _ = run_stats(run, "--interval", "0.1")
    assert code == 0
    assert table(out)[f"{scope}.ssl.handshake"] == (1, "")
    assert f"{scope}.ssl.fail_verify_san" not in table(out)
    code, out, _ = run_stats(run, "--interval", "0.1", "--all",
                             r"ssl\.fail_verify_(san|error)")
    assert table(out) == {f"{scope}.ssl.fail_verify_{what}": (0, "")
                          for what in ("san", "error")}
    code, out, err = run_stats(run, "(")
    assert (code, out) == (1, "") and "regular expression" in err
    for wrong in ["--interval", "0"], ["--count", "x"], ["a", "b"]:
        assert run_stats(run, *wrong)[0] == 2, wrong
    client.close()


def test_stats_watch(start, origin):
    """Bytes move while it watches: a rate is told, and gauges have none."""
    app = origin(origins.echo)
    run = start([listener()], [cluster(app.address)])
    client = streams.dial(run.address())
    talk(client)
    watching = subprocess.Popen(
        [BINARY, "stats", "-c", str(run.path), "--watch", "--count", "2",
         "--interval", str(0.5 + seconds(0.5)), "rx_bytes|cx_active"],
        stdout=subprocess.PIPE, text=True)
    while watching.poll() is None:
        talk(client)
    first, second = watching.stdout.read().rstrip("\n").split("\n\n")
    name = f"{run.scope()}.millrace.rx_bytes"
    assert table(second)[name][0] > table(first)[name][0]
    assert table(second)[name][1].endswith("/s")
    assert table(second)[f"{run.scope()}.downstream_cx_active"] == (1, "")
    client.close()
