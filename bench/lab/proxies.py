# SPDX-License-Identifier: BSD-2-Clause
"""The proxies that are compared: how each is started, and what it costs.

kind is what the proxy does: "terminate" (TLS in, plain out), "originate"
(plain in, TLS out), "both", "plain".
"""

import os
import pathlib
import re
import shutil
import subprocess
import time

from lab import limit, machine

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
TREE = PEERS.parents[1]
BUILD = TREE / os.environ.get("BUILD", "build")
LOAD = str(BUILD / "millrace-bench")
SUITE = "TLS_AES_128_GCM_SHA256"


def fill(name, into, **values):
    """A peer's configuration, its places filled."""
    text = (PEERS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    left = re.search(r"@[a-z_]+@", text)
    if left:
        raise ValueError(f"{name}: nothing is said of {left[0]}")
    path = into / name
    path.write_text(text)
    return path


class Proxy:
    """One proxy, from start to stop. certs: chain, key and pem (both)."""

    name = ""
    kinds = ("terminate",)
    program = ""

    def __init__(self, folder, kind, origin, certs, threads=1, cpus=None,
                 mutual=False, group=None):
        self.folder = pathlib.Path(folder) / f"{self.name}-{kind}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self.origin = origin
        self.certs = certs
        self.threads = threads
        self.cpus = cpus
        self.mutual = mutual
        self.group = group
        self.port = machine.free_port()
        self.process = None

    @classmethod
    def here(cls):
        return shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin")

    def tls_in(self):
        return self.kind in ("terminate", "both")

    def tls_out(self):
        return self.kind in ("originate", "both")

    def command(self):
        raise NotImplementedError

    def start(self):
        log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            machine.pinned(self.cpus, limit.within(self.group, self.command())),
            cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 20
        while not machine.listening(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start: " + (
                    self.folder / "log").read_text(errors="replace")[-600:])
            time.sleep(0.02)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_seconds(self):
        return sum(machine.cpu_seconds(pid)
                   for pid in machine.family(self.process.pid))

    def clock_ticks(self):
        """In user space, in the kernel."""
        each = [machine.clock_ticks(pid)
                for pid in machine.family(self.process.pid)]
        return sum(user for user, _ in each), sum(system for _, system in each)

    def settle(self, look_s=0.5):
        """Until it does nothing: what follows a start is over."""
        deadline = time.monotonic() + 30
        spent = -1.0
        while time.monotonic() < deadline:
            before, spent = spent, self.cpu_seconds()
            if spent - before < 0.001:
                return
            time.sleep(look_s)

    def memory_kib(self):
        return sum(machine.memory_kib(pid)
                   for pid in machine.family(self.process.pid))


class Millrace(Proxy):
    name = "millrace"
    kinds = ("terminate", "originate", "both", "plain")
    program = str(BUILD / "millrace")

    def __init__(self, *args, listeners=1, **more):
        """listeners: so many; those beyond the first are for nobody."""
        super().__init__(*args, **more)
        self.listeners = listeners

    def more_listeners(self, tls):
        """At addresses of their own, so that no port is to be found."""
        return "\n".join(
            f"  - {{ name: more-{n}, listen: \"127.1.{n // 250}.{n % 250 + 1}:"
            f"{self.port}\", tls: {tls}, cluster: origin }}"
            for n in range(1, self.listeners))

    def command(self):
        listener, cluster = "{ mode: disabled }", ""
        if self.tls_in():
            listener = ("{ mode: strict, certificate: { file: { chain: "
                        f"\"{self.certs.chain}\", key: \"{self.certs.key}\""
                        " } }")
            if self.mutual:
                listener += (", validation: { trust: { file: "
                             f"\"{self.certs.ca}\" }} }}")
            listener += " }"
        if self.tls_out():
            cluster = ("    tls: { server_name: bench.local, "
                       "validation: { mode: none } }")
        return [self.program, "run", "-c", str(fill(
            "millrace.yaml", self.folder, threads=self.threads,
            port=self.port, origin=self.origin, listener_tls=listener,
            more=self.more_listeners(listener),
            cluster_tls=cluster))]


