# SPDX-License-Identifier: BSD-2-Clause
"""The guard: nothing in the clear leaves for a protected destination, least
of all when there is no daemon."""

import json

import pytest

from clients import name
from mesh import APP, MARKER, Capture, originate, terminate
from millrace import ENGINE, probed
from waiting import seconds, until

pytestmark = pytest.mark.intercept

FAR = [{"cidr": "10.9.0.0/16", "ports": [APP]},
       {"cidr": "fd09::/64", "ports": [APP]}]
EVERYTHING = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]


def guard(app, mode="enforce", egress=True, protect=FAR, cluster=None, **more):
    """A daemon whose egress leads to where the connection was meant to go,
    in the clear unless the cluster says otherwise."""
    intercept = {"guard": {"cgroup": app.path("app"), "mode": mode,
                           "protect": protect}}
    if egress:
        intercept["egress"] = {"listener": "egress", "cgroup": app.path("app"),
                               **more}
    return app.millrace(
        intercept, egress={"cluster": cluster["name"]} if cluster else {},
        clusters=[cluster] if cluster else [])


def refused(result):
    """At once."""
    return result.get("error") == "ECONNREFUSED" and \
        result["ms"] < seconds(500)


def test_through_the_daemon(app, far, certs):
    """Its handshakes and its records are not in the way."""
    far.origin(APP)
    far.millrace({"ingress": {"listener": "ingress", "ports": [APP]}},
                 ingress={"tls": terminate(certs)})
    run = guard(app, cluster=originate(certs))
    for host in ("10.9.1.1", "fd09::1"):
        result = app.client("plain", host, APP)
        assert result["reply"][0] == name((host, APP))
    if ENGINE == "kernel":
        # The client says nothing: the first record is its close_notify.
        until(lambda: run.row("guard")["passed_kernel"] > 0, "a record", 10)
    row = run.row("guard")
    assert row["passed_handshake"] > 0
    assert row["refused"] == row["dropped"] == 0


NATIVE = {"marks": pytest.mark.native}


@pytest.mark.parametrize("host,egress", [
    ("10.9.1.1", True), ("fd09::1", False),
    pytest.param("fd09::1", True, **NATIVE),
    pytest.param("10.9.1.1", False, **NATIVE),
    pytest.param("::ffff:10.9.1.1", True, **NATIVE),
    pytest.param("::ffff:10.9.1.1", False, **NATIVE)])
def test_dead_daemon(app, far, host, egress):
    """Refused at once, and nothing is on the wire."""
    far.origin(APP, 9999)
    guard(app, egress=egress).kill()
    capture = Capture(app)
    assert refused(app.client("plain", host, APP))
    # what is not protected goes its way where nobody redirects
    if not egress:
        assert app.client("plain", "10.9.1.1", 9999)["reply"]
    assert not [line for line in capture.stop()[1] if f".{APP}" in line]


@pytest.mark.native
def test_any_process_of_the_cgroup(app, far):
    """Of a cgroup below, too, and whoever it runs as."""
    far.origin(APP)
    guard(app, egress=False).kill()
    app.make_cgroup("app/below")
    assert refused(app.client("plain", "10.9.1.1", APP, cgroup="app/below"))
    assert refused(app.client("user", 1000, 1000, "10.9.1.1", APP))
    assert app.client("plain", "10.9.1.1", APP, cgroup="other")["reply"]


@pytest.mark.native
def test_fail_open_does_not_open_the_guard(app, far):
    far.origin(APP, 9999)
    guard(app, fail_open="true").kill()
    assert refused(app.client("plain", "10.9.1.1", APP))
    assert app.client("plain", "10.9.1.1", 9999)["reply"]


@pytest.mark.native
def test_ignored_is_not_unguarded(app, far):
    """A user that egress leaves alone is no less guarded."""
    far.origin(APP)
    guard(app, ignore={"uids": [1337]})
    assert refused(app.client("user", 1337, 1337, "10.9.1.1", APP))


@pytest.mark.native
def test_observe(app, far):
    far.origin(APP)
    run = guard(app, "observe", egress=False)
    assert app.client("plain", "10.9.1.1", APP)["reply"]
    row = run.row("guard")
    assert row["observed"] >= 1
    assert row["refused"] == row["dropped"] == 0


@pytest.mark.parametrize("mode,counter", [
    ("enforce", "dropped"),
    pytest.param("observe", "observed", **NATIVE)])
def test_older_connections(app, far, tmp_path, mode, counter):
    """One that was there before the guard is cut; where the guard only
    counts, the same test sees the marker."""
    far.origin(APP)
    flag = tmp_path / "go"
    process = app.start_client("keep", "10.9.1.1", APP, flag)
    assert json.loads(process.stdout.readline())["reply"]
    run = guard(app, mode)
    capture = Capture(app)
    flag.touch()
    app.result(process)
    marker = b"MARKER-in-the-clear"
    raw, _ = capture.stop(marker if mode == "observe" else b"")
    assert (marker in raw) == (mode == "observe")
    assert run.row("guard")[counter] >= 1


