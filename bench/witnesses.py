# SPDX-License-Identifier: BSD-2-Clause
"""Do others see the same? The proxy's CPU under loads that nobody here wrote:
wrk, h2load, openssl s_time, and iperf3 through a plain listener. What each of
them said stands beside it."""

import re
import subprocess

from lab import machine, proxies, report, rig

BODY = 1024


def run(command):
    """A witness is pinned as the load is."""
    return subprocess.run(
        machine.pinned(machine.load_cpus(), [str(word) for word in command]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=True).stdout


def number(pattern, said):
    found = re.search(pattern, said)
    if not found:
        raise RuntimeError(f"no {pattern} in: {said[-400:]}")
    return float(found[1])


# Each: what was done, in its units, of which the proxy's CPU is a share.
def wrk(port, seconds):
    return number(r"(\d+) requests in", run(
        ["wrk", "-t1", "-c16", f"-d{seconds}s",
         f"https://127.0.0.1:{port}/{BODY}"]))


def h2load(port, seconds):
    said = run(["h2load", "--h1", "-c16", "-t1", "-D", seconds,
                f"https://127.0.0.1:{port}/{BODY}"])
    return number(r"(\d+) succeeded", said)


def s_time(port, seconds):
    said = run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new",
                "-time", seconds])
    return number(r"(\d+) connections in \d+ real seconds", said)


def iperf3(port, seconds):
    """Gigabytes."""
    said = run(["iperf3", "-c", "127.0.0.1", "-p", port, "-t", seconds, "-J"])
    return number(r'"sum_received"[^}]*?"bytes":\s*(\d+)', said) / 1e9


CASES = (
    ("wrk, us for a request", "terminate", wrk, 1e6),
    ("h2load, us for a request", "terminate", h2load, 1e6),
    ("s_time, us for a handshake", "terminate", s_time, 1e6),
    ("iperf3, s/GB of plain TCP", "plain", iperf3, 1),
)


def start_iperf3(lab):
    port = machine.free_port()
    process = subprocess.Popen(
        machine.pinned(machine.load_cpus(), ["iperf3", "-s", "-p", str(port)]),
        stdout=subprocess.DEVNULL)
    lab.started.append(process)
    while not machine.listening(port, any_address=True):
        if process.poll() is not None:
            raise RuntimeError("iperf3 -s does not start")
    return port


def ask(lab, result, case, rounds, seconds):
    name, kind, witness, scale = case
    origin = start_iperf3(lab) if witness is iperf3 else None
    chosen = [proxy for proxy in result.proxies if kind in proxy.kinds]
    with lab.compare(chosen, kind, rounds, origin=origin) as turns:
        for index, proxy in turns:
            before = proxy.cpu_seconds()
            done = witness(proxy.port, seconds)
            each = (proxy.cpu_seconds() - before) / done
            result.add(name, proxy.name, index, each * scale, done=done)


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (1 if options.quick else 16)
    seconds = 1 if options.quick else 3
    result = report.Report("witnesses", "CPU", options,
                           proxies.chosen(options.peers))
    result.note("settings", f"{seconds} s a run, {rounds} rounds, one thread, "
                "pinned; done: how many in that time, or gigabytes")
    with rig.Rig() as lab:
        for case in CASES:
            if options.cases in case[0]:
                ask(lab, result, case, rounds, seconds)
    result.write()


if __name__ == "__main__":
    main()
