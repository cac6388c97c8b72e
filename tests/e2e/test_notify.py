# SPDX-License-Identifier: BSD-2-Clause
"""What the service manager is told, and the sandbox, without either of them."""

import ctypes
import os
import pathlib
import re
import signal
import socket

import pytest

import origin as origins
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import seconds, until

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def next(self, limit_s=20):
        self.socket.settimeout(seconds(limit_s))
        return self.socket.recv(4096).decode().splitlines()

    def wait(self, word, limit_s=20):
        """The message with a line that begins so."""
        while True:
            lines = self.next(limit_s)
            if any(line.startswith(word) for line in lines):
                return lines


@pytest.fixture
def manager(tmp_path, monkeypatch):
    made = Manager(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", made.path)
    yield made
    made.socket.close()


@pytest.mark.limits
def test_states(start, origin, manager):
    """READY, RELOADING until READY, STOPPING, each with a status in words."""
    app = origin(origins.echo)
    run = start([listener()], [cluster(app.address)])
    assert "STATUS=forwarding: 1 listener, 2 workers" in manager.wait("READY=1")
    run.process.send_signal(signal.SIGHUP)
    lines = manager.wait("RELOADING=1")
    assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in lines)
    assert "STATUS=forwarding: 1 listener, 2 workers" in manager.wait("READY=1")
    caller = streams.dial(run.address())
    streams.exchange(caller, Payload(1, 1000), finish=False, expect=1000)
    run.terminate()
    manager.wait("STOPPING=1")
    manager.wait("STATUS=draining: 1 connection")
    streams.exchange(caller, finish=True)
    caller.close()
    assert run.wait_end() == 0


@pytest.mark.limits
def test_a_refused_reload_is_told(start, origin, manager):
    run = start([listener()], [cluster(origin(origins.echo).address)])
    manager.wait("READY=1")
    run.errors_expected = True
    run.path.write_text("listenrs: []\n")
    run.process.send_signal(signal.SIGHUP)
    assert any("reload failed" in line for line in manager.wait("READY=1"))


def said(run, thread, file):
    """What the kernel says of a thread; "" when it is over, as an idle one of
    a ring may be at any time."""
    try:
        return pathlib.Path(
            f"/proc/{run.process.pid}/task/{thread}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def trace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.mark.limits
@pytest.mark.skipif(os.geteuid() != 0, reason="stopping one thread of another needs root")
def test_watchdog(start, origin, manager, monkeypatch):
    """Fed while all threads turn; not while one of them is stopped."""
    # Looked at every third of it; a worker turns at least once a second.
    monkeypatch.setenv("WATCHDOG_USEC", "4500000")
    run = start([listener()], [cluster(origin(origins.echo).address)])
    run.errors_expected = True
    manager.wait("WATCHDOG=1")
    worker = next(int(thread) for thread in os.listdir(f"/proc/{run.process.pid}/task")
                  if "worker-1" in said(run, thread, "comm"))
    trace(PTRACE_SEIZE, worker)
    trace(PTRACE_INTERRUPT, worker)
    try:
        until(lambda: run.log.lines(msg="a worker hangs: the watchdog is not fed", worker="1"),
              "the worker to be missed", 20)
    finally:
        os.waitpid(worker, 0x40000000)  # __WALL; it has stopped long since
        trace(PTRACE_DETACH, worker)
    while True:  # What was sent before the stop.
        try:
            manager.socket.settimeout(0)
            manager.socket.recv(4096)
        except BlockingIOError:
            break
    manager.wait("WATCHDOG=1")


SYS_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
RUNTIME_NS = slice(24, 32)  # sched_runtime, of struct sched_attr


def test_short_slices(start, origin):
    """A worker goes before who computes beside it, where the kernel keeps such
    a wish."""
    keeps = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 12)
    run = start([listener()], [cluster(origin(origins.echo).address)])
    libc = ctypes.CDLL(None, use_errno=True)
    slices = {}
    for thread in os.listdir(f"/proc/{run.process.pid}/task"):
        attributes = ctypes.create_string_buffer(48)
        if libc.syscall(SYS_SCHED_GETATTR, int(thread), attributes, 48, 0) == 0:
            slices[said(run, thread, "comm").strip()] = int.from_bytes(
                attributes.raw[RUNTIME_NS], "little")
    assert slices["worker-0"] == slices["worker-1"] == (100000 if keeps else 0)


@pytest.mark.limits
def test_sandbox(start, origin):
    run = start([listener()], [cluster(origin(origins.echo).address)])
    for thread in os.listdir(f"/proc/{run.process.pid}/task"):
        status = said(run, thread, "status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        if not fields or fields["Name"].startswith("iou-"):
            continue  # a kernel thread of the probe's ring; it runs no program
        assert fields["Seccomp"] == "2"
        assert fields["NoNewPrivs"] == "1"
        # NET_BIND_SERVICE, NET_ADMIN, BPF, PERFMON, DAC_READ_SEARCH
        assert int(fields["CapPrm"], 16) & ~(1 << 10 | 1 << 12 | 1 << 39 | 1 << 38 | 1 << 2) == 0
    with open(f"/proc/{run.process.pid}/limits") as limits:
        assert re.search(r"^Max core file size +0 +0 ", limits.read(), re.M)
