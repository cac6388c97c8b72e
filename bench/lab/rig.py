# SPDX-License-Identifier: BSD-2-Clause
"""What every question needs around its proxies: certificates, origins, a
load, and the order in which the proxies have their turns."""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

from lab import limit, machine, proxies

KINDS = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


@dataclasses.dataclass
class Certs:
    chain: pathlib.Path
    key: pathlib.Path
    pem: pathlib.Path  # both
    ca: pathlib.Path  # who signed it: itself


def make_certs(folder, kind="ecdsa"):
    chain, key, pem = (folder / f"{kind}-{part}.pem"
                       for part in ("chain", "key", "both"))
    subprocess.run(
        ["openssl", "req", "-x509", *KINDS[kind], "-nodes", "-days", "30",
         "-subj", "/CN=bench.local", "-addext", "subjectAltName=DNS:bench.local",
         "-keyout", str(key), "-out", str(chain)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pem.write_text(key.read_text() + chain.read_text())
    key.chmod(0o600)
    return Certs(chain, key, pem, chain)


class Rig:
    """One question's surroundings. Use it by `with`."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="millrace-bench-")
        self.folder = pathlib.Path(self.temporary.name)
        self.folder.chmod(0o755)
        self.certs = {kind: make_certs(self.folder, kind) for kind in KINDS}
        self.started = []
        self.limits = limit.Limits()
        machine.raise_files()
        self.plain_origin = self.start_origin()
        self.tls_origin = self.start_tls_origin()

    def __enter__(self):
        # Ended from outside, it leaves nobody running either.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for one in self.started:
            one.stop() if isinstance(one, proxies.Proxy) else one.kill()
        for one in self.started:
            if isinstance(one, subprocess.Popen):
                one.wait()
        self.limits.end()
        self.temporary.cleanup()

    def start_origin(self, *options):
        port = machine.free_port()
        process = subprocess.Popen(
            machine.pinned(machine.load_cpus(), [
                proxies.LOAD, "origin", f"127.0.0.1:{port}",
                *map(str, options)]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the origin does not start")
        return port

    def start_tls_origin(self, *options):
        certs = self.certs["ecdsa"]
        return self.start_origin("--tls", "--chain", certs.chain, "--key",
                                 certs.key, *options)

    def start(self, proxy, kind, certs="ecdsa", origin=None, limited=False,
              **more):
        """origin: a port, instead of the one of this kind. limited: to half a
        CPU (limit.py), where that can be."""
        origin = origin or (self.tls_origin if kind in ("originate", "both")
                            else self.plain_origin)
        more.setdefault("cpus", machine.proxy_cpus(more.get("threads", 1)))
        if limited:
            more["group"] = self.limits.group()
        made = proxy(self.folder, kind, origin, self.certs[certs], **more)
        made.start()
        self.started.append(made)
        return made

    def modes(self, result):
        """How the proxies run, in turn: what it is called, and whether they
        are limited."""
        missing = self.limits.missing()
        if missing:
            result.note("half a CPU", f"left out: {missing}")
        return [("", False)] if missing else [("", False),
                                              (", half a CPU", True)]

    def stop(self, proxy):
        proxy.stop()
        self.started.remove(proxy)

    @contextlib.contextmanager
    def compare(self, chosen, kind, rounds, **more):
        """The turns of so many rounds, between start and stop of each."""
        running = [self.start(proxy, kind, **more) for proxy in chosen]
        yield turns(rounds, running)
        for proxy in running:
            self.stop(proxy)

    def load_command(self, proxy, question, *options):
        command = [proxies.LOAD, f"127.0.0.1:{proxy.port}", question,
                   "--json", *map(str, options)]
        if proxy.tls_in():
            command += ["--tls", "--ciphersuites", proxies.SUITE]
        return machine.pinned(machine.load_cpus(), command)

    def load(self, proxy, question, *options):
        """What the load saw, the CPU seconds that it cost the proxy, and the
        kernel's share of them. Where connections carry something, what they
        cost themselves is not in it."""
        carries = question in ("bulk", "requests")
        command = self.load_command(proxy, question, *options,
                                    *(["--wait"] if carries else []))
        with subprocess.Popen(command, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            if carries and process.stdout.readline() == "ready\n":
                proxy.settle(0.02)
            user, system = proxy.clock_ticks()
            before = proxy.cpu_seconds()
            if carries:
                say(process, "\n")
            result = process.stdout.readline()
            spent = proxy.cpu_seconds() - before
            user, system = (now - was for now, was in
                            zip(proxy.clock_ticks(), (user, system)))
            _, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{proxy.name}: {errors.strip()}")
        seen = json.loads(result)
        seen["cpu_seconds"] = spent
        seen["kernel"] = system / max(1, user + system)
        return seen


def say(process, text):
    """To who may have ended: its own words tell why."""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(text)
        process.stdin.flush()


class Crowd:
    """Connections that have each exchanged a kilobyte, and stay."""

    def __init__(self, lab, proxy, count):
        self.process = subprocess.Popen(
            lab.load_command(proxy, "idle", "--connections", count),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{proxy.name}: the connections do not stand")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()


def turns(count, items):
    """A B C, C B A, B C A, A C B, …: what drifts, drifts for all alike. Whoever
    ends a round begins the next, and finds its caches warm: each in turn."""
    for index in range(count):
        first = index // 2 % len(items)
        order = items[first:] + items[:first]
        for item in order if index % 2 == 0 else order[::-1]:
            yield index, item


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def options(description):
    """The command line of a question."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true",
                        help="few rounds and cases; no basis for a claim")
    parser.add_argument("--rounds", type=int, help="instead of 16")
    parser.add_argument("--peers", help="a,b,… instead of all")
    parser.add_argument("--cases", default="",
                        help="only those whose name has this in it")
    parser.add_argument("--out", type=pathlib.Path,
                        default=proxies.BUILD / "bench", metavar="FOLDER")
    chosen = parser.parse_args()
    chosen.peers = chosen.peers.split(",") if chosen.peers else None
    return chosen