class Haproxy(Proxy):
    name = "haproxy"
    kinds = ("terminate", "originate", "both", "plain")
    program = "haproxy"

    def command(self):
        bind = server = ""
        if self.tls_in():
            bind = f"ssl crt {self.certs.pem} ciphersuites {SUITE}"
            if self.mutual:
                bind += f" verify required ca-file {self.certs.ca}"
        if self.tls_out():
            server = f"ssl ciphersuites {SUITE} sni str(bench.local)"
        path = fill("haproxy.cfg", self.folder, threads=self.threads,
                    bufsize=65536,
                    connections=machine.connections_max(), folder=self.folder, port=self.port,
                    origin=self.origin, bind_tls=bind, server_tls=server)
        return [self.here(), "-db", "-q", "-f", str(path)]


class Nginx(Proxy):
    name = "nginx"
    kinds = ("terminate", "originate", "both", "plain")
    program = "nginx"

    def command(self):
        tls = []
        if self.tls_in():
            tls += [f"ssl_certificate {self.certs.chain};",
                    f"ssl_certificate_key {self.certs.key};",
                    "ssl_protocols TLSv1.2 TLSv1.3;",
                    f"ssl_conf_command Ciphersuites {SUITE};",
                    "ssl_session_cache shared:bench:10m;"]
            if self.mutual:
                tls += ["ssl_verify_client on;",
                        f"ssl_client_certificate {self.certs.ca};"]
        if self.tls_out():
            tls += ["proxy_ssl on;", "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
                    f"proxy_ssl_conf_command Ciphersuites {SUITE};"]
        path = fill("nginx.conf", self.folder, threads=self.threads,
                    bufsize="64k", files=2 * machine.connections_max() + 100, folder=self.folder, port=self.port,
                    origin=self.origin,
                    listen_tls="ssl" if self.tls_in() else "",
                    tls=" ".join(tls))
        return [self.here(), "-e", "stderr", "-p", str(self.folder), "-c",
                str(path)]


class Stunnel(Proxy):
    name = "stunnel"
    kinds = ("terminate", "originate")
    program = "stunnel4"

    def command(self):
        tls = f"ciphersuites = {SUITE}\n"
        if self.tls_in():
            tls += f"cert = {self.certs.chain}\nkey = {self.certs.key}\n"
            if self.mutual:
                tls += f"CAfile = {self.certs.ca}\nverifyChain = yes\n"
        path = fill("stunnel.conf", self.folder, port=self.port,
                    origin=self.origin,
                    client="no" if self.tls_in() else "yes", tls=tls)
        return [self.here(), str(path)]


class Hitch(Proxy):
    name = "hitch"
    kinds = ("terminate",)
    program = "hitch"

    def command(self):
        path = fill("hitch.conf", self.folder, threads=self.threads,
                    port=self.port, origin=self.origin, pem=self.certs.pem,
                    user="nobody" if os.geteuid() == 0 else "")
        return [self.here(), f"--config={path}"]


class Relay(Proxy):
    """The floor: no TLS, one thread."""

    name = "relay"
    kinds = ("plain",)
    program = LOAD

    def command(self):
        return [LOAD, "relay", f"127.0.0.1:{self.port}",
                f"127.0.0.1:{self.origin}"]


class Server(Proxy):
    """Who needs no proxy: the origin itself, on the proxy's CPU."""

    name = "server"
    kinds = ("plain", "terminate")
    program = LOAD

    def command(self):
        return [LOAD, "origin", f"127.0.0.1:{self.port}", *(
            ["--tls", "--chain", self.certs.chain, "--key", self.certs.key]
            if self.tls_in() else [])]


ALL = (Millrace, Haproxy, Nginx, Hitch, Stunnel)
NEEDED = ("haproxy", "nginx")


def chosen(names=None):
    """Those that are installed; without HAProxy and nginx a result is void."""
    here = [proxy for proxy in ALL if proxy.here() and
            (not names or proxy.name in names or proxy is Millrace)]
    missing = [name for name in NEEDED
               if name not in [proxy.name for proxy in here]]
    if missing and not names:
        raise SystemExit(f"{', '.join(missing)}: not installed, and a result "
                         "without is void; `make bench-deps` installs")
    return here
