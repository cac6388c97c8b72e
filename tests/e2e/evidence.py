# SPDX-License-Identifier: BSD-2-Clause
"""Proof of who encrypted, and that nothing crossed the wire in the clear."""

import contextlib
import pathlib
import socket
import tempfile

import streams
from millrace import ENGINE, LOOPBACK, RUNS
from waiting import until
from wire import LEAST, SNAPLEN, WHOLE, Tcpdump, search

TLS_STAT = pathlib.Path("/proc/net/tls_stat")


def tls_stat():
    if not TLS_STAT.exists():
        return {}
    rows = (line.split() for line in TLS_STAT.read_text().splitlines())
    return {name: int(value) for name, value in rows}


class Evidence:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.before = tls_stat()
        self.recording = None

    def capture(self, *ports):
        """Records what these ports carry on the loopback interface."""
        self.recording = Tcpdump(
            self.folder / "wire.pcap", "-s", WHOLE, "-U", "--immediate-mode",
            " or ".join(f"tcp port {port}" for port in ports))

    def captured(self, least):
        """Ends the recording once it has so many bytes; its bytes. What is
        said to be lost tells nothing: it may have come before the filter
        stood."""
        until(lambda: self.recording.path.stat().st_size >= least, "the whole capture")
        self.recording.stop()
        return self.recording.path.read_bytes()

    def check(self, run, *scopes):
        """The engine that was asked for did the work on each TLS side."""
        values = run.stats()

        def value(scope, name):
            return values[f"{run.scope(scope)}.millrace.engine.{name}"]

        for scope in scopes:
            if ENGINE == "kernel":
                assert value(scope, "tx_kernel") > 0, scope
                assert value(scope, "rx_kernel") > 0, scope
                assert value(scope, "tx_user") == 0, scope
                assert value(scope, "rx_user") == 0, scope
            elif ENGINE == "user":
                assert value(scope, "tx_user") > 0, scope
                assert value(scope, "rx_user") > 0, scope
                assert value(scope, "tx_kernel") == 0, scope
                assert value(scope, "rx_kernel") == 0, scope
        if ENGINE != "kernel" or not scopes:
            return
        after = tls_stat()
        for name in ("TlsTxSw", "TlsRxSw"):
            assert after.get(name, 0) > self.before.get(name, 0), (
                f"{name} has not moved: {self.before} {after}")
        errors = after["TlsDecryptError"] - self.before.get(
            "TlsDecryptError", 0)
        assert errors == 0, "TlsDecryptError moved"


@contextlib.contextmanager
def gather():
    with tempfile.TemporaryDirectory() as folder:
        gathered = Evidence(folder)
        try:
            yield gathered
        finally:
            if gathered.recording:
                gathered.recording.kill()


# For the end of the output.
SAID = []


@contextlib.contextmanager
def session():
    """Of all that runs meanwhile: nothing that a daemon was to encrypt was in
    the clear, and when the kernel engine is said to have worked, it has."""
    before = tls_stat()
    with tempfile.TemporaryDirectory() as folder:
        recording = Tcpdump(pathlib.Path(folder) / "session.pcap", "-U", "-s", SNAPLEN,
                            f"tcp and greater {LEAST}")
        try:
            yield
            show_marker()
            until(lambda: LAST in recording.path.read_bytes()[-65536:], "the last packet")
            count, lost = recording.stop()
            sealed, clear = search(recording.path)
        finally:
            recording.kill()
    after = tls_stat()
    directions = sum(run.in_kernel for run in RUNS if run.on_loopback)
    moved = {name: after[name] - before[name] for name in ("TlsTxSw", "TlsRxSw") if name in after}
    SAID.append(f"wire: {count} packets, {lost} lost, {clear} with plaintext where it may be; "
                f"kernel engine: {directions} directions, {moved}")
    assert not sealed, f"plaintext on ports of TLS: {sealed[:5]}"
    assert clear, "the search finds nothing at all"
    assert lost < count
    if directions:
        assert moved and all(moved.values()), moved


LAST = b"the session is over"


def show_marker():
    """What the search must find, and what tells that all is recorded."""
    with socket.create_server((LOOPBACK, 0)) as server, \
            socket.create_connection(server.getsockname()) as sock:
        with server.accept()[0] as other:
            for word in (streams.Payload(1, 1000).at(0), LAST * 10):
                sock.sendall(word)
                other.recv(len(word), socket.MSG_WAITALL)
