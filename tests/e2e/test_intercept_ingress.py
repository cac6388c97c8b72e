# SPDX-License-Identifier: BSD-2-Clause
"""Ingress: the application's ports lead to the daemon, and the daemon alone
reaches the application there. The application says at which address it was
reached, and by whom."""

import pytest

from clients import name
from waiting import until
from world import assert_steered

pytestmark = pytest.mark.intercept

APP, SECOND, OTHER = 8080, 9090, 7070
LOCAL = {"name": "local", "endpoints": [f"127.0.0.1:{APP}"]}


@pytest.fixture
def service(app):
    """The application: it listens on its own ports, in its own cgroup."""
    app.origin(APP, SECOND, OTHER, cgroup="app")
    return app


def ingress(host, *ports, cluster=None, **more):
    return host.millrace(
        {"ingress": {"listener": "ingress", "ports": list(ports), **more}},
        ingress={"cluster": cluster["name"]} if cluster else {},
        clusters=[cluster] if cluster else [])


def ask(host, address, port=APP, cgroup=None):
    """(where the application was reached, by whom)"""
    result = host.client("plain", address, port, cgroup=cgroup)
    assert "reply" in result, result
    local, peer = result["reply"]
    return local, peer.rpartition(":")[0].strip("[]")


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_from_outside(service, far, family):
    """The application kept its ports, and heard from the daemon. The daemon's
    own connection, to the pod's own address, was not steered again."""
    run = ingress(service, APP, SECOND)
    own = service.address(family)
    for count, port in enumerate((APP, SECOND), 1):
        local, peer = ask(far, own, port)
        assert local == name((own, port)) and peer == own
        row = run.row("ingress")
        assert_steered(row, count)
    assert row["failed_closed"] == row["failed_open"] == 0


@pytest.mark.native
def test_to_an_endpoint(service, far):
    run = ingress(service, APP, cluster=LOCAL)
    assert ask(far, service.v6) == (f"127.0.0.1:{APP}", "127.0.0.1")
    assert_steered(run.row("ingress"), 1)


@pytest.mark.native
def test_any_local_address(service, far):
    """Also one that came after the daemon did."""
    run = ingress(service, APP)
    service.ip("addr add 10.1.0.99/32 dev eth0")
    service.router("route add 10.1.0.99 dev {}")
    assert ask(far, "10.1.0.99")[0] == f"10.1.0.99:{APP}"
    assert_steered(run.row("ingress"), 1)


@pytest.mark.native
def test_other_ports_are_not_steered(service, far):
    run = ingress(service, APP)
    assert ask(far, service.v4, OTHER)[1] == far.v4
    assert run.row("ingress")["steered"] == 0


@pytest.mark.native
@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.0.2", "::1", "fd01::2"])
def test_local_clients_are_steered_without_a_loop(service, host):
    run = ingress(service, APP)
    assert ask(service, host, cgroup="other")[0] == name((host, APP))
    assert_steered(run.row("ingress"), 1)


@pytest.mark.parametrize("cluster", [
    None, pytest.param(LOCAL, marks=pytest.mark.native)])
def test_transparent(service, far, cluster):
    """The application sees its client's address."""
    ingress(service, APP, transparent="true", cluster=cluster)
    for family in ("v4", "v6") if not cluster else ("v4",):
        assert ask(far, service.address(family))[1] == far.address(family)


@pytest.mark.native
@pytest.mark.parametrize("fail_open", ["true", "false"])
def test_without_a_daemon(service, far, fail_open):
    ingress(service, APP, fail_open=fail_open).kill()
    result = far.client("plain", service.v4, APP, cgroup=None)
    if fail_open == "true":
        assert result["reply"][0] == name((service.v4, APP))
    else:
        assert result["error"] == "ECONNREFUSED"
    row = service.pinned_row("ingress")
    assert (row["failed_open"] > 0, row["failed_closed"] > 0) == (
        fail_open == "true", fail_open == "false")
    # What was not steered is not anybody's to refuse.
    assert ask(far, service.v4, OTHER)[1] == far.v4


@pytest.mark.native
def test_a_port_is_given_back(service, far):
    run = ingress(service, APP, SECOND)

    def without(config):
        config["intercept"]["ingress"]["ports"] = [APP]

    run.reload(without)
    assert ask(far, service.v4, SECOND)[1] == far.v4
    assert run.row("ingress")["steered"] == 0
    assert ask(far, service.v4)[1] == service.v4
    assert_steered(run.row("ingress"), 1)


@pytest.mark.native
def test_round_trips_are_counted(service, far):
    run = ingress(service, APP)
    for _ in range(3):
        ask(far, service.v4)

    def counted():
        row = run.row("ingress")
        # Both of each: with the client, and with the application.
        return row["rtt_samples"] == 6 and row["rtt_us_total"] > 0

    until(counted, "six connections' round trips")


def test_one_daemon_for_several_pods(far):
    """It serves them from a network namespace of its own: listeners of theirs
    inside, their applications dialled there, each counted by itself."""
    world = far.world
    node, *pods = [world.host(name) for name in ("node", "one", "two")]
    far.origin(OTHER)
    for pod in pods:
        pod.origin(APP, cgroup="app")
    run = node.millrace({"sites": [{
        "name": pod.name, "netns": pod.netns,
        "egress": {"listener": "egress", "cgroup": pod.path("app")},
        "ingress": {"listener": "ingress", "ports": [APP]}}
        for pod in pods]})
    for pod in pods:
        for family in ("v4", "v6"):
            own = pod.address(family)
            assert ask(far, own) == (name((own, APP)), own)
            host = "10.9.0.8" if family == "v4" else "fd09::8"
            assert ask(pod, host, OTHER, cgroup="app") == (
                name((host, OTHER)), own)
        assert_steered(run.row("ingress", pod.name), 2)
        assert run.row("egress", pod.name)["joined"] == 2
    # A reload opens nothing twice, and one pod may go.
    run.reload(lambda config: config["intercept"]["sites"].pop())
    assert ask(far, pods[0].v4)[1] == pods[0].v4
    assert ask(far, pods[1].v4)[1] == far.v4
