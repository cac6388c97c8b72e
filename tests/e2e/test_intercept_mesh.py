# SPDX-License-Identifier: BSD-2-Clause
"""A mesh of three hosts: unmodified curl, unmodified nginx, and on the wire
between them TLS and nothing else."""

import pytest

from mesh import (APP, MARKER, Capture, curl, nginx, originate, terminate)
from millrace import ENGINE
from world import assert_steered

pytestmark = pytest.mark.intercept

# Those that may have encrypted.
ENGINES = ("kernel",) if ENGINE == "kernel" else ("kernel", "user")


def member(host, certs):
    """The daemon of one host of the mesh."""
    protect = [{"cidr": "10.1.0.0/24", "ports": [APP]},
               {"cidr": "fd01::/64", "ports": [APP]}]
    return host.millrace(
        {"egress": {"listener": "egress", "cgroup": host.path("app")},
         "ingress": {"listener": "ingress", "ports": [APP],
                     "transparent": True, "netns": "self"},
         "guard": {"cgroup": host.path("app"), "protect": protect}},
        egress={"cluster": "mesh"}, ingress={"tls": terminate(certs)},
        clusters=[originate(certs)])


@pytest.fixture
def mesh(world, certs, tmp_path):
    hosts = [world.host(name) for name in ("a", "b", "c")]
    for host in hosts:
        nginx(host, tmp_path)
        member(host, certs)
    return hosts


def assert_only_tls(capture):
    """No marker, no HTTP, and whatever carries bytes is of a TLS record."""
    raw, lines = capture.stop()
    assert MARKER.encode() not in raw
    assert [line for line in lines if "Flags [S]" in line]
    assert capture.not_tls() == []
    types = set(",".join(capture.dissected(
        "-d", f"tcp.port=={APP},tls", "-Y", "tls.record", "-T", "fields",
        "-e", "tls.record.content_type",
        "-e", "tls.record.opaque_type")).replace("\t", ",").split(","))
    # handshakes, and data in the dark
    assert {"22", "23"} <= types <= {"20", "21", "22", "23", ""}, types


def assert_row(run):
    egress, ingress = run.row("egress"), run.row("ingress")
    assert egress["redirected"] == egress["joined"] == 4
    assert_steered(ingress, 4)
    guard = run.row("guard")
    assert guard["dropped"] == guard["refused"] == 0
    assert guard["passed_handshake"] > 0
    assert sum(guard[f"passed_{engine}"] for engine in ENGINES) > 0


def test_mesh(mesh):
    captures = [Capture(host, "and", "port", str(APP)) for host in mesh]
    for client in mesh:
        for server in mesh:
            if client is server:
                continue
            for family in ("v4", "v6"):
                to, own = server.address(family), client.address(family)
                assert curl(client, to) == [
                    server.name, own, to, MARKER, MARKER, to]
    for capture in captures:
        assert_only_tls(capture)
    for host in mesh:
        run, = host.runs
        assert_row(run)
        values = run.stats()
        for scope in ("ingress", "mesh"):
            for way in ("tx", "rx"):
                name = f"{run.scope(scope)}.millrace.engine.{way}_"
                assert sum(values[name + engine] for engine in ENGINES) > 0


def test_a_host_without_its_daemon(mesh):
    """The same wire would show the marker: that it does not is the guard."""
    client, server, _ = mesh
    client.runs[0].kill()
    capture = Capture(client)
    assert server.name not in curl(client, server.v4, check=False)
    raw, lines = capture.stop()
    assert MARKER.encode() not in raw
    assert not [line for line in lines if f".{APP}" in line]
    # Without it the marker leaves, and the capture would have told; nor does
    # the server's side answer who speaks plaintext.
    server.runs[0].errors_expected = True
    client.world.detach(client.name)
    capture = Capture(client)
    assert MARKER not in " ".join(curl(client, server.v4, check=False))
    raw, _ = capture.stop(MARKER.encode())
    assert MARKER.encode() in raw and capture.not_tls()
