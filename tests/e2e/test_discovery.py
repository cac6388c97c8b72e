# SPDX-License-Identifier: BSD-2-Clause
"""Clusters whose endpoints go by a DNS name."""

import json

import pytest

import origin as origins
import ports
import stats
import streams
from millrace import cluster, listener
from nameserver import SERVFAIL, Nameserver
from streams import Payload
from waiting import until

# Neither engine has a part in it.
pytestmark = pytest.mark.native

HELLO = Payload(1, 1000)
# Where questions are counted, a slow answer must not be asked for again.
PATIENT = "30s"


@pytest.fixture
def nameserver():
    servers = []

    def begin(**names):
        servers.append(Nameserver(
            {name.replace("_", "."): what for name, what in names.items()}))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def discovered(port, hostname="app.local", tls=None, **more):
    """A cluster that goes by a name."""
    made = cluster(tls=tls, discovery={
        "dns": {"hostname": hostname, "port": port, **more}})
    made.pop("endpoints")
    return made


def same_port(origin, *hosts):
    """One origin per host, all on one port, each saying who it is."""
    port = ports.pick()

    def say(host):
        def handler(stream):
            origins.send_all(stream, host.encode())
            stream.finish()
            return streams.exchange(stream, finish=False)
        return handler
    return port, {host: origin(say(host), host=host, port=port)
                  for host in hosts}


def who(run):
    """The host that a new connection is answered by; "" when it is reset."""
    try:
        caller = streams.dial(run.address())
    except ConnectionResetError:  # before connect() was back
        return ""
    said = b""
    while True:
        data = caller.receive()
        if data is None:
            origins.wait_readable(caller)
        elif not data:
            break
        else:
            said += data
    caller.close()
    return said.decode()


def update(run, name):
    return run.stat(name, "app")


def settled(run, count):
    until(lambda: update(run, "membership_total") == count,
          f"{count} endpoints", 15)


