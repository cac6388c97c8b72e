# SPDX-License-Identifier: BSD-2-Clause
"""What does a small exchange cost? CPU microseconds of the proxy for each
request and its response, both of one size, on 64 connections; the highest
rate, on half a CPU, where it is the proxy that bounds it; and the latency there,
of all, at nearly the highest rate of the best peer."""

from lab import proxies, report, rig

CONNECTIONS = 64
# Of the best peer's highest rate: what comes evenly spaced at all of it would
# wait ever longer.
SHARE = 0.9


def sizes(quick):
    return (1024,) if quick else (1024, 16384)


def options_of(size):
    return ["--connections", CONNECTIONS, "--size", size, "--body", size]


def cost_and_rate(lab, result, name, running, rounds, size, count):
    """The highest rate of the best peer."""
    for index, proxy in rig.turns(rounds, running):
        seen = lab.load(proxy, "requests", "--count", count, *options_of(size))
        result.add(name, proxy.name, index,
                   seen["cpu_seconds"] / seen["count"] * 1e6,
                   rate=seen["count"] / seen["seconds"], kernel=seen["kernel"])
    return result.beside(name, result.fastest_peer(name, "rate"), "rate")


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
    seconds = 1 if options.quick else 2
    chosen = proxies.chosen(options.peers)
    cost = report.Report("requests", "CPU us", options, chosen)
    late = report.Report("latency", "p99 us", options, chosen)
    cost.note("settings", f"{count} a run, {CONNECTIONS} connections, {rounds} "
              f"rounds, one thread, TLS 1.3, {proxies.SUITE}, pinned")
    with rig.Rig() as lab:
        for called, limited in lab.modes(cost):
            asked = {f"terminate {size}{called}": size
                     for size in sizes(options.quick)}
            asked = {name: size for name, size in asked.items()
                     if options.cases in name}
            if not asked:
                continue
            running = [lab.start(proxies.Relay, "plain", limited=limited)]
            running += [lab.start(proxy, "terminate", limited=limited)
                        for proxy in chosen]
            for name, size in asked.items():
                highest = cost_and_rate(lab, cost, name, running, rounds,
                                        size, count)
                if limited:
                    latency(lab, late, name, running, rounds, size,
                            SHARE * highest, seconds)
                    late.note(name, f"{SHARE * highest:.0f} per second, each "
                              "timed from when it was due")
            for proxy in running:
                lab.stop(proxy)
    cost.write()
    if late.figures:
        late.write()


if __name__ == "__main__":
    main()
