# SPDX-License-Identifier: BSD-2-Clause
"""A daemon comes, goes, is killed, is followed by the next."""

import os
import socket
import subprocess

import pytest

from clients import name
from mesh import APP, MARKER, Capture, Wrk, nginx, originate, terminate
from waiting import until
from world import bpftool

pytestmark = pytest.mark.intercept

PORT = 443
RESTARTS = int(os.environ.get("E2E_RESTARTS", "2"))
SWAPS = int(os.environ.get("E2E_SWAPS", "50"))


def reached(host, address="10.9.1.1", cgroup="app"):
    result = host.client("plain", address, PORT, cgroup=cgroup)
    if "reply" in result:
        assert result["reply"][0] == name((address, PORT))
        return True
    assert result["error"] == "ECONNREFUSED", result
    return False


def test_the_next_daemon_takes_over(app, far):
    """Pins stay, programs are adopted in their place, counters go on."""
    far.origin(PORT)
    first = app.egress()
    assert reached(app)
    pinned, attached = sorted(os.listdir(app.pin())), app.attached("app")
    assert len(attached) == len(set(attached)) == 5, attached
    first.kill()
    assert not reached(app)
    second = app.egress()
    assert second.log.lines(msg="intercepting", adopted="yes")
    assert reached(app)
    assert sorted(os.listdir(app.pin())) == pinned
    assert app.attached("app") == attached
    row = second.row()
    assert (row["redirected"], row["joined"], row["failed_closed"]) == (
        2, 2, 1)


@pytest.mark.native
def test_counters_are_everywhere_the_same(app, far):
    """bpftool, /stats, Prometheus and `millrace stats`."""
    far.origin(PORT)
    run = app.egress()
    for _ in range(3):
        assert reached(app)
    until(lambda: run.row()["rtt_samples"] == 3, "the connections' ends")
    row, pinned = run.row(), app.pinned_row()
    assert row["redirected"] == 3
    assert {field: pinned[field] for field in row} == row
    said = subprocess.run(
        [run.binary, "stats", "--admin", f"unix:{run.admin}",
         "intercept.host.egress"], check=True, capture_output=True,
        text=True).stdout
    assert "millrace.intercept.host.egress.redirected" in said


@pytest.mark.native
def test_a_cgroup_that_was_made_anew(app, far):
    far.origin(PORT)
    app.egress().kill()
    os.rmdir(app.path("app"))
    os.mkdir(app.path("app"))
    app.egress()
    assert reached(app)


def test_detach(app, far):
    """Not while a daemon runs; then all of it goes."""
    far.origin(PORT)
    everything = {
        "egress": {"listener": "egress", "cgroup": app.path("app")},
        "ingress": {"listener": "ingress", "ports": [9090]},
        "guard": {"cgroup": app.path("app"),
                  "protect": [{"cidr": "10.9.0.0/16", "ports": [PORT]}]}}
    run = app.millrace(everything)
    done = app.world.detach(app.name)
    assert done.returncode == 1 and "another daemon" in done.stderr
    run.stop()
    assert not reached(app)
    links = [link["id"] for link in bpftool("link", "show")
             if any(app.pin() in path for path in link.get("pinned", []))]
    assert app.attached("app") and app.attached("own")
    done = app.world.detach(app.name)
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(app.pin())
    assert app.attached("app") == app.attached("own") == []
    # The kernel frees what nobody holds any more in its own time.
    until(lambda: not {link["id"] for link in bpftool("link", "show")} & set(links),
          "the links to go", 10)
    assert reached(app)
    again = app.world.detach(app.name)
    assert again.returncode == 0 and "nothing" in again.stdout


