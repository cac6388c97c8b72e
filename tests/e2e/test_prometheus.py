# SPDX-License-Identifier: BSD-2-Clause
"""The metrics, by Prometheus' own judgement: promtool, and a server that
scrapes."""

import json
import subprocess
import urllib.parse

import pytest

import origin as origins
import ports
import stats
import streams
from millrace import LOOPBACK, cluster, listener
from streams import Payload
from waiting import seconds, until

pytestmark = [pytest.mark.stats, pytest.mark.native]
HELLO = Payload(1, 1000)


@pytest.fixture
def run(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())],
                [cluster(app.address), cluster(app.address, name="tls", tls=certs.upstream_tls())])
    for _ in range(3):
        caller = streams.dial(run.address(), streams.client_context(certs))
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
    # Prometheus keeps its connection.
    run.leaks_expected = True
    return run


def test_promtool(run):
    """It parses, and breaks no rule but those that Envoy's names break."""
    text = stats.get(run.admin, "/stats/prometheus")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          timeout=seconds(30), text=True)
    assert "parsing error" not in done.stderr
    names = ('counter metrics should have "_total" suffix',
             'non-counter metrics should not have "_total" suffix',
             "metric names should not contain abbreviated units",
             'use base unit "seconds" instead of "days"')
    assert not [line for line in done.stderr.splitlines() if not line.endswith(names)]


def test_a_server_scrapes(run, tmp_path):
    port = ports.pick()
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                                  "scrape_configs": [{
                                      "job_name": "millrace",
                                      "metrics_path": "/stats/prometheus",
                                      "static_configs": [{"targets": [ports.text(*run.admin)]}]}]}))
    server = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address={LOOPBACK}:{port}", "--log.level=error"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def value(query):
            try:
                status, body = stats.get((LOOPBACK, port),
                                         f"/api/v1/query?query={urllib.parse.quote(query)}")
            except OSError:
                return None
            if status != 200:
                return None
            found = json.loads(body).get("data", {}).get("result", [])
            return float(found[0]["value"][1]) if found else None

        address = ports.text(*run.address()).replace(":", "_")
        until(lambda: value(
            f'envoy_listener_ssl_handshake{{envoy_listener_address="{address}"}}') == 3,
            "the handshakes", 60)
        # One scrape may come too late, and then none of these is told until the next.
        for query, told in (("up", 1), ("envoy_server_live", 1),
                            ('envoy_cluster_upstream_cx_total{envoy_cluster_name="app"}', 3)):
            until(lambda query=query, told=told: value(query) == told, query, 20)
    finally:
        server.terminate()
        server.wait(timeout=seconds(20))
