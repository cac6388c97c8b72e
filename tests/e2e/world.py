# SPDX-License-Identifier: BSD-2-Clause
"""The little world that a test intercepts in: hosts, each with a network
namespace behind one router, cgroups of its own, and its daemon's pins in a bpffs
that the test mounts. It needs root, and leaves nothing behind.

    host n: 10.1.0.n, fd01::n; cgroups NAME/app, NAME/own, NAME/other

A host that is anywhere() answers on every address of 10.9.0.0/16, fd09::/64.
"""

import ctypes
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile

import stats
from millrace import BINARY, Millrace
from waiting import seconds, until

CLONE_NEWNS = 0x20000
NETNS = "/run/netns"
EGRESS, INGRESS = 15001, 15000
# -S: in the machines every module that is not loaded is time won.
CLIENTS = ("/usr/bin/python3", "-S",
           os.path.join(os.path.dirname(__file__), "clients.py"))


def mount_point(kind):
    """Where a type of file system is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            if right.split()[0] == kind and left.split()[3] == "/":
                return left.split()[4]
    return None


def why_not():
    """What this machine lacks, or None."""
    if os.geteuid() != 0:
        return "interception needs root"
    if not mount_point("cgroup2"):
        return "no cgroup v2 is mounted"
    return None


def assert_steered(row, count):
    """By an ingress row: so many connections, and as many of the daemon's own.
    One more of each may be counted: a lookup that no lock guards can miss a
    connection that is just being established, and then the kernel asks for its
    listener once more."""
    for name in ("steered", "steered_own"):
        assert 0 <= row[name] - count <= 1, row


def sh(*command):
    subprocess.run(command, check=True, timeout=seconds(30))


def ip(netns, *lines):
    """Commands of ip(8), each a line, in one process."""
    subprocess.run(["ip", "-n", netns, "-batch", "-"], check=True, text=True,
                   input="\n".join(lines), timeout=seconds(30))


def bpftool(*command):
    said = subprocess.run(["bpftool", "-j", *command], check=True,
                          capture_output=True, text=True,
                          timeout=seconds(30)).stdout
    return json.loads(said.strip() or "[]")


def private_mounts():
    """From here on this process's mounts are nobody else's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    sh("mount", "--make-rprivate", "/")
    os.makedirs(NETNS, exist_ok=True)
    sh("mount", "-t", "tmpfs", "none", NETNS)
    os.environ["PATH"] += ":/usr/sbin:/sbin"


class World:
    def __init__(self, storm, folder):
        self.storm = storm
        self.folder = folder
        self.bpffs = tempfile.mkdtemp(prefix="millrace-bpf-")
        sh("mount", "-t", "bpf", "bpf", self.bpffs)
        self.cgroup = os.path.join(mount_point("cgroup2"),
                                   f"millrace-test-{os.getpid()}")
        os.mkdir(self.cgroup)
        self.hosts = {}
        self.runs = []

    def host(self, name):
        """A host's number is that of its making, from 1."""
        if not self.hosts:
            sh("ip", "netns", "add", "router")
            sh("nsenter", f"--net={NETNS}/router", "sh", "-c",
               "cd /proc/sys/net; echo 1 >ipv4/ip_forward;"
               "echo 1 >ipv6/conf/all/forwarding")
        made = Host(self, name, len(self.hosts) + 1)
        self.hosts[name] = made
        return made

    def detach(self, name):
        return subprocess.run(
            [BINARY, "detach", "--pin", os.path.join(self.bpffs, name)],
            capture_output=True, text=True, check=False)

    def close(self):
        for run in self.runs:
            if run.process:
                run.kill()
        for host in self.hosts.values():
            host.end_processes()
        for name in os.listdir(self.bpffs):
            subprocess.run([BINARY, "detach", "--force", "--pin",
                            os.path.join(self.bpffs, name)], check=False,
                           capture_output=True)
        for name in os.listdir(NETNS):
            sh("ip", "netns", "del", name)
        for host in self.hosts.values():
            for path in host.cgroups[::-1]:
                until(lambda path=path: remove(path), f"{path} to go", 10)
        os.rmdir(self.cgroup)
        sh("umount", self.bpffs)
        shutil.rmtree(self.bpffs)


