# SPDX-License-Identifier: BSD-2-Clause
"""What does being watched cost? CPU milliseconds of the control thread for a
scrape of 500 listeners and 500 clusters, each of which has seen connections;
and the p99 of requests beside ten scrapes a second and without."""

import os
import pathlib
import socket
import ssl
import threading
import time

from lab import machine, proxies, report, rig

MANY = 500
PER_SECOND = 10
PATHS = {"text": "/stats", "JSON": "/stats?format=json",
         "Prometheus": "/stats/prometheus"}
CONNECTIONS = 16


class Watched(proxies.Millrace):
    """Beside the listener under load there are many others. All of it has one
    CPU, so that a scrape is in the way of requests as much as it can be."""

    tls_origin = None  # behind the many clusters

    def address(self, index):
        return f"127.1.{index // 250}.{index % 250 + 1}", self.port

    def command(self):
        command = super().command()
        path = pathlib.Path(command[-1])
        tls = (f"{{ mode: strict, certificate: {{ file: {{ chain: "
               f"\"{self.certs.chain}\", key: \"{self.certs.key}\" }} }} }}")
        endpoint = f"[\"127.0.0.1:{self.tls_origin}\"]"
        listeners = "".join(
            f"  - {{ name: l{index}, listen: \"{host}:{port}\", tls: {tls}, "
            f"cluster: c{index} }}\n"
            for index in range(MANY) for host, port in [self.address(index)])
        clusters = "".join(
            f"  - {{ name: c{index}, endpoints: {endpoint}, tls: {{ "
            "server_name: bench.local, validation: { mode: none } } }\n"
            for index in range(MANY))
        self.admin = machine.free_port()
        head, _, tail = path.read_text().partition("clusters:\n")
        path.write_text(f"admin: {{ listen: \"127.0.0.1:{self.admin}\" }}\n"
                        f"{head}{listeners}clusters:\n{clusters}{tail}")
        return command

    def touch(self):
        """A connection through every listener and cluster."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for index in range(MANY):
            with socket.create_connection(self.address(index)) as sock:
                with context.wrap_socket(sock) as tls:
                    tls.sendall(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
                    if not tls.recv(65536):
                        raise RuntimeError("the origin does not answer")

    def scrape(self, path):
        """The answer's size. Its bytes are dropped where they came in: who
        reads them stands elsewhere, and costs the requests nothing."""
        size = 0
        with socket.create_connection(("127.0.0.1", self.admin)) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n"
                         "Connection: close\r\n\r\n".encode())
            while got := sock.recv(1 << 20, socket.MSG_TRUNC):
                size += len(got) if isinstance(got, bytes) else got
        return size

    def control_ms(self):
        """CPU of the control thread alone, which is the process's first."""
        return int(pathlib.Path(
            f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat"
        ).read_text().split()[0]) / 1e6


class Scraper(threading.Thread):
    """Asks for a path by the clock, until it is left."""

    def __init__(self, proxy, path):
        super().__init__()
        self.proxy = proxy
        self.path = path
        self.end = threading.Event()
        self.count = 0

    def run(self):
        # It stands for another host: in nobody's way here, neither the
        # proxy's nor the load's.
        os.sched_setaffinity(0, machine.load_cpus())
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        began = time.monotonic()
        while not self.end.wait(max(0, began + self.count / PER_SECOND -
                                    time.monotonic())):
            self.proxy.scrape(self.path)
            self.count += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()


def cost(proxy, result, rounds):
    for index, name in rig.turns(rounds, list(PATHS)):
        before = proxy.control_ms()
        size = proxy.scrape(PATHS[name])
        result.add(name, "millrace", index, proxy.control_ms() - before,
                   bytes=size)


# What is asked for meanwhile: an answer of five bytes costs what asking does,
# on a machine that has the load, the origin and who asks beside the proxy.
BESIDE = {"alone": None, "asked": "/ready", "scraped": PATHS["Prometheus"]}


def beside(lab, proxy, result, rounds, rate, seconds):
    """The same load, alone and while the proxy is asked: in turns."""
    name = f"requests, {PER_SECOND} a second"
    load = ["requests", "--rate", f"{rate:.0f}", "--seconds", seconds,
            "--connections", CONNECTIONS, "--size", 1024]
    for index, who in rig.turns(rounds, list(BESIDE)):
        if BESIDE[who]:
            with Scraper(proxy, BESIDE[who]) as scraper:
                seen = lab.load(proxy, *load)
            asked = scraper.count / seen["seconds"]
        else:
            seen, asked = lab.load(proxy, *load), 0
        result.add(name, who, index, seen["p99_us"], p50=seen["p50_us"],
                   p999=seen["p999_us"], asked=asked)
    for who in ("asked", "scraped"):
        middle, bounds = result.ratio(name, who, "alone")
        result.note(who, f"p99 {middle:.3f} x of what it is alone" + (
            f" (95 %: {bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else "") +
            f", {rounds} pairs")


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (4 if options.quick else 16)
    spent = report.Report("scrape", "CPU ms", options, [Watched])
    late = report.Report("scraped", "p99 us", options, [Watched])
    spent.note("settings", f"{MANY} listeners and {MANY} clusters with TLS, "
               f"one worker, {rounds} rounds")
    late.note("settings", f"{PER_SECOND} a second, Prometheus' format; one "
              f"worker, {CONNECTIONS} connections, all of the proxy on one CPU")
    with rig.Rig() as lab:
        Watched.tls_origin = lab.tls_origin
        proxy = lab.start(Watched, "terminate")
        proxy.touch()
        cost(proxy, spent, rounds)
        beside(lab, proxy, late, rounds, 500, 1)
    spent.write()
    late.write()


if __name__ == "__main__":
    main()
