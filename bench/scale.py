# SPDX-License-Identifier: BSD-2-Clause
"""Does the cost stay what it is? CPU of millrace for the same work with one
and two workers; for a request, for bytes and for one connection more, on 10 to
10,000 connections; and with 1 to 1,000 listeners."""

from lab import machine, proxies, report, rig

MIB = 1 << 20
PIECE = 1 << 16
PIECES_RATE = 4000


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


def beside(result, figure, proxy, counts):
    """What the most cost beside the fewest, pair by pair."""
    few, many = (result.figures[figure.format(count)][proxy.name]
                 for count in (counts[0], counts[-1]))
    result.note(f"{figure.format(counts[-1])}, {proxy.name}, beside {counts[0]}",
                report.spoken(report.ratio_of(many, few)) + " x")


def on_each(lab, result, rounds, counts, chosen, figure, units, question,
            *options):
    """CPU for each of the units that the question moves, on each count of
    connections in turn."""
    running = [lab.start(proxy, "plain" if proxy is proxies.Relay else "terminate")
               for proxy in chosen]
    turns = [(count, proxy) for count in counts for proxy in running]
    for index, (count, proxy) in rig.turns(rounds, turns):
        seen = lab.load(proxy, question, "--connections", count, *options)
        result.add(figure.format(count), proxy.name, index,
                   seen["cpu_seconds"] / units, kernel=seen["kernel"])
    for proxy in running:
        beside(result, figure, proxy, counts)
        lab.stop(proxy)


def requests_on(lab, result, rounds, counts, requests):
    """A request each, in turn on so many connections. What the kernel's own
    state for them costs, which no cache holds, a plain relay tells."""
    on_each(lab, result, rounds, counts,
            (proxies.Millrace, proxies.Relay,
             *proxies.chosen(proxies.NEEDED)[1:]),
            "requests, {} connections, us", requests / 1e6, "requests",
            "--count", requests)


def bytes_on(lab, result, rounds, counts, total):
    """The same gigabytes, in pieces of 64 KiB on each connection in turn: as
    many at once as there are connections, and so many a second."""
    pieces = total // PIECE
    both = (proxies.Millrace, proxies.Relay)
    on_each(lab, result, rounds, counts, both, "bytes, {} connections, s/GB",
            total / 1e9, "bulk", "--count", pieces, "--size", PIECE)
    on_each(lab, result, rounds, counts, both,
            f"bytes at {PIECES_RATE}/s, {{}} connections, s/GB", total / 1e9,
            "requests", "--count", pieces, "--size", PIECE,
            "--rate", PIECES_RATE)


def new_beside(lab, result, rounds, counts, handshakes):
    """A connection more, with its handshake and its end, where so many stand."""
    running = {count: lab.start(proxies.Millrace, "terminate")
               for count in counts}
    crowds = [rig.Crowd(lab, proxy, count) for count, proxy in running.items()]
    for index, count in rig.turns(rounds, list(counts)):
        seen = lab.load(running[count], "handshakes", "--count", handshakes)
        result.add(f"a connection beside {count}, us", "millrace", index,
                   seen["cpu_seconds"] / handshakes * 1e6, kernel=seen["kernel"])
    beside(result, "a connection beside {}, us", proxies.Millrace, counts)
    for crowd in crowds:
        crowd.end()
    for proxy in running.values():
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
    asked = options.cases
    with rig.Rig() as lab:
        if asked in "listeners":
            listeners(lab, result, rounds,
                      (1, 100) if options.quick else (1, 10, 100, 1000),
                      5000 if options.quick else 20000)
        if asked in "workers" and len(machine.cpus()) > 1:
            workers(lab, result, rounds, (128 if options.quick else 256) * MIB)
        ends = (counts[0], counts[-1])
        if asked in "bytes":
            bytes_on(lab, result, rounds, ends,
                     (512 if options.quick else 2048) * MIB)
        if asked in "new":
            new_beside(lab, result, rounds, ends, 200 if options.quick else 600)
        if asked in "requests":
            requests_on(lab, result, rounds, counts,
                        10000 if options.quick else 40000)
    result.write()


if __name__ == "__main__":
    main()
