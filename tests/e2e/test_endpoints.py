# SPDX-License-Identifier: BSD-2-Clause
"""Every path of the admin endpoint by every method: status, Content-Type, and
the shape of what is said, as Envoy has it."""

import json
import re
import subprocess

import pytest

import origin as origins
import ports
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import seconds, until

pytestmark = [pytest.mark.stats, pytest.mark.native]
TEXT = "text/plain; charset=UTF-8"
HTML = "text/html; charset=UTF-8"
JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=UTF-8"
METHODS = "GET", "POST", "HEAD", "PUT", "OPTIONS"
PROMETHEUS_LINE = r'(# (HELP|TYPE) envoy_\w+ .+|envoy_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \d+)'


def lines(pattern):
    return lambda body: body and all(
        re.fullmatch(pattern, line) for line in body.splitlines())


def keys(*wanted):
    return lambda body: set(wanted) <= set(json.loads(body))


def strings_of_numbers(body):
    return all(isinstance(value, str) and value.isdigit() for value in json.loads(body).values())


def certificates(body):
    (entry,) = json.loads(body)["certificates"]
    (own,) = entry["cert_chain"]
    return set(own) >= {"path", "serial_number", "subject_alt_names", "days_until_expiration",
                        "valid_from", "expiration_time"} \
        and entry["ca_cert"] == [] and own["days_until_expiration"].isdigit() \
        and {"dns", "ip_address"} == {key for name in own["subject_alt_names"] for key in name}


def statistics(body):
    *numbers, last = json.loads(body)["stats"]
    return all(set(entry) == {"name", "value"} for entry in numbers) \
        and set(last["histograms"]) == {"supported_quantiles", "computed_quantiles"}


def exactly(text):
    return lambda body: body == text


# What the reference names, and the two of ours (/connections, /reload). In an
# order in which each still finds the daemon as it was.
NUMBERS = lines(r"\S+: (\d+|No recorded values|P0\(nan,\d+\)( P[\d.]+\(nan,\d+\)){9})")
TABLE = (
    ("GET", "/", HTML, lambda body: body.startswith("<!doctype html>")),
    ("GET", "/help", TEXT, lambda body: body.startswith("admin commands are:\n")),
    ("GET", "/certs", JSON, certificates),
    ("GET", "/clusters", TEXT, lines(r"app::(127\.0\.0\.1:\d+::)?\w+::\S*")),
    ("GET", "/clusters?format=json", JSON, keys("cluster_statuses")),
    ("GET", "/config_dump", JSON, keys("configs")),
    ("GET", "/connections", JSON, keys("pid", "omitted", "connections")),
    ("GET", "/listeners", TEXT, lines(r"ingress::127\.0\.0\.1:\d+")),
    ("GET", "/listeners?format=json", JSON, keys("listener_statuses")),
    ("GET", "/memory", JSON, strings_of_numbers),
    ("GET", "/ready", TEXT, exactly("LIVE\n")),
    ("GET", "/server_info", JSON, keys("version", "state", "uptime_current_epoch",
                                       "uptime_all_epochs", "command_line_options")),
    ("GET", "/stats", TEXT, NUMBERS),
    ("GET", "/stats?format=text&usedonly", TEXT, NUMBERS),
    ("GET", "/stats?format=json", JSON, statistics),
    ("GET", "/stats?format=prometheus", PROMETHEUS, lines(PROMETHEUS_LINE)),
    ("GET", "/stats/prometheus", PROMETHEUS, lines(PROMETHEUS_LINE)),
    ("POST", "/logging", TEXT, exactly("active loggers:\n  millrace: info\n")),
    ("POST", "/logging?level=debug", TEXT, exactly("active loggers:\n  millrace: debug\n")),
    ("POST", "/healthcheck/fail", TEXT, exactly("OK\n")),
    ("POST", "/healthcheck/ok", TEXT, exactly("OK\n")),
    ("POST", "/reload", TEXT, exactly("OK\n")),
    ("POST", "/reopen_logs", TEXT, exactly("OK\n")),
    ("POST", "/reset_counters", TEXT, exactly("OK\n")),
    ("POST", "/drain_listeners?graceful", TEXT, exactly("OK\n")),
    ("POST", "/drain_listeners?inboundonly", TEXT, exactly("OK\n")),
    ("POST", "/drain_listeners", TEXT, exactly("OK\n")),
    ("POST", "/quitquitquit", TEXT, exactly("OK\n")),
)
# Of each path: wrong values of its parameters, and what is answered.
WRONG = (
    ("GET", "/stats?format=yaml", r"usage: .*\n"),
    ("GET", "/stats?filter=%5B", r"the filter is no extended regular expression: .*\n"),
    ("GET", "/stats/prometheus?filter=a%7B9%7D", r"the filter may hold neither .*\n"),
    ("GET", "/stats?histogram_buckets=all", r"usage: .*\n"),
    ("POST", "/logging?level=loud", r"usage: [^\n]*\nlevels: [^\n]*\n"),
)


def ask(run, method, path):
    """(status, {header: value}, body)"""
    done = subprocess.run(
        ["curl", "-sS", "-i", *(["-I"] if method == "HEAD" else ["-X", method]),
         f"http://{ports.text(*run.admin)}{path}"],
        stdout=subprocess.PIPE, timeout=seconds(20), check=True)
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body


def settled(run, method, path):
    """A reload is taken up by every worker before the next one."""
    answer = ask(run, method, path)
    if path == "/reload" and method == "POST":
        until(lambda: ask(run, method, path)[0] == 200, "the reload", 10)
    return answer


def test_every_path_by_every_method(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
    # It ends itself, and says what it does at debug.
    run.errors_expected = True
    caller = streams.dial(run.address(), streams.client_context(certs))
    hello = Payload(1, 1000)
    streams.exchange(caller, hello).assert_is(hello)
    caller.close()
    run.wait_stat("downstream_cx_active", 0)
    listed = set(re.findall(r"^  (\S+) \((GET|POST)\): \S", ask(run, "GET", "/help")[2], re.M))
    assert listed == {(path.split("?")[0], method) for method, path, _, _ in TABLE}
    for method, path, words in WRONG:
        status, headers, body = ask(run, method, path)
        assert (status, headers["Content-Type"]) == (400, TEXT), path
        assert re.fullmatch(words, body), body
    status, headers, body = ask(run, "GET", "/no/such")
    assert (status, headers["Content-Type"]) == (404, TEXT)
    assert body.startswith("invalid path. admin commands are:\n  / (GET): ")
    # Wrong methods first: the last right ones end it.
    for method, path, _, _ in TABLE:
        for wrong in METHODS:
            if wrong == method or (method, wrong) == ("GET", "HEAD"):
                continue
            status, headers, body = ask(run, wrong, path)
            where = f"{wrong} {path}"
            assert (status, headers["Content-Type"]) == (405, TEXT), where
            assert headers["Allow"] == method, where
            said = f"Method {wrong} not allowed, {method} required.\n"
            assert body == ("" if wrong == "HEAD" else said), where
    for method, path, kind, shape in TABLE:
        status, headers, body = settled(run, method, path)
        assert (status, headers["Content-Type"]) == (200, kind), path
        assert shape(body), f"{path}: {body}"
        assert headers["Cache-Control"] == "no-store"
        assert int(headers["Content-Length"]) == len(body.encode())
        if method == "GET":
            status, headers, body = ask(run, "HEAD", path)
            assert (status, headers["Content-Type"], body) == (200, kind, ""), path
    assert run.wait_end() == 0
