# SPDX-License-Identifier: BSD-2-Clause
"""The program under test: started with a configuration, watched, ended."""

import functools
import json
import os
import pathlib
import signal
import subprocess
import time

import ports
import stats
from logs import Log
from waiting import seconds, until

TREE = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("MILLRACE", str(TREE / "build" / "millrace"))
ENGINE = os.environ.get("MILLRACE_ENGINE", "auto")
# A command that runs the program, such as valgrind with its options.
UNDER = tuple(os.environ.get("MILLRACE_UNDER", "").split())

LOOPBACK = "127.0.0.1"

# Every daemon of this session (wire.py).
RUNS = []


def listener(tls=None, name="ingress", cluster="app", host=LOOPBACK, **more):
    """A listener of the configuration; its port is picked, its mode disabled
    unless tls says otherwise."""
    return {
        "name": name,
        "listen": ports.text(host, ports.pick(host)),
        "tls": tls or {"mode": "disabled"},
        "cluster": cluster,
        **more,
    }


def cluster(*endpoints, tls=None, name="app", **more):
    """A cluster; endpoints are (host, port)."""
    made = {
        "name": name,
        "endpoints": [ports.text(*endpoint[:2]) for endpoint in endpoints],
        **more,
    }
    if tls:
        made["tls"] = tls
    return made


@functools.lru_cache(maxsize=1)
def probed():
    """What the program finds in this kernel: yes, no or untried, by name."""
    said = subprocess.run([BINARY, "probe", "--json"], check=True, timeout=60,
                          stdout=subprocess.PIPE).stdout
    return {feature["id"]: feature["here"] for feature in json.loads(said)["features"]}


def split(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Millrace:
    """One run of the program."""

    on_loopback = True  # its listeners and clusters

    def __init__(self, folder, listeners, clusters, engine=ENGINE,
                 prefix=(), binary=BINARY, admin_address=None, **top):
        self.folder = pathlib.Path(folder)
        self.listeners = listeners
        self.clusters = clusters
        for item in [*listeners, *clusters]:
            item.setdefault("engine", engine)
        self.admin = admin_address or (LOOPBACK, ports.pick())
        self.config = {
            "admin": {"listen": ports.text(*self.admin)},
            "workers": 2,
            "counters": {"pin": "none"},
            "drain_timeout": "5s",
            **top,
            "listeners": listeners,
            "clusters": clusters,
        }
        # JSON is YAML.
        self.path = self.folder / "millrace.yaml"
        self.path.write_text(json.dumps(self.config, indent=1))
        self.process = None
        self.prefix = prefix  # a command that becomes the program
        self.binary = binary
        self.pass_fds = ()  # descriptors that it inherits
        self.log = None
        self.fds_idle = None
        self.began = self.ended_at = None
        self.in_kernel = 0  # directions that the kernel took, when it ended
        # A test that means to provoke them says so.
        self.errors_expected = False
        self.leaks_expected = False
        self.fallback_expected = False

    # ---- life

    def start(self):
        RUNS.append(self)
        self.began = time.time()
        self.process = subprocess.Popen(
            [*UNDER, *self.prefix, self.binary, "run", "-c", str(self.path)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.folder, pass_fds=self.pass_fds)
        self.log = Log(self.process.stderr)
        line = self.log.wait(msg="ready", timeout_s=20)
        assert line, f"not ready:\n{self.log.tail()}"
        self.fds_idle = self.fds()
        return self

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_end(self, timeout_s=15):
        code = self.process.wait(timeout=seconds(timeout_s))
        self.ended_at = time.time()
        self.log.join()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.ended_at = time.time()
        self.log.join()

    def check_idle(self):
        """Nothing of any connection is left."""
        until(lambda: self.active() == 0, "no open connection", 15)
        until(lambda: self.fds() <= self.fds_idle,
              f"descriptors back to {self.fds_idle}", 10)

    def stop(self):
        """Ends it, and asserts that it was in order to the last."""
        if self.process.poll() is None:
            try:
                if not self.leaks_expected:
                    self.check_idle()
                self.check_engine()
                self.terminate()
                code = self.wait_end()
            except BaseException:
                self.kill()
                raise
        else:
            code = self.wait_end()
        assert code == 0, f"ended with {code}:\n{self.log.tail()}"
        if not self.errors_expected:
            bad = [line.text for line in self.log.lines()
                   if line.get("level") == "error" or not line.fields]
            # valgrind's own words: it knows no seccomp(2).
            bad = [text for text in bad if not text.startswith("--")]
            assert not bad, f"errors in the log: {bad}"

    def check_engine(self):
        if ENGINE != "kernel":
            return
        values = self.stats()
        self.in_kernel = sum(
            value for name, value in values.items()
            if name.endswith((".millrace.engine.tx_kernel", ".millrace.engine.rx_kernel")))
        if self.fallback_expected:
            return
        fallen = {name: value for name, value in values.items()
                  if ".millrace.fallback." in name and value}
        assert not fallen, f"the kernel engine was demanded: {fallen}"

    def rewrite(self, change):
        """Changes the file; nothing is read before reload()."""
        change(self.config)
        self.path.write_text(json.dumps(self.config, indent=1))

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def reload(self, change=lambda config: None):
        done = len(self.log.lines(msg="reloaded"))
        self.rewrite(change)
        self.hup()
        assert self.log.wait_count(done + 1, 20, msg="reloaded"), \
            self.log.tail()

    # ---- what it says

    def address(self, name="ingress"):
        for item in self.listeners:
            if item["name"] == name:
                return split(item["listen"])
        raise KeyError(name)

    def scope(self, name="ingress"):
        """Where the statistics of a listener stand."""
        for item in self.listeners:
            if item["name"] == name:
                return stats.listener_scope(item["listen"])
        return f"cluster.{name}"

    def stats(self):
        return stats.read(self.admin)

    def stat(self, name, scope="ingress"):
        return self.stats()[f"{self.scope(scope)}.{name}"]

    def wait_stat(self, name, value, scope="ingress", timeout_s=10):
        until(lambda: self.stat(name, scope) == value,
              f"{scope}'s {name} to be {value}", timeout_s)

    def active(self):
        return sum(value for name, value in self.stats().items()
                   if name.endswith((".downstream_cx_active",
                                     ".upstream_cx_active")))

    def all_over(self):
        """Waits until each connection is over and counted whole: this is what
        falls last."""
        until(lambda: self.stats()["server.total_connections"] == 0,
              "the end of all connections")

    def ended(self, count=1, timeout_s=10, **fields):
        """The lines of count ended connections that carry the fields."""
        return self.log.wait_count(
            count, timeout_s, msg="connection ended", **fields)

    # ---- what the kernel says of it

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")