@pytest.mark.native
def test_what_is_no_longer_asked_for_is_detached(app, far):
    """By a reload; and what comes back is in its place again."""
    far.origin(PORT)
    guard = {"cgroup": app.path("app"),
             "protect": [{"cidr": "10.9.1.1", "ports": [PORT]}]}
    run = app.millrace({
        "egress": {"listener": "egress", "cgroup": app.path("app")},
        "guard": guard})
    redirect = run.config["intercept"]["egress"]

    def pinned(what):
        return [pin for pin in os.listdir(app.pin())
                if pin.startswith(f"link_host_{what}")]

    # In the clear to what is protected: the daemon refuses itself.
    assert not app.client("plain", "10.9.1.1", PORT).get("reply")
    assert run.row("guard")["refused"] == 1
    run.reload(lambda config: config["intercept"].pop("guard"))
    assert not pinned("guard") and reached(app)

    def only_guard(config):
        del config["intercept"]["egress"]
        config["intercept"]["guard"] = guard

    run.reload(only_guard)
    assert pinned("guard") and not pinned("connect")
    assert not reached(app) and reached(app, "10.9.1.2")

    def both(config):
        config["intercept"]["egress"] = redirect

    # Egress that comes after its guard must still be judged before it: the
    # daemon gets the connection, and not the guard.
    run.reload(both)
    refused = run.row("guard")["refused"]
    redirected = run.row()["redirected"]
    app.client("plain", "10.9.1.1", PORT)
    assert run.row()["redirected"] == redirected + 1
    assert run.row("guard")["refused"] == refused + 1
    assert reached(app, "10.9.1.2")


@pytest.mark.native
def test_two_daemons(app, far):
    """Under one name there is one only; under two they do not meet."""
    far.origin(PORT)
    one = app.egress()
    app.millrace({"egress": {"listener": "egress",
                             "cgroup": app.path("other")}},
                 start=False).start_fails("another daemon")
    two = app.millrace(
        {"pin": app.pin() + "-two",
         "egress": {"listener": "egress", "cgroup": app.path("other")}},
        egress={"listen": "127.0.0.1:15011"},
        ingress={"listen": "127.0.0.1:15010"})
    for cgroup in ("app", "other"):
        assert reached(app, cgroup=cgroup)
    assert one.row()["joined"] == two.row()["joined"] == 1
    one.stop()
    assert not reached(app)
    assert reached(app, cgroup="other")


@pytest.mark.native
def test_the_next_daemon_before_the_last_one_s_end(app, far):
    """It adopts what is pinned while the other still drains."""
    far.origin(PORT)
    first = app.millrace({"egress": {"listener": "egress",
                                     "cgroup": app.path("app")}},
                         drain_timeout="10m")
    holder = app.start(app.world.storm, "hold", 1, "10.9.1.1", PORT,
                       cgroup="app")
    assert holder.stdout.readline()
    first.terminate()
    assert first.log.wait(msg="draining")
    # Until somebody else does, it goes on at its door.
    assert reached(app)
    assert first.ended(1)
    second = app.egress()
    assert second.log.lines(msg="intercepting", adopted="yes")
    assert reached(app) and second.ended(1)
    assert first.process.poll() is None
    app.kill(holder)
    assert first.wait_end() == 0
    assert reached(app) and second.ended(2)
    assert second.row()["failed_closed"] == 0


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_swaps_under_load(app, far, tmp_path, direction):
    """Connections are led to a new listening socket, again and again, and
    none of them fails."""
    server, client = (far, app) if direction == "egress" else (app, far)
    nginx(server, tmp_path)
    run = app.millrace({
        "egress": {"listener": "egress", "cgroup": app.path("app")}
    } if direction == "egress" else {
        "ingress": {"listener": "ingress", "ports": [APP]}})
    counter = "joined" if direction == "egress" else "steered"
    load = Wrk(client, server.v4)
    for _ in range(SWAPS):
        before = run.row(direction)[counter]
        # Some more than are counted on: the last 16 may go unanswered.
        until(lambda before=before: run.row(direction)[counter] > before + 12,
              "more connections", 30)

        def other(config):
            entry = config["intercept"][direction]
            entry["listener"] = ("egress" if entry["listener"] == "ingress"
                                 else "ingress")

        run.reload(other)
    good, failed = load.done()
    assert failed == [] and good > 10 * SWAPS
    row = run.row(direction)
    assert row["failed_closed"] == 0
    assert row[counter] >= good