def remove(path):
    """A cgroup is busy for a moment after its last process."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


class Host:
    def __init__(self, world, name, number):
        self.world = world
        self.name = name
        self.v4, self.v6 = f"10.1.0.{number}", f"fd01::{number}"
        self.netns = f"{NETNS}/{name}"
        self.cgroup = os.path.join(world.cgroup, name)
        self.cgroups = []
        for below in ("", "app", "own", "other"):
            self.make_cgroup(below)
        self.processes = []
        self.runs = []
        self.wire()

    def address(self, family):
        return self.v4 if family == "v4" else self.v6

    def path(self, name):
        return os.path.join(self.cgroup, name)

    def make_cgroup(self, name):
        os.mkdir(self.path(name))
        self.cgroups.append(self.path(name))

    def pin(self):
        return os.path.join(self.world.bpffs, self.name)

    def wire(self):
        way = f"to-{self.name}"
        sh("ip", "netns", "add", self.name)
        sh("ip", "link", "add", "eth0", "netns", self.name, "type", "veth",
           "peer", "name", way, "netns", "router")
        ip(self.name, "link set lo up", f"addr add {self.v4}/32 dev eth0",
           f"addr add {self.v6}/128 dev eth0 nodad", "link set eth0 up")
        ip("router", f"addr add 169.254.1.1/32 dev {way}",
           f"addr add fe80::1/64 dev {way} nodad", f"link set {way} up",
           f"route add {self.v4} dev {way}", f"route add {self.v6} dev {way}")
        ip(self.name, "route add default via 169.254.1.1 dev eth0 onlink",
           "route add ::/0 via fe80::1 dev eth0")

    def ip(self, *lines):
        ip(self.name, *lines)

    def router(self, *lines):
        """On the router; {} is its link to this host."""
        ip("router", *(line.format(f"to-{self.name}") for line in lines))

    def anywhere(self):
        self.ip("route add local 10.9.0.0/16 dev lo",
                "route add local fd09::/64 dev lo")
        self.router(f"route add 10.9.0.0/16 via {self.v4} dev {{}} onlink",
                    f"route add fd09::/64 via {self.v6} dev {{}}")

    def sysctl(self, key, value):
        path = "/proc/sys/" + key.replace(".", "/")
        sh("nsenter", "--net=" + self.netns, "sh", "-c",
           f"echo {value} >{path}")

    # ---- processes

    def command(self, arguments, cgroup=None):
        inner = [str(argument) for argument in arguments]
        if cgroup:
            inner = ["sh", "-c",
                     f"echo $$ >{self.path(cgroup)}/cgroup.procs;"
                     'exec "$@"', "sh"] + inner
        return ["nsenter", "--net=" + self.netns] + inner

    def run(self, *arguments, cgroup=None, timeout_s=60, check=True):
        done = subprocess.run(
            self.command(arguments, cgroup), timeout=seconds(timeout_s),
            capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(
                f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *arguments, cgroup=None):
        process = subprocess.Popen(
            self.command(arguments, cgroup), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def kill(self, process):
        process.kill()
        process.communicate()
        self.processes.remove(process)

    def result(self, process, timeout_s=60):
        """What it says as JSON, at its end."""
        out, _ = process.communicate(timeout=seconds(timeout_s))
        self.processes.remove(process)
        return json.loads(out)

    def end_processes(self):
        for process in list(self.processes):
            self.kill(process)

    # ---- what tests run

    def client(self, what, *arguments, cgroup="app"):
        """One function of clients.py, in the application's place."""
        return json.loads(self.run(*CLIENTS, what, *arguments,
                                   cgroup=cgroup))

    def start_client(self, what, *arguments, cgroup="app"):
        return self.start(*CLIENTS, what, *arguments, cgroup=cgroup)

    def peer(self, *arguments, cgroup="app", timeout_s=120):
        """storm, hold or steady, to its end: its result."""
        return json.loads(self.run(self.world.storm, *arguments,
                                   cgroup=cgroup, timeout_s=timeout_s))

    def origin(self, *ports, cgroup=None):
        process = self.start(self.world.storm, "origin", *ports,
                             cgroup=cgroup)
        assert process.stdout.readline() == "ready\n"
        return process

    def map_entries(self, name):
        return bpftool("map", "dump", "pinned",
                       os.path.join(self.pin(), name))

    def pinned_row(self, direction="egress", site=0):
        """As the daemon's row(), but with bpftool: needs no daemon, and goes
        by the names of the map's fields."""
        index = 3 * site + ("egress", "ingress", "guard").index(direction)
        sums = {}
        for entry in self.map_entries("rows"):
            if entry["formatted"]["key"] == index:
                for cpu in entry["formatted"]["values"]:
                    for field, value in cpu["value"].items():
                        sums[field] = sums.get(field, 0) + value
        return sums

    def attached(self, cgroup):
        """The types of the programs on one of its cgroups."""
        return sorted(program["attach_type"] for program in
                      bpftool("cgroup", "show", self.path(cgroup)))

    def egress(self, **more):
        """A daemon that its application is redirected into."""
        return self.millrace({"egress": {"listener": "egress",
                                         "cgroup": self.path("app"), **more}})

    def millrace(self, intercept, egress=None, ingress=None, clusters=(),
                 start=True, **more):
        """A daemon of this host's. intercept lacks pin and own cgroup."""
        run = HostMillrace(self, intercept, egress or {}, ingress or {},
                           list(clusters), **more)
        self.runs.append(run)
        self.world.runs.append(run)
        return run.start() if start else run


