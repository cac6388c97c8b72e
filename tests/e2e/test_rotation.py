# SPDX-License-Identifier: BSD-2-Clause
"""Certificates, keys, trust and revocation lists that are written anew while
the program runs, in every way that tools write them."""

import os
import pathlib
import shutil
import socket
import ssl
import threading
import time

import pytest

import origin as origins
import streams
from casecerts import CaseCerts, Recipe
from certs import Leaf
from millrace import cluster, listener
from streams import Payload
from waiting import FACTOR, until

HELLO = Payload(3, 500)


def served(address, certs):
    """The certificate that a new connection is shown, as DER."""
    context = streams.client_context(certs)
    with socket.create_connection(address) as sock:
        with context.wrap_socket(sock, server_hostname=certs.name) as tls:
            return tls.getpeercert(True)


def der(leaf):
    pem = pathlib.Path(leaf.chain).read_text()
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(pem.split(end)[0] + end)


class Files:
    """A chain and a key in a folder of their own, to be written over."""

    def __init__(self, folder, leaf):
        self.folder = folder
        self.folder.mkdir()
        self.pair = Leaf(folder / "tls.crt", folder / "tls.key")
        self.put(leaf)

    def put(self, leaf):
        """In place, as an editor or a shell does."""
        for name in ("chain", "key"):
            text = getattr(leaf, name).read_text()
            getattr(self.pair, name).write_text(text)


class Renamed(Files):
    def put(self, leaf):
        for name in ("key", "chain"):
            target = getattr(self.pair, name)
            fresh = target.with_suffix(".new")
            shutil.copy(getattr(leaf, name), fresh)
            os.rename(fresh, target)


class Swapped(Files):
    """As Kubernetes mounts a secret: tls.crt -> ..data/tls.crt, and ..data is
    a link that is renamed over."""

    def put(self, leaf):
        data = self.folder / f"..{time.monotonic_ns()}"
        data.mkdir()
        shutil.copy(leaf.chain, data / "tls.crt")
        shutil.copy(leaf.key, data / "tls.key")
        link = self.folder / "..data"
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(data.name)
        os.rename(fresh, link)
        for path in (self.pair.chain, self.pair.key):
            if not path.is_symlink():
                path.symlink_to(f"..data/{path.name}")
        for old in self.folder.glob("..[0-9]*"):
            if old != data:
                shutil.rmtree(old)


class OneByOne(Files):
    """The key, and much later the chain."""

    def put(self, leaf):
        self.pair.key.write_text(leaf.key.read_text())
        time.sleep(0.4)
        self.pair.chain.write_text(leaf.chain.read_text())


class Recreated(Files):
    def put(self, leaf):
        for name in ("chain", "key"):
            target = getattr(self.pair, name)
            target.unlink(missing_ok=True)
            shutil.copy(getattr(leaf, name), target)


@pytest.mark.names
@pytest.mark.parametrize("kind", [Files, Renamed, Swapped, OneByOne, Recreated])
def test_written_anew(start, origin, certs, tmp_path, kind):
    """Each way of writing: the next handshake within a second has the new
    one; and a second time, for what the first one did to the watches."""
    app = origin(origins.echo)
    files = kind(tmp_path / "files", certs.ecdsa)
    run = start([listener(files.pair.server_tls())], [cluster(app.address)])
    old = streams.dial(run.address(), streams.client_context(certs))
    assert served(run.address(), certs) == der(certs.ecdsa)
    for turn, leaf in enumerate((certs.rsa, certs.ecdsa, certs.rsa), 1):
        files.put(leaf)
        until(lambda: served(run.address(), certs) == der(leaf),
              "the new certificate", 1)
        # Counted once every worker has it: a late one still shows the one
        # before, which is the next one as well.
        until(lambda: run.stats()["server.millrace.rotation_success"] >= turn,
              f"{turn} renewals")
    streams.exchange(old, HELLO).assert_is(HELLO)
    old.close()