# A service manager's part in a restart: descriptors from 3 on, and their names.
PASS = """
import fcntl, os, sys
names, *words = sys.argv[1:]
fds = [int(word) for word in words[:words.index("--")]]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=names)
command = words[words.index("--") + 1:]
os.execvp(command[0], command)
"""


class Store:
    """The service manager's descriptor store, at the end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.fds, self.names, self.removed = [], [], []

    def read(self):
        while True:
            try:
                words, fds, _, _ = socket.recv_fds(self.socket, 4096, 64)
            except BlockingIOError:
                return self
            lines = dict(line.partition("=")[::2]
                         for line in words.decode().splitlines())
            if "FDSTORE" in lines:
                self.fds += fds
                self.names += [lines["FDNAME"]] * len(fds)
            elif "FDSTOREREMOVE" in lines:
                self.removed.append(lines["FDNAME"])

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def store(tmp_path, monkeypatch):
    made = Store(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", made.path)
    yield made
    made.close()


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_restart_under_load(app, far, tmp_path, store, direction):
    """As `systemctl restart` does it, the next daemon after the last one's
    end: nobody is refused, and nobody is cut off."""
    server, client = (far, app) if direction == "egress" else (app, far)
    nginx(server, tmp_path)
    intercept = {"egress": {"listener": "egress", "cgroup": app.path("app")}
                 } if direction == "egress" else {
        "ingress": {"listener": "ingress", "ports": [APP]}}
    counter = "joined" if direction == "egress" else "steered"
    # Half of it, and no more than two seconds, is for who came last.
    drain = "4s"
    run = app.millrace(intercept, drain_timeout=drain)
    load = Wrk(client, server.v4)
    for _ in range(RESTARTS):
        before = run.row(direction)[counter]
        until(lambda run=run, before=before:
              run.row(direction)[counter] > before + 20, "connections", 30)
        run.terminate()
        assert run.wait_end() == 0
        store.read()
        assert len(store.fds) == 2, "one for each worker"
        run = app.millrace(intercept, drain_timeout=drain, start=False, under=[
            "/usr/bin/python3", "-c", PASS, ":".join(store.names),
            *store.fds, "--"])
        run.pass_fds = tuple(store.fds)
        run.start()
        assert run.log.lines(msg="listening sockets taken over", count=2)
        assert set(store.read().removed) == set(store.names)
        for fd in store.fds:
            os.close(fd)
        store.fds, store.names, store.removed = [], [], []
    before = run.row(direction)[counter]
    until(lambda: run.row(direction)[counter] > before + 20, "connections", 30)
    good, failed = load.done()
    assert failed == [] and good > 20 * RESTARTS
    assert run.row(direction)["failed_closed"] == 0


def test_kill_under_load(app, far, certs):
    """kill -9 with the guard on: not one byte in the clear before, between or
    after, and the next daemon goes on, counters and all."""
    far.origin(APP)
    far.millrace({"ingress": {"listener": "ingress", "ports": [APP]}},
                 ingress={"tls": terminate(certs)})

    def member():
        return app.millrace(
            {"egress": {"listener": "egress", "cgroup": app.path("app")},
             "guard": {"cgroup": app.path("app"), "protect": [
                 {"cidr": "10.1.0.0/24", "ports": [APP]}]}},
            egress={"cluster": "mesh"}, clusters=[originate(certs)])

    first = member()
    capture = Capture(app)
    load = app.start(app.world.storm, "steady", 4, far.v4, APP, MARKER,
                     cgroup="app")
    until(lambda: first.row()["joined"] > 50, "connections", 30)
    first.kill()
    before = app.pinned_row()
    until(lambda: app.pinned_row()["failed_closed"] >
          before["failed_closed"] + 50, "refused connections", 30)
    second = member()
    until(lambda: second.row()["joined"] > before["joined"] + 50,
          "connections of the next daemon", 30)
    result = app.result(load)
    assert result["good"] > 90 and result["failed"] > 50, result
    raw, lines = capture.stop()
    # What the application says, and what it is told.
    assert MARKER.encode() not in raw and name((far.v4, APP)).encode() \
        not in raw
    assert capture.not_tls() == [] and len(lines) > 500
    assert second.row("guard")["dropped"] == 0