ORIGINAL = {"name": "original", "type": "original-destination"}


class HostMillrace(Millrace):
    """Its listeners are egress and ingress, both in the clear and both to
    where the connection was meant to go, unless told otherwise. under is a
    command that becomes the daemon."""

    on_loopback = False

    def __init__(self, host, intercept, egress, ingress, clusters, under=(),
                 **top):
        self.host = host
        folder = tempfile.mkdtemp(dir=host.world.folder)
        listeners = [
            {"name": name, "listen": f"127.0.0.1:{port}",
             "tls": {"mode": "disabled"}, "cluster": "original", **more}
            for name, port, more in (("egress", EGRESS, egress),
                                     ("ingress", INGRESS, ingress))]
        top = {
            "admin": {"listen": f"unix:{folder}/admin.sock"},
            "intercept": {"pin": host.pin(), "cgroup": host.path("own"),
                          **intercept},
            **top,
        }
        super().__init__(folder, listeners, [dict(ORIGINAL), *clusters],
                         prefix=host.command(under, "own"), **top)
        self.admin = f"{folder}/admin.sock"

    def start_fails(self, words):
        """It ends by itself, and says why."""
        try:
            self.start()
        except AssertionError as failure:
            assert words in str(failure), failure
        else:
            raise AssertionError("it did start")
        assert self.wait_end() != 0

    def stats(self):
        connection = http.client.HTTPConnection("localhost",
                                                timeout=seconds(10))
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(seconds(10))
        connection.sock.connect(self.admin)
        connection.request("GET", "/stats", headers={"Connection": "close"})
        body = connection.getresponse().read().decode()
        connection.close()
        return stats.parse(body)

    def row(self, direction="egress", site="host"):
        begin = f"millrace.intercept.{site}.{direction}."
        return {name[len(begin):]: value
                for name, value in self.stats().items()
                if name.startswith(begin)}
