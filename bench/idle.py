# SPDX-License-Identifier: BSD-2-Clause
"""What does a connection hold that says nothing? Private memory of the proxy
for each established TLS connection, a while after its last byte."""

import time

from lab import machine, proxies, report, rig


def measure(lab, proxy_class, count, settle_s):
    """KiB for each, in a proxy that has just started."""
    proxy = lab.start(proxy_class, "terminate")
    rig.Crowd(lab, proxy, 20).end()  # what every proxy allocates once
    before = proxy.memory_kib()
    crowd = rig.Crowd(lab, proxy, count)
    at_once = proxy.memory_kib()
    time.sleep(settle_s)
    after = proxy.memory_kib()
    crowd.end()
    time.sleep(0.5)
    ended = proxy.memory_kib()
    lab.stop(proxy)
    return [(value - before) / count for value in (after, at_once, ended)]


def main():
    options = rig.options(__doc__)
    most = min(10000, machine.connections_max())
    counts = (1000,) if options.quick else (1000, most)
    rounds = options.rounds or (1 if options.quick else 3)
    settle_s = 2 if options.quick else 60
    chosen = proxies.chosen(options.peers)
    result = report.Report("idle", "KiB", options, chosen)
    result.note("settings", f"{rounds} rounds, one thread, TLS 1.3, measured "
                f"{settle_s} s after the last byte; at_once: right after it; "
                "ended: what stays when all have gone")
    with rig.Rig() as lab:
        for count in counts:
            for index, proxy in rig.turns(rounds, chosen):
                # A thread for each: minutes, and gigabytes.
                if proxy is proxies.Stunnel and count > 1000:
                    continue
                each, at_once, ended = measure(lab, proxy, count, settle_s)
                result.add(f"{count} connections", proxy.name, index, each,
                           at_once=at_once, ended=ended)
    result.write()


if __name__ == "__main__":
    main()
