# SPDX-License-Identifier: BSD-2-Clause
"""Other TLS stacks in both roles: GnuTLS, NSS and Java; OpenSSL is the peer
of every other test."""

import pathlib
import subprocess
import threading

import pytest

import origin as origins
import ports
import streams
from casecerts import Recipe
from millrace import cluster, listener
from waiting import FACTOR, seconds, until

NAME = "app.apps.local"
JAVA = pathlib.Path(__file__).with_name("Interop.java")
# A virtual machine within an emulated one, or beside a sanitizer, is for nobody
# to wait for.
NATIVE = FACTOR <= 1


@pytest.fixture(scope="module")
def nss(made, tmp_path_factory):
    """A folder with NSS's database: our leaf, and whom to trust."""
    folder = tmp_path_factory.mktemp("nss")

    def call(*arguments):
        subprocess.run(list(map(str, arguments)), check=True,
                       capture_output=True, timeout=seconds(60))

    call("certutil", "-N", "-d", f"sql:{folder}", "--empty-password")
    call("pk12util", "-i", store(made, folder), "-d", f"sql:{folder}",
         "-W", "secret")
    call("certutil", "-A", "-d", f"sql:{folder}", "-n", "root", "-t", "C,,",
         "-i", made.authority("root"))
    return folder


def store(made, folder):
    """PKCS #12 of our leaf and its chain."""
    leaf = made.leaf(Recipe())
    path = folder / "leaf.p12"
    subprocess.run(["openssl", "pkcs12", "-export", "-in", leaf.chain, "-inkey",
                    leaf.key, "-name", "server", "-passout", "pass:secret",
                    "-out", path], check=True, timeout=seconds(60))
    return path


class Process:
    """A peer; what it prints is collected."""

    def __init__(self, *arguments, stdin=subprocess.PIPE):
        self.process = subprocess.Popen(
            list(map(str, arguments)), stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.text = b""
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        while data := self.process.stdout.read1(4096):
            self.text += data

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join()
        if self.process.stdin:
            self.process.stdin.close()
        self.process.stdout.close()


def gnutls_client(made, nss, version, port):
    only = {"1.2": "-VERS-ALL:+VERS-TLS1.2", "1.3": "-VERS-ALL:+VERS-TLS1.3"}
    return ["gnutls-cli", f"--priority=NORMAL:{only[version]}",
            f"--x509cafile={made.authority('root')}",
            f"--sni-hostname={NAME}", f"--verify-hostname={NAME}",
            "-p", port, "127.0.0.1"]


def nss_client(made, nss, version, port):
    return ["tstclnt", "-h", "127.0.0.1", "-p", port, "-d", f"sql:{nss}",
            "-a", NAME, "-V", f"tls{version}:tls{version}"]


def gnutls_server(made, nss, version, port):
    leaf = made.leaf(Recipe())
    only = {"1.2": "-VERS-ALL:+VERS-TLS1.2", "1.3": "-VERS-ALL:+VERS-TLS1.3"}
    return ["gnutls-serv", "--echo", f"--priority=NORMAL:{only[version]}",
            f"--x509certfile={leaf.chain}", f"--x509keyfile={leaf.key}",
            "-p", port]


def nss_server(made, nss, version, port):
    return ["selfserv", "-n", "server", "-p", port, "-d", f"sql:{nss}",
            "-V", f"tls{version}:tls{version}", "-w", ""]


@pytest.mark.transfer
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("client", [gnutls_client, nss_client],
                         ids=["gnutls", "nss"])
def test_client(start, origin, made, nss, client, version):
    app = origin(origins.echo)
    run = start([listener(made.leaf(Recipe()).server_tls())],
                [cluster(app.address)])
    port = run.address()[1]
    with Process(*client(made, nss, version, port)) as peer:
        run.wait_stat("ssl.handshake", 1)
        peer.say(b"hello to the application\n")
        until(lambda: b"hello to the application" in peer.text,
              "the echo", 10)
    assert run.stat(f"ssl.versions.TLSv{version}") == 1


@pytest.mark.transfer
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("server,say,expect", [
    (gnutls_server, b"hello\n", b"hello"),
    (nss_server, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200"),
], ids=["gnutls", "nss"])
def test_server(start, made, nss, server, say, expect, version):
    port = ports.pick()
    with Process(*server(made, nss, version, port),
                 stdin=subprocess.DEVNULL) as peer:
        until(lambda: listens(port) or peer.process.poll() is not None,
              "the server", 20)
        run = to_server(start, made, port)
        assert answer(run, say, expect).startswith(expect), peer.text
        assert run.stat(f"ssl.versions.TLSv{version}", "app") == 1


def listens(port):
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as rows:
            if any(row.split()[1].endswith(wanted) and row.split()[3] == "0A"
                   for row in rows.readlines()[1:]):
                return True
    return False


def to_server(start, made, port):
    return start([listener()], [cluster(("127.0.0.1", port), tls={
        "server_name": NAME,
        "validation": {"trust": {"file": str(made.authority("root"))}}})])


def answer(run, say, expect):
    caller = streams.dial(run.address())
    origins.send_all(caller, say)
    got = b""
    while len(got) < len(expect):
        data = caller.receive()
        if data == b"":
            break
        if data is None:
            origins.wait_readable(caller, 20)
        else:
            got += data
    caller.close()
    return got


if NATIVE:
    @pytest.mark.transfer
    def test_java_client(start, origin, made):
        app = origin(origins.echo)
        run = start([listener(made.leaf(Recipe()).server_tls())],
                    [cluster(app.address)])
        out = subprocess.run(
            ["java", str(JAVA), "client", str(run.address()[1]), NAME,
             str(made.authority("root"))], capture_output=True, text=True,
            timeout=seconds(60))
        assert out.stdout == "hello from java TLSv1.3\n", out

    @pytest.mark.transfer
    def test_java_server(start, made, tmp_path):
        with Process("java", JAVA, "server", store(made, tmp_path), "secret",
                     stdin=subprocess.DEVNULL) as peer:
            until(lambda: b"\n" in peer.text, "the server", 30)
            run = to_server(start, made, int(peer.text.split()[0]))
            assert answer(run, b"hello\n", b"hello\n") == b"hello\n", peer.text
