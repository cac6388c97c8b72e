# SPDX-License-Identifier: BSD-2-Clause
"""Does the cost stay what it is? CPU of millrace for the same work with one
and two workers, for a request on 10 to 10,000 connections, and with 1 to
1,000 listeners."""

import statistics

from lab import machine, proxies, report, rig

MIB = 1 << 20


def workers(lab, result, rounds, total):
    """The same gigabyte on 64 connections."""
    running = {count: lab.start(proxies.Millrace, "terminate", threads=count)
               for count in (1, 2)}
    share = total // 64
    for index, count in rig.turns(rounds, list(running)):
        seen = lab.load(running[count], "bulk", "--connections", 64,
                        "--count", 64, "--size", share)
        result.add(f"bulk, {count} workers, s/GB", "millrace", index,
                   seen["cpu_seconds"] / (share * 64 / 1e9))
    for proxy in running.values():
        lab.stop(proxy)


def connections(lab, result, rounds, counts, requests):
    """A request each, in turn on so many connections. What the kernel's own
    state for them costs, which no cache holds, a plain relay tells."""
    running = [lab.start(proxy, "plain" if proxy is proxies.Relay else "terminate")
               for proxy in (proxies.Millrace, proxies.Relay,
                             *proxies.chosen(proxies.NEEDED)[1:])]
    turns = [(count, proxy) for count in counts for proxy in running]
    for index, (count, proxy) in rig.turns(rounds, turns):
        setup = lab.load(proxy, "requests", "--connections", count,
                         "--count", 1)
        seen = lab.load(proxy, "requests", "--connections", count,
                        "--count", requests)
        each = ((seen["cpu_seconds"] - setup["cpu_seconds"]) /
                (requests - 1) * 1e6)
        result.add(f"requests, {count} connections, us", proxy.name, index,
                   each, handshake_us=setup["cpu_seconds"] / count * 1e6,
                   kernel=seen["kernel"])
    for proxy in running:
        few, many = (statistics.median(result.figures[
            f"requests, {count} connections, us"][proxy.name])
            for count in (counts[0], counts[-1]))
        result.note(f"{proxy.name}, {counts[-1]} connections beside {counts[0]}",
                    f"{many / few:.3f} x, {many - few:+.2f} us a request")
        lab.stop(proxy)


def listeners(lab, result, rounds, counts, requests):
    """The same requests to one of so many listeners, and what each holds."""
    running = {count: lab.start(proxies.Millrace, "terminate", listeners=count)
               for count in counts}
    for proxy in running.values():
        proxy.settle()
    alone = running[counts[0]].memory_kib()
    for index, count in rig.turns(rounds, list(counts)):
        proxy = running[count]
        held = (proxy.memory_kib() - alone) / max(1, count - counts[0])
        seen = lab.load(proxy, "requests", "--connections", 16, "--count",
                        requests)
        result.add(f"requests, {count} listeners, us", "millrace", index,
                   seen["cpu_seconds"] / requests * 1e6, KiB_each=held)
    for proxy in running.values():
        lab.stop(proxy)


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (2 if options.quick else 16)
    counts = (10, 1000) if options.quick else (
        10, 100, 1000, min(10000, machine.connections_max()))
    result = report.Report("scale", "CPU", options, proxies.chosen(proxies.NEEDED))
    result.note("settings", f"{rounds} rounds; with two workers the load "
                "shares a CPU with one of them")
    asked = options.cases or ""
    with rig.Rig() as lab:
        if asked in "listeners":
            listeners(lab, result, rounds,
                      (1, 100) if options.quick else (1, 10, 100, 1000),
                      5000 if options.quick else 20000)
        if asked in "workers" and len(machine.cpus()) > 1:
            workers(lab, result, rounds, (128 if options.quick else 256) * MIB)
        if asked in "connections":
            connections(lab, result, rounds, counts,
                        10000 if options.quick else 40000)
    result.write()


if __name__ == "__main__":
    main()