@pytest.mark.names
@pytest.mark.parametrize("what,words", [
    ("half", "certificate 1 is damaged"),
    ("mismatch", "is not the key of the first certificate"),
    ("gone", "cannot be read"),
    ("empty", "holds no certificate"),
])
def test_unusable_keeps_the_old(start, origin, certs, tmp_path, what, words):
    app = origin(origins.echo)
    files = Files(tmp_path / "files", certs.ecdsa)
    run = start([listener(files.pair.server_tls())], [cluster(app.address)])
    if what == "half":
        text = certs.rsa.chain.read_text()
        files.pair.chain.write_text(text[:len(text) // 2])
        words = "holds no certificate"
    elif what == "mismatch":
        files.pair.chain.write_text(certs.rsa.chain.read_text())
    elif what == "gone":
        files.pair.chain.unlink()
    else:
        files.pair.chain.write_text("")
    message = "a file cannot be used, and the one before it stays in force"
    # What is written in place may be seen while it is still empty.
    until(lambda: any(words in line["why"] for line in run.log.lines(msg=message)),
          f"the words {words!r}")
    assert run.stats()["server.millrace.rotation_failed"] == 1
    assert served(run.address(), certs) == der(certs.ecdsa)
    files.put(certs.rsa)
    until(lambda: served(run.address(), certs) == der(certs.rsa),
          "the new certificate", 1)
    until(lambda: run.stats()["server.millrace.rotation_failed"] == 0,
          "no failure left", 2)


class Arrivals:
    """Connections that come 100 times a second, by a clock that does not wait
    for those before."""

    def __init__(self, address, context):
        self.address, self.context = address, context
        self.failures, self.arrived = [], 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i / 100,))
                        for i in range(8)]
        for thread in self.threads:
            thread.start()

    def _run(self, offset):
        due = time.monotonic() + offset
        while not self.over.wait(max(0, due - time.monotonic())):
            due += 0.08
            try:
                caller = streams.dial(self.address, self.context)
                streams.exchange(caller, HELLO).assert_is(HELLO)
                caller.close()
                self.arrived += 1
            except Exception as error:  # told in the end
                self.failures.append(error)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.many
@pytest.mark.parametrize("kind", [Files, Renamed, Swapped, OneByOne, Recreated])
def test_while_streams_run(start, origin, certs, tmp_path, kind):
    """200 connections stream and 100 a second arrive while the certificate
    changes, in each way of writing: nothing is dropped, nothing refused, and
    within a second the new one is served."""
    streaming, arrivals = (200, 150) if FACTOR <= 2 else (20, 20)
    app = origin(origins.echo)
    files = kind(tmp_path / "files", certs.ecdsa)
    run = start([listener(files.pair.server_tls())], [cluster(app.address)])
    context = streams.client_context(certs)
    open_streams = [streams.dial(run.address(), context)
                    for _ in range(streaming)]
    coming = Arrivals(run.address(), context)
    streamed = 0

    def stream():
        nonlocal streamed
        try:
            while not coming.over.is_set():
                for caller in open_streams:
                    streams.exchange(caller, HELLO, expect=HELLO.size,
                                     finish=False)
                streamed += 1
        except Exception as error:  # told in the end
            coming.failures.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    turn = 0
    try:
        while (turn < 3 or coming.arrived < arrivals or not streamed) \
                and not coming.failures:
            leaf = (certs.rsa, certs.ecdsa)[turn % 2]
            files.put(leaf)
            until(lambda: served(run.address(), certs) == der(leaf),
                  "the new certificate", 1)
            turn += 1
    finally:
        coming.end()
        thread.join()
    assert not coming.failures, coming.failures[:3]
    for caller in open_streams:
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
    print(f"{kind.__name__}: {turn} changes, {coming.arrived} arrived, "
          f"{streaming} x {streamed} exchanges on open ones")


@pytest.mark.names
def test_node(start, origin, certs, tmp_path):
    """A certificate without this host's identity is refused, at start by
    check, and when it comes later."""
    made = CaseCerts(tmp_path)
    node = "spiffe://mesh.local/node/a"
    ours = made.leaf(Recipe(sans=("DNS:app.apps.local", f"URI:{node}")))
    other = made.leaf(Recipe(
        sans=("DNS:app.apps.local", "URI:spiffe://mesh.local/node/b")))
    app = origin(origins.echo)
    files = Files(tmp_path / "files", ours)
    run = start([listener(files.pair.server_tls())], [cluster(app.address)],
                node=node)
    files.put(other)
    line = run.log.wait(msg="a file cannot be used, and the one before it "
                        "stays in force", timeout_s=5)
    until(lambda: any("node identity" in line["why"] for line in run.log.lines(
        msg=line["msg"])), "the refusal")
    context = ssl.create_default_context(cafile=str(made.authority("root")))
    with socket.create_connection(run.address()) as sock:
        with context.wrap_socket(sock, server_hostname=certs.name) as tls:
            assert tls.getpeercert(True) == der(ours)
