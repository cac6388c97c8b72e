# SPDX-License-Identifier: BSD-2-Clause
"""How long does a plain client wait for the first words of an application
that speaks first, through a permissive listener and without it? And how late
may a ClientHello be, with the default wait?"""

import socket
import ssl
import statistics
import threading
import time

from lab import machine, proxies, report, rig

FIRST_WORDS = {
    "smtp": b"220 mail.local ESMTP ready\r\n",
    "mysql": bytes([74, 0, 0, 0, 10]) + b"8.0.36\0" + bytes(66),
}
DELAYS_MS = (0, 1, 10, 100)


class Speaker:
    """Says its first words at once, and then repeats what it hears."""

    def __init__(self, words):
        self.words = words
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            threading.Thread(target=self._serve, daemon=True,
                             args=(self.socket.accept()[0],)).start()

    def _serve(self, sock):
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                sock.sendall(self.words)
                while data := sock.recv(4096):
                    sock.sendall(data)
            except OSError:
                pass


class Permissive(proxies.Millrace):
    def command(self):
        tls = (f'{{ mode: permissive, certificate: {{ file: {{ chain: '
               f'"{self.certs.chain}", key: "{self.certs.key}" }} }} }}')
        return [self.program, "run", "-c", str(proxies.fill(
            "millrace.yaml", self.folder, threads=1, port=self.port,
            origin=self.origin, listener_tls=tls, more="",
            cluster_tls=""))]


def wait_ms(port, words):
    """From before connect() to the last byte of the first words."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        got = b""
        while len(got) < len(words):
            got += sock.recv(4096)
        assert got == words
        return (time.perf_counter() - begun) * 1000


def speaks_tls(port, words, ca, delay_ms):
    """Whether a client whose ClientHello is so late gets through."""
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(delay_ms / 1000)
        try:
            with context.wrap_socket(sock, server_hostname="bench.local") as tls:
                return tls.recv(len(words)) == words
        except (ssl.SSLError, OSError):
            return False


def side_by_side(lab, result, kind, count):
    speaker = Speaker(FIRST_WORDS[kind])
    proxy = Permissive(lab.folder, kind, speaker.port, lab.certs["ecdsa"],
                       cpus=machine.proxy_cpus()).start()
    lab.started.append(proxy)
    ports = {"without": speaker.port, "millrace": proxy.port}
    seen = {name: [] for name in ports}
    for index, name in rig.turns(count, list(ports)):
        seen[name].append(wait_ms(ports[name], speaker.words))
        result.add(kind, name, index, seen[name][-1])
    more = statistics.median(seen["millrace"]) - \
        statistics.median(seen["without"])
    result.note(f"{kind}, more", f"{more:.2f} ms")
    for delay_ms in DELAYS_MS:
        good = sum(speaks_tls(proxy.port, speaker.words,
                              lab.certs["ecdsa"].ca, delay_ms)
                   for _ in range(count))
        result.note(f"{kind}, ClientHello after {delay_ms} ms",
                    f"{good} of {count} spoke TLS")
    lab.stop(proxy)


def main():
    options = rig.options(__doc__)
    count = options.rounds or (20 if options.quick else 200)
    result = report.Report("banner", "ms", options, [])
    result.note("settings", f"{count} clients each, in turns; "
                "server_first_wait: the default, 20 ms on loopback")
    with rig.Rig() as lab:
        for kind in FIRST_WORDS:
            if options.cases in kind:
                side_by_side(lab, result, kind, count)
    result.write()


if __name__ == "__main__":
    main()