@pytest.mark.parametrize("fragment,options", [
    pytest.param("0", "none", **NATIVE), ("4", "none"), ("0", "options")])
def test_raw_packets(app, far, fragment, options):
    """What no connect() has begun; also a later fragment, whose ports nobody
    sees, and TCP behind IPv6 options."""
    run = guard(app)
    capture = Capture(app)
    app.client("raw", app.v4, app.v6, APP, fragment, options)
    assert b"RAW-MARKER" not in capture.stop()[0]
    assert run.row("guard")["dropped"] == 1


@pytest.mark.native
def test_dns_is_not_in_the_way(app, far):
    """Everything is protected: a datagram leaves, and its answer comes."""
    server = far.start_client("answer_udp", "10.9.1.1", 53, cgroup=None)
    assert server.stdout.readline() == "ready\n"
    run = guard(app, protect=EVERYTHING)
    assert app.client("ask_udp", "10.9.1.1", 53) == {"answer": "yes"}
    assert run.row("guard")["dropped"] == 0


@pytest.mark.parametrize("family", [
    pytest.param("v4", **NATIVE), "v6"])
def test_replies_are_not_in_the_way(app, far, family):
    """Everything is protected, on every port: a service still answers."""
    far.origin(9999)
    app.origin(APP, cgroup="app")
    run = guard(app, protect=EVERYTHING)
    result = far.client("plain", app.address(family), APP, cgroup=None)
    assert result["reply"][0].endswith(f":{APP}")
    assert run.row("guard")["passed_reply"] >= 1
    # while the same cgroup cannot begin anything in the clear
    run.kill()
    assert refused(app.client("plain", "10.9.1.1", 9999))


@pytest.mark.native
def test_replies_on_older_connections(app, far):
    """Accepted before the guard was there, by somebody who still listens."""
    app.origin(APP, cgroup="app")
    holder = far.start(far.world.storm, "hold", 1, app.v4, APP)
    assert json.loads(holder.stdout.readline())["held"] == 1
    run = guard(app, protect=EVERYTHING)
    far.kill(holder)
    assert run.row("guard")["dropped"] == 0


@pytest.mark.native
def test_the_daemon_may_not_forget_tls(app, far):
    """A cluster in the clear to what is protected: the daemon itself is
    refused, and so is its caller, who learns nothing."""
    far.origin(APP)
    run = guard(app)
    capture = Capture(app)
    assert not app.client("plain", "10.9.1.1", APP).get("reply")
    assert run.row("guard")["refused"] == 1
    assert not [line for line in capture.stop()[1] if f".{APP}" in line]


@pytest.mark.native
def test_the_daemon_s_unmarked_sockets(app, far):
    """Somebody in the daemon's cgroup that is not the daemon's own."""
    far.origin(APP)
    guard(app)
    assert refused(app.client("plain", "10.9.1.1", APP, cgroup="own"))


TRUTH = {  # what the socket does beside its word → (with the kernel asked)
    "nothing": False,
    "ulp": False,  # the ULP without keys sends in the clear
    "tx": True,
}


@pytest.mark.parametrize("does", TRUTH)
def test_the_kernel_is_asked(app, far, does):
    """A socket whose owner gives its word that the kernel encrypts, and lies,
    gets nothing out. Where there is no kTLS its word is taken."""
    asked = probed()["ULP"] == "yes"
    if does != "nothing" and not asked:
        # Nothing to lie about; the machines run it.
        assert ENGINE != "kernel"
        return
    # A peer that ends at once leaves no time for TCP_ULP.
    peer = far.start_client("listen", APP, cgroup=None)
    assert peer.stdout.readline() == "ready\n"
    run = guard(app)
    said, = run.log.lines(msg="intercepting")
    assert said["guard"] == ("asks the kernel" if asked
                             else "takes the daemon's word")
    capture = Capture(app)
    app.client("claim", app.pin(), "10.9.1.1", APP, does, cgroup="own")
    raw, _ = capture.stop(b"" if asked else MARKER.encode())
    row = run.row("guard")
    passes = TRUTH[does] or not asked
    assert (row["passed_kernel"] >= 1) == passes
    assert (row["dropped_own"] >= 1) == (not passes)
    # The daemon's word is all there is without kTLS: here it was a lie.
    assert (MARKER.encode() in raw) == (not asked)


@pytest.mark.native
def test_misconfigured(app, far):
    """A configuration that cannot be used leaves the guard as it was: by
    reload, and by the next start."""
    far.origin(APP)
    run = guard(app)
    run.errors_expected = True

    def spoil(config):
        config["intercept"]["egress"]["cgroup"] = app.path("nowhere")

    run.rewrite(spoil)
    run.hup()
    assert run.log.wait(msg="the configuration stays as it was")
    assert refused(app.client("plain", "10.9.1.1", APP, cgroup="own"))
    run.stop()
    assert refused(app.client("plain", "10.9.1.1", APP))
    app.millrace(run.config["intercept"], start=False).start_fails("nowhere")
    assert refused(app.client("plain", "10.9.1.1", APP))
