# SPDX-License-Identifier: BSD-2-Clause
"""Egress: the application connects, the daemon gets the connection and dials
where it was meant to go: the origin there says at which address it was
reached."""

import json
import os

import pytest

from clients import name
from waiting import until
from world import EGRESS, HostMillrace

pytestmark = pytest.mark.intercept

PORT = 443
STORM = int(os.environ.get("E2E_STORM", "4000"))
HOLD = int(os.environ.get("E2E_HOLD", "400"))


@pytest.fixture
def run(app, far):
    far.origin(PORT)
    return app.egress()


def check(result, host, port=PORT):
    assert result["reply"][0] == name((host, port))
    return result["peer"]


@pytest.mark.parametrize("host,seen", [
    ("10.9.1.2", "10.9.1.2"), ("fd09::7", "[fd09::7]"),
    ("::ffff:10.9.1.3", "[::ffff:10.9.1.3]")])
def test_either_family(app, run, host, seen):
    peer = check(app.client("plain", host, PORT),
                 host.removeprefix("::ffff:"))
    assert peer == f"{seen}:{PORT}"
    row = run.row()
    assert (row["redirected"], row["joined"]) == (1, 1)


def test_ways_to_connect(app, run):
    for host, own in (("10.9.1.4", app.v4), ("fd09::4", app.v6)):
        check(app.client("nonblocking", host, PORT), host)
        check(app.client("source", host, PORT, own), host)
        check(app.client("device", host, PORT, "eth0"), host)
    assert run.row()["joined"] == 6


def test_fastopen(app, run):
    app.sysctl("net.ipv4.tcp_fastopen", 3)
    for result in app.client("fastopen", "10.9.1.5", PORT):
        check(result, "10.9.1.5")


def test_io_uring(app, run):
    for host in ("10.9.1.10", "fd09::10"):
        out = app.run(app.world.storm, "uring", host, PORT,
                      cgroup="app").split()
        assert out[0] == name((host, PORT))


@pytest.mark.native
def test_udp_is_untouched(app, run):
    for host in ("10.9.1.9", "fd09::9"):
        assert app.client("udp", host, PORT)["peer"] == name((host, PORT))
    assert run.row()["redirected"] == 0


@pytest.mark.native
def test_another_cgroup_is_untouched(app, run):
    check(app.client("plain", "10.9.1.1", PORT, cgroup="other"), "10.9.1.1")
    assert run.row()["redirected"] == 0


def test_daemon_in_the_same_cgroup(app, far):
    """Its own sockets are marked, and so left alone."""
    far.origin(PORT)
    run = app.millrace({"egress": {"listener": "egress",
                                   "cgroup": app.cgroup}})
    check(app.client("plain", "10.9.3.4", PORT), "10.9.3.4")
    row = run.row()
    assert (row["redirected"], row["joined"], row["ignored_own"]) == (1, 1, 1)


@pytest.mark.native
@pytest.mark.parametrize("ignore,client,cause", [
    ({"uids": [1337]}, ["user", 1337, 1000, "10.9.1.1", PORT], "ignored_uid"),
    ({"gids": [1338]}, ["user", 1000, 1338, "10.9.1.1", PORT], "ignored_gid"),
    ({"ports": [PORT]}, ["plain", "10.9.1.1", PORT], "ignored_port"),
    ({"cidrs": ["10.9.0.0/16"]}, ["plain", "10.9.1.1", PORT],
     "ignored_cidr"),
    ({"cidrs": ["fd09::/64"]}, ["plain", "fd09::1", PORT], "ignored_cidr"),
    ({"uids": []}, ["plain", "10.9.1.1", 22], "ignored_port"),
])
def test_ignored(app, far, ignore, client, cause):
    far.origin(PORT, 22, 8081)
    run = app.egress(ignore=ignore)
    assert app.client(*client)["reply"]
    row = run.row()
    assert row[cause] == 1 and row["redirected"] == 0
    # and whom the rule does not name is redirected
    check(app.client("user", 1, 1, "10.9.1.1" if ":" in client[-2] else
                     "fd09::1", 8081),
          "10.9.1.1" if ":" in client[-2] else "fd09::1", 8081)
    assert run.row()["redirected"] == 1


@pytest.mark.native
def test_metadata_is_ignored_unless_told_otherwise(app, run):
    """Nobody is there; that nobody was asked is what is seen."""
    for count, host in enumerate(("169.254.169.254", "169.254.170.2"), 1):
        assert "error" in app.client("plain", host, 80)
        assert run.row()["ignored_cidr"] == count
    assert run.row()["redirected"] == 0


def test_local_is_left_alone(app, run):
    app.origin(8080)
    for host in ("127.0.0.1", "::1", app.v4, app.v6):
        check(app.client("plain", host, 8080), host, 8080)
    assert run.row()["ignored_local"] == 4
    # so is an address that the host has got since
    app.ip("addr add 10.1.0.77/32 dev eth0")
    tries = []

    def left_alone():
        tries.append(app.client("plain", "10.1.0.77", 8080))
        return run.row()["ignored_local"] > 4

    until(left_alone, "the new address", 10)
    assert run.row()["redirected"] < len(tries)


