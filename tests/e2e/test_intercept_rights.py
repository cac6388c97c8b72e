# SPDX-License-Identifier: BSD-2-Clause
"""Which capabilities interception takes, on this kernel, and which a running
daemon still has."""

import contextlib
import os

import pytest

from clients import name
from mesh import APP
from world import assert_steered

pytestmark = pytest.mark.intercept

# linux/capability.h
NUMBERS = {"dac_override": 1, "net_admin": 12, "net_raw": 13, "sys_ptrace": 19,
           "sys_admin": 21, "perfmon": 38, "bpf": 39}
NEEDED = ("bpf", "net_admin", "perfmon")
PORT = 443


def only(*capabilities):
    """A command that runs the rest as root in name, with these alone."""
    words = ",".join(["-all", *(f"+{one}" for one in capabilities)])
    return ["setpriv", "--securebits", "+noroot", "--bounding-set", words,
            "--inh-caps", words, "--ambient-caps", words]


def unguarded(app):
    return {
        "egress": {"listener": "egress", "cgroup": app.path("app")},
        "ingress": {"listener": "ingress", "ports": [APP],
                    "transparent": "true"}}


def everything(app):
    return {**unguarded(app), "guard": {
        "cgroup": app.path("app"),
        "protect": [{"cidr": "10.9.1.1", "ports": [PORT]}]}}


def kept(run):
    """Of every thread, by name; those that the ring makes come and go."""
    masks = set()
    for thread in os.listdir(f"/proc/{run.process.pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                open(f"/proc/{run.process.pid}/task/{thread}/status",
                     encoding="ascii") as status:
            masks |= {int(line.split()[1], 16) for line in status
                      if line.startswith(("CapPrm:", "CapEff:"))}
    mask, = masks
    return {one for one, number in NUMBERS.items() if mask >> number & 1}


def reach(host, address, port, cgroup=None):
    result = host.client("plain", address, port, cgroup=cgroup)
    assert result["reply"][0] == name((address, port))
    return result["reply"][1].rpartition(":")[0]


def test_what_it_takes(app, far):
    """Egress, ingress with the client's address, the guard, and a reload."""
    far.origin(PORT)
    app.origin(APP, cgroup="app")
    run = app.millrace(everything(app), under=only(*NEEDED))
    for again in (False, True):
        reach(app, "10.9.1.2", PORT, "app")
        assert not app.client("plain", "10.9.1.1", PORT).get("reply")
        assert reach(far, app.v4, APP) == far.v4
        assert kept(run) == set(NEEDED)
        if not again:
            run.reload()
    assert run.row("egress")["redirected"] == 4
    assert run.row("guard")["refused"] == 2
    assert_steered(run.row("ingress"), 2)


@pytest.mark.native
def test_what_is_given_up(app, far):
    """Whatever else it had; and entering namespaces, where none is named and
    no guard asks the kernel."""
    far.origin(PORT)
    run = app.millrace(unguarded(app), under=only(*NUMBERS))
    reach(app, "10.9.1.2", PORT, "app")
    assert kept(run) == set(NEEDED)


def test_other_namespaces(far):
    """They take CAP_SYS_ADMIN in addition, as long as it runs."""
    node, pod = (far.world.host(each) for each in ("node", "pod"))
    pod.origin(APP, cgroup="app")
    site = {"sites": [{"name": "pod", "netns": pod.netns, "ingress": {
        "listener": "ingress", "ports": [APP]}}]}
    run = node.millrace(site, under=only(*NEEDED, "sys_admin"))
    assert reach(far, pod.v4, APP) == pod.v4
    assert kept(run) == {*NEEDED, "sys_admin"}
    run.stop()
    node.millrace(site, under=only(*NEEDED), start=False).start_fails(
        "CAP_SYS_ADMIN")


@pytest.mark.native
@pytest.mark.parametrize("lacking", ("bpf", "net_admin"))
def test_without(app, lacking):
    """It says which, and nothing stays behind. CAP_PERFMON is what only some
    kernels' verifiers want."""
    run = app.millrace(everything(app), start=False, under=only(
        *(one for one in NEEDED if one != lacking)))
    run.start_fails("CAP_BPF, CAP_NET_ADMIN and")
    assert app.attached("app") == []
