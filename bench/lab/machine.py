# SPDX-License-Identifier: BSD-2-Clause
"""What the machine is, and what processes cost on it."""

import os
import pathlib
import platform
import re
import resource
import socket
import subprocess
import time


def cpus():
    return sorted(os.sched_getaffinity(0))


def proxy_cpus(threads=1):
    """One for each thread of the proxy."""
    return cpus()[:threads]


def load_cpus():
    """The load's and the origin's: one that the proxy does not use."""
    return cpus()[-1:]


def pinned(which, command):
    if not which:
        return command
    return ["taskset", "-c", ",".join(map(str, which)), *command]


def raise_files(wanted=24000):
    """Two for each of 10,000 connections, and more; root may go beyond its
    hard limit, and whoever is started inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, wanted), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE,
                               (max(soft, min(limit, wanted)), limit))
            return
        except (OSError, ValueError):
            continue


def connections_max():
    """A proxy has two open files for each, and some for itself."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port, any_address=False):
    """any_address: on all of them, IPv6's among them."""
    paths = ["/proc/net/tcp"] + (["/proc/net/tcp6"] if any_address else [])
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines()[1:]:
            address, found = line.split()[1].split(":")
            if (line.split()[3] == "0A" and found == f"{port:04X}" and
                    (any_address or address == "0100007F")):
                return True
    return False


def family(pid):
    """The process and all that it has started."""
    found, parents = [], {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        parents.setdefault(parent, []).append(int(entry.name))
    rest = [pid]
    while rest:
        found.append(rest[-1])
        rest.extend(parents.get(rest.pop(), []))
    return found


def cpu_seconds(pid):
    """User and system time, of threads that have ended too, in nanoseconds'
    precision: the process's own clock (clock_getcpuclockid(3))."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2) / 1e9
    except OSError:
        return 0  # it has just ended


def clock_ticks(pid):
    """User and system time apart, as the clock's ticks found them."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return int(user), int(system)


def memory_kib(pid):
    """Memory of the process's own: what it alone has in use."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in
               re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))


def first_line(*command):
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return "not here"
    return (ran.stdout.strip().splitlines() or [""])[0]


def facts(proxies):
    """What stands above every result."""
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path(
        "/proc/cpuinfo").read_text(), re.M)
    lines = [
        ("cpu", f"{model[1] if model else platform.machine()}, "
                f"{len(cpus())} usable"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("openssl", first_line("openssl", "version")),
        ("load", "1, 5, 15 minutes: " + " ".join(
            f"{load:.1f}" for load in os.getloadavg())),
    ]
    versions = {
        "millrace": lambda path: first_line(
            "git", "-C", str(pathlib.Path(__file__).parent), "describe",
            "--always", "--dirty"),
        "haproxy": lambda path: first_line(path, "-v"),
        "nginx": lambda path: first_line(path, "-v"),
        "hitch": lambda path: first_line(path, "--version"),
        "stunnel": lambda path: first_line(
            "sh", "-c", f"{path} -version 2>&1 | grep -m1 stunnel"),
    }
    for proxy in proxies:
        lines.append((proxy.name, versions[proxy.name](proxy.here())))
    return lines