@pytest.mark.native
def test_rules_change_by_reload(app, run):
    def ignore(config):
        config["intercept"]["egress"]["ignore"] = {"cidrs": ["10.9.1.0/24"]}

    def no_more(config):
        del config["intercept"]["egress"]["ignore"]

    for change, redirected, ignored in ((ignore, 0, 1), (no_more, 1, 1)):
        run.reload(change)
        check(app.client("plain", "10.9.1.1", PORT), "10.9.1.1")
        row = run.row()
        assert (row["redirected"], row["ignored_cidr"]) == (
            redirected, ignored)


@pytest.mark.native
@pytest.mark.parametrize("fail_open", ["true", "false"])
def test_without_a_daemon(app, far, fail_open):
    far.origin(PORT)
    app.egress(fail_open=fail_open).kill()
    result = app.client("plain", "10.9.1.1", PORT)
    if fail_open == "true":
        check(result, "10.9.1.1")
    else:
        assert result["error"] == "ECONNREFUSED"
    row = app.pinned_row()
    assert (row["failed_open"], row["failed_closed"]) == (
        (1, 0) if fail_open == "true" else (0, 1))


@pytest.mark.native
def test_nobody_can_take_the_listener_s_port(app, run):
    """What applications send may not reach whoever binds the port."""
    run.kill()
    thief = app.start("/usr/bin/python3", "-c", (
        "import socket\n"
        "s=socket.create_server(('', %d))\n"
        "print('ready', flush=True)\n"
        "s.accept()[0].send(b'stolen\\n')\n") % EGRESS, cgroup="other")
    assert thief.stdout.readline() == "ready\n"
    assert app.client("plain", "127.0.0.1", EGRESS)["error"] == \
        "ECONNREFUSED"


def test_connected_directly(app, run):
    """Nobody knows where to: a reset, and a reason of its own."""
    assert app.client("plain", "127.0.0.1", EGRESS).get("reply", []) == []
    assert run.ended(reason="no_original_destination")


@pytest.mark.native
def test_cluster_by_destination(app, far):
    """The first destination that fits, else the listener's cluster."""
    far.origin(PORT, 8081, 8082)
    named = [{"name": f"c{n}", "endpoints": [f"10.9.7.{n}:{PORT}"]}
             for n in (1, 2, 3)]
    app.millrace(
        {"egress": {"listener": "egress", "cgroup": app.path("app")}},
        egress={"destinations": [
            {"cidr": "10.9.1.0/24", "ports": [8081], "cluster": "c1"},
            {"cidr": "fd09::/64", "cluster": "c2"},
            {"ports": [8082], "cluster": "c3"}]},
        clusters=named)
    for host, port, reached in (
            ("10.9.1.9", 8081, "10.9.7.1"), ("fd09::3", 8081, "10.9.7.2"),
            ("10.9.2.2", 8082, "10.9.7.3"), ("10.9.2.2", PORT, "10.9.2.2")):
        check(app.client("plain", host, port), reached)


@pytest.mark.native
def test_cluster_by_name_and_destination(app, far):
    """Who asks for a name that has a route goes there; else by destination;
    else to the listener's cluster."""
    far.origin(PORT, 8081)
    named = [{"name": f"c{n}", "endpoints": [f"10.9.7.{n}:{PORT}"]}
             for n in (1, 2, 3)]
    app.millrace(
        {"egress": {"listener": "egress", "cgroup": app.path("app")}},
        egress={"tls": {"mode": "passthrough"},
                "routes": [
                    {"server_names": ["exact.mesh"], "cluster": "c1"},
                    {"server_names": ["*.wild.mesh"], "cluster": "c2"}],
                "destinations": [
                    {"cidr": "10.9.1.0/24", "ports": [8081],
                     "cluster": "c3"}]},
        clusters=named)
    there, elsewhere = ("10.9.1.9", 8081), ("10.9.2.2", PORT)
    for asked, goes_by_name in (("exact.mesh", "10.9.7.1"),
                                ("a.wild.mesh", "10.9.7.2"),
                                ("other.mesh", None), ("", None)):
        for where, else_to in ((there, "10.9.7.3"), (elsewhere, "10.9.2.2")):
            check(app.client("hello", *where, asked), goes_by_name or else_to)


def test_original_dst(app, run):
    """As a program asks that knows nothing but netfilter: SO_ORIGINAL_DST
    of the daemon's own descriptors."""
    holder = app.start(app.world.storm, "hold", 1, "10.9.1.11", PORT,
                       cgroup="app")
    assert holder.stdout.readline()
    found = app.client("original_dst", run.process.pid, cgroup=None)
    app.kill(holder)
    assert found == [name(("10.9.1.11", PORT))]