@pytest.mark.transfer
def test_endpoints(start, origin, nameserver):
    """All addresses of both families in turn; a record more is used when the
    time to live is over, one less is not any more, a stream to it goes on."""
    port, _ = same_port(origin, "127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
    names = nameserver(app_local={
        "A": ["127.0.0.1", "127.0.0.2"], "AAAA": ["::1"]})
    run = start([listener()], [discovered(port)], dns=names.dns(), workers=1)
    assert sorted(who(run) for _ in range(6)) == sorted(
        2 * ["127.0.0.1", "127.0.0.2", "::1"])
    assert update(run, "membership_total") == 3
    assert update(run, "membership_change") == 1

    old = streams.dial(run.address())
    first = old.receive() or (origins.wait_readable(old), old.receive())[1]
    # One family at a time: a lookup asks for both, one after the other.
    names.names["app.local"] = {"A": ["127.0.0.3"], "AAAA": ["::1"]}
    settled(run, 2)
    names.names["app.local"] = {"A": ["127.0.0.3"]}
    settled(run, 1)
    assert {who(run) for _ in range(4)} == {"127.0.0.3"}
    assert update(run, "membership_change") == 3
    assert update(run, "update_success") >= 2
    assert first.decode() in ("127.0.0.1", "127.0.0.2", "::1")
    streams.exchange(old, HELLO)
    old.close()


def test_loadbalancer(start, origin, nameserver):
    """The first address takes all, the next one when it refuses."""
    port, servers = same_port(origin, "127.0.0.1", "127.0.0.2")
    names = nameserver(app_local={
        "A": ["127.0.0.2", "127.0.0.1"], "ttl": 3600})
    run = start([listener()], [discovered(port, type="loadbalancer")],
                dns=names.dns(timeout=PATIENT))
    assert [who(run) for _ in range(6)] == 6 * ["127.0.0.2"]
    servers["127.0.0.2"].close()
    assert [who(run) for _ in range(3)] == 3 * ["127.0.0.1"]
    # Its time to live is an hour: nobody asked again.
    assert names.asked["udp", "app.local", "A"] == 1


@pytest.mark.parametrize("family,hosts", [
    ("ipv4", {"127.0.0.1"}), ("ipv6", {"::1"}),
    ("ipv4-preferred", {"127.0.0.1"}), ("ipv6-preferred", {"::1"})])
def test_family(start, origin, nameserver, family, hosts):
    port, _ = same_port(origin, "127.0.0.1", "::1")
    names = nameserver(app_local={"A": ["127.0.0.1"], "AAAA": ["::1"]})
    run = start([listener()], [discovered(port, family=family)],
                dns=names.dns())
    assert {who(run) for _ in range(3)} == hosts
    if family == "ipv4":
        assert not names.asked["udp", "app.local", "AAAA"]


def test_failures_keep_the_last(start, origin, nameserver):
    """NXDOMAIN, SERVFAIL, no address at all, silence: counted, told once, and
    the last answer stays."""
    port, _ = same_port(origin, "127.0.0.1")
    names = nameserver(app_local={"A": ["127.0.0.1"]})
    run = start([listener()], [discovered(port)],
                dns=names.dns(timeout="500ms"))
    assert who(run) == "127.0.0.1"
    good = names.names.pop("app.local")
    until(lambda: update(run, "update_failure") >= 1, "NXDOMAIN", 15)
    line = run.log.wait(msg="a name was not resolved; the addresses found "
                        "last stay in use")
    assert (line["cluster"], line["hostname"]) == ("app", "app.local")
    assert who(run) == "127.0.0.1"

    names.names["app.local"] = good
    successes = update(run, "update_success")
    until(lambda: update(run, "update_success") > successes, "an answer", 15)
    names.rcode = SERVFAIL
    failures = update(run, "update_failure")
    until(lambda: update(run, "update_failure") > failures, "SERVFAIL", 15)
    names.rcode = 0
    names.names["app.local"] = {"A": []}
    until(lambda: update(run, "update_empty") >= 1, "no address", 15)
    names.silent = True
    failures = update(run, "update_failure")
    until(lambda: update(run, "update_failure") > failures, "a timeout", 15)
    assert who(run) == "127.0.0.1"
    assert update(run, "membership_total") == 1
    assert update(run, "membership_change") == 1
    values = run.stats()
    ended = sum(values[f"cluster.app.update_{how}"]
                for how in ("success", "failure", "empty"))
    assert values["cluster.app.update_attempt"] - ended in (0, 1)


def test_truncated(start, origin, nameserver):
    """An answer that does not fit is asked for again over TCP."""
    many = [f"127.1.{i // 200}.{i % 200 + 1}" for i in range(300)]
    port, _ = same_port(origin, "127.1.0.1")
    names = nameserver(app_local={"A": many, "ttl": 60})
    names.truncate = True
    run = start([listener()], [discovered(port, type="loadbalancer")],
                dns=names.dns(timeout=PATIENT))
    assert who(run) == "127.1.0.1"
    assert update(run, "membership_total") == 300
    assert names.asked["tcp", "app.local", "A"] == 1


def test_first_answer_is_waited_for(start, origin, nameserver):
    """A connection that comes before the first answer waits for it, but not
    for longer than connecting may take."""
    port, _ = same_port(origin, "127.0.0.1")
    names = nameserver(app_local={"A": ["127.0.0.1"]})
    names.silent = True
    slow = listener(name="slow", cluster="slow")
    run = start([listener(), slow],
                [{**discovered(port), "timeouts": {"connect": "1m"}},
                 {**discovered(port), "name": "slow",
                  "timeouts": {"connect": "100ms"}}],
                # The second try must find it speaking again.
                dns=names.dns(timeout="3s"))
    caller = streams.dial(run.address())
    impatient = streams.dial(run.address("slow"))
    assert streams.exchange(impatient, finish=False).end == "reset"
    impatient.close()
    assert "not resolved in time" in run.ended(listener="slow")[0]["error"]
    names.silent = False
    assert streams.exchange(caller, finish=False).size == len("127.0.0.1")
    caller.close()


def test_unknown_name(start, nameserver):
    """A name that nobody knows: the caller is reset, with the words."""
    names = nameserver()
    run = start([listener()], [discovered(9)], dns=names.dns())
    assert who(run) == ""
    line = run.ended(reason="no_upstream")[0]
    assert line["error"] == "no address is known of app.local"
    assert run.stat("upstream_cx_none_healthy", "app") == 1


def test_names_default_to_the_hostname(start, origin, certs, nameserver):
    """SNI and the name that the certificate must carry are the hostname."""
    for leaf, ok in ((certs.ecdsa, True), (certs.other_name, False)):
        app = origin(origins.echo, tls=streams.server_context(leaf))
        names = nameserver(app_apps_local={"A": ["127.0.0.1"]})
        run = start([listener()], [discovered(
            app.address[1], "app.apps.local.", tls={"validation": {
                "trust": {"file": str(certs.authority.pem)}}})],
            dns=names.dns())
        caller = streams.dial(run.address())
        if ok:
            streams.exchange(caller, HELLO).assert_is(HELLO)
        else:
            assert streams.exchange(caller, HELLO).end == "reset"
            assert "expected app.apps.local" in run.ended()[0]["error"]
            assert update(run, "ssl.fail_verify_san") == 1
        caller.close()


def test_reload(start, origin, nameserver):
    """What was found goes on across a reload, another name is looked up, and
    endpoints may take its place."""
    port, _ = same_port(origin, "127.0.0.1", "127.0.0.2")
    names = nameserver(app_local={"A": ["127.0.0.1"], "ttl": 3600},
                       other_local={"A": ["127.0.0.2"], "ttl": 3600})
    run = start([listener()], [discovered(port)],
                dns=names.dns(timeout=PATIENT))
    assert who(run) == "127.0.0.1"
    run.reload()
    assert who(run) == "127.0.0.1"
    assert names.asked["udp", "app.local", "A"] == 1
    run.reload(lambda config: config.update(clusters=[
        {**discovered(port, "other.local"), "engine": run.clusters[0]["engine"]}]))
    assert who(run) == "127.0.0.2"
    run.reload(lambda config: config.update(clusters=[cluster(("127.0.0.1", port))]))
    assert who(run) == "127.0.0.1"
    assert update(run, "membership_total") == 1


def test_clusters_page(start, nameserver):
    """GET /clusters tells what was found."""
    names = nameserver(app_local={"A": ["127.0.0.1"], "AAAA": ["::1"]})
    run = start([listener()], [discovered(1234)], dns=names.dns())
    settled(run, 2)
    status, body = stats.get(run.admin, "/clusters")
    assert status == 200
    assert "app::127.0.0.1:1234::weight::1" in body
    assert "app::[::1]:1234::weight::1" in body
    status, body = stats.get(run.admin, "/clusters?format=json")
    [only] = json.loads(body)["cluster_statuses"]
    assert len(only["host_statuses"]) == 2
