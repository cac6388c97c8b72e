# SPDX-License-Identifier: BSD-2-Clause
"""What does a small exchange cost? CPU microseconds of the proxy for each
request and its response, both of one size, on 16 connections; the highest
rate, and the latency at a rate that every proxy can keep."""

from lab import proxies, report, rig

CONNECTIONS = 16
# Of the slowest proxy's highest rate: at which latencies are compared.
SHARE = 0.6


def sizes(quick):
    return (1024,) if quick else (1024, 16384)


def options_of(size):
    return ["--connections", CONNECTIONS, "--size", size, "--body", size]


def cost_and_rate(lab, result, name, running, rounds, size, count):
    """The slowest one's highest rate."""
    rates = {}
    for index, proxy in rig.turns(rounds, running):
        seen = lab.load(proxy, "requests", "--count", count, *options_of(size))
        rate = seen["count"] / seen["seconds"]
        rates.setdefault(proxy.name, []).append(rate)
        result.add(name, proxy.name, index,
                   seen["cpu_seconds"] / seen["count"] * 1e6, rate=rate,
                   kernel=seen["kernel"])
    return min(max(of_one) for of_one in rates.values())


def latency(lab, result, name, running, rounds, size, rate, seconds):
    for index, proxy in rig.turns(rounds, running):
        seen = lab.load(proxy, "requests", "--rate", f"{rate:.0f}",
                        "--seconds", seconds, *options_of(size))
        result.add(name, proxy.name, index, seen["p99_us"],
                   p50=seen["p50_us"], p999=seen["p999_us"],
                   cpu_us=seen["cpu_seconds"] / seen["count"] * 1e6)


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (3 if options.quick else 16)
    count = 5000 if options.quick else 20000
    seconds = 1 if options.quick else 3
    chosen = proxies.chosen(options.peers)
    cost = report.Report("requests", "CPU us", options, chosen)
    late = report.Report("latency", "p99 us", options, chosen)
    cost.note("settings", f"{count} a run, {CONNECTIONS} connections, {rounds} "
              f"rounds, one thread, TLS 1.3, {proxies.SUITE}, pinned")
    with rig.Rig() as lab:
        running = [lab.start(proxies.Relay, "plain")]
        running += [lab.start(proxy, "terminate") for proxy in chosen]
        for size in sizes(options.quick):
            name = f"terminate {size}"
            slowest = cost_and_rate(lab, cost, name, running, rounds, size,
                                    count)
            latency(lab, late, name, running, rounds, size, SHARE * slowest,
                    seconds)
            late.note(name, f"{SHARE * slowest:.0f} per second, each timed "
                      "from when it was due")
    cost.write()
    late.write()


if __name__ == "__main__":
    main()