@pytest.mark.native
def test_retransmits_are_counted(app, far, run, tmp_path):
    """The way is cut before the application has something to say."""
    flag = tmp_path / "go"
    process = app.start_client("keep", "10.9.1.12", PORT, flag)
    assert process.stdout.readline()
    assert run.row()["retransmits"] == 0
    far.router("route del 10.9.0.0/16")
    flag.touch()
    until(lambda: run.row()["retransmits"] > 0, "a retransmit")
    far.router(f"route add 10.9.0.0/16 via {far.v4} dev {{}} onlink")
    app.result(process)
    until(lambda: run.row()["rtt_samples"] == 1, "the connection's end")


def test_storm(app, far):
    """Ports are used again and again, and nobody gets another's destination.
    E2E_STORM=100000 for the whole of it."""
    far.origin(8080, 8081, 8082, 8083)
    run = app.egress()
    for family, count in (("v4", STORM), ("v6", STORM // 10)):
        result = app.peer("storm", count, 16, family, 8080, 8081, 8082, 8083,
                          timeout_s=1200)
        assert result["wrong"] == 0 and result["failed"] == 0, result
        assert result["good"] == count
    row = run.row()
    assert row["joined"] == STORM + STORM // 10
    assert row["no_memory"] == row["failed_closed"] == 0
    until(lambda: not app.map_entries("flights")
          and not app.map_entries("own_flights"), "empty maps", 10)


@pytest.mark.native
def test_many_to_one_destination(app, far):
    """More than there are ephemeral ports, as 127/8 is spread over. Here the
    range is made small; by hand E2E_HOLD=60000 and E2E_RANGE="32768 60999"."""
    far.origin(PORT)
    run = app.millrace(
        {"egress": {"listener": "egress", "cgroup": app.path("app")}},
        egress={"cluster": "many"},
        # Its own side has no more ports: it goes to many.
        clusters=[{"name": "many", "endpoints": [
            f"10.9.7.{n}:{PORT}" for n in range(1, 9)]}])
    app.sysctl("net.ipv4.ip_local_port_range",
               f"'{os.environ.get('E2E_RANGE', '32768 32967')}'")
    process = app.start(app.world.storm, "hold", HOLD, "10.9.1.1", PORT,
                        cgroup="app")
    assert json.loads(process.stdout.readline())["held"] == HOLD
    assert run.row()["joined"] == HOLD
    app.kill(process)


CASES = (
    ({"egress": {"listener": "egress", "cgroup": "/tmp"}}, "cgroup v2"),
    ({"egress": {"listener": "nobody", "cgroup": "OWN"}},
     'no listener "nobody"'),
    ({"ingress": {"listener": "ingress", "ports": [80],
                  "netns": "/run/netns/none"}}, "/run/netns/none"),
    ({"ingress": {"listener": "ingress", "ports": [0]}},
     "not a number from 1 to 65535"),
    ({"ingress": {"listener": "ingress", "ports": [EGRESS]},
      "egress": {"listener": "egress", "cgroup": "OWN"}},
     "port of the egress listener"),
    ({}, "nothing would be done"),
    ({"sites": [{"name": "a b", "ingress": {"listener": "ingress",
                                            "ports": [80]}}]}, "a name may"),
    ({"guard": {"cgroup": "OWN", "protect": [{"cidr": "10.0.0/8"}]}},
     "not a network"),
    ({"guard": {"cgroup": "OTHER", "protect": [{"cidr": "10.0.0.0/8"}]},
      "egress": {"listener": "egress", "cgroup": "OWN"}}, "lie above it"),
)


def said_of(app, run):
    """What `check` says of its configuration."""
    return app.run("sh", "-c", f"{run.binary} check -c {run.path} 2>&1",
                   check=False)


@pytest.mark.native
def test_whose_certificate_must_be_said(app):
    """Where a connection goes is the application's word: no name of that is
    believed."""
    run = HostMillrace(app, {"egress": {
        "listener": "egress", "cgroup": app.path("app")}}, {}, {}, [{
            "name": "mesh", "type": "original-destination", "tls": {
                "validation": {"trust": {"file": "/etc/ssl/cert.pem"}}}}])
    assert "original-destination" in said_of(app, run)
    assert "names" in said_of(app, run)


@pytest.mark.native
@pytest.mark.parametrize("number", range(len(CASES)))
def test_bad_configurations_are_explained(app, number):
    intercept, words = CASES[number]
    places = {"OWN": app.path("own"), "OTHER": app.path("other")}

    def placed(value):
        if isinstance(value, dict):
            return {key: placed(inner) for key, inner in value.items()}
        return places.get(value, value) if isinstance(value, str) else value

    run = HostMillrace(app, placed(intercept), {}, {}, [])
    said = said_of(app, run)
    assert words in said and ": intercept" in said, said
