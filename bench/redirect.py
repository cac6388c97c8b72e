# SPDX-License-Identifier: BSD-2-Clause
"""What does it cost that nobody tells the application? Connecting, an exchange
on a new connection, and bulk, all in the clear: straight to the server, through
a listener that is addressed, and redirected (egress) or steered (ingress) to
the same daemon. In network namespaces and cgroups of its own; needs root."""

import json
import os
import sys
import tempfile

from lab import machine, proxies, report, rig

os.environ.setdefault("MILLRACE", proxies.Millrace.program)
sys.path.append(str(proxies.TREE / "tests" / "e2e"))
import world as worlds  # noqa: E402

PORT, UNTOUCHED = 8080, 8081
MIB = 1 << 20


class Place:
    """Two hosts: server and client, with the daemon on either."""

    def __init__(self, world, kind):
        self.kind = kind
        server, client = world.host("far"), world.host("near")
        self.client = client
        for port in (PORT, UNTOUCHED):
            self.origin(server, port)
        here, intercept = (
            (client, {"egress": {"listener": "egress",
                                 "cgroup": client.path("app")}})
            if kind == "egress" else
            (server, {"ingress": {"listener": "ingress", "ports": [PORT]}}))
        at = "127.0.0.1" if kind == "egress" else server.v4
        spare = "ingress" if kind == "egress" else "egress"
        self.run = here.millrace(
            intercept, workers=1, under=machine.pinned(
                machine.proxy_cpus(), []),
            clusters=[{"name": "named", "endpoints": [
                f"{server.v4}:{UNTOUCHED}"]}],
            **{spare: {"listen": f"{at}:15010", "cluster": "named"}})
        # Who is in the cgroup "other" is not redirected.
        self.ways = {
            "direct": (f"{server.v4}:{UNTOUCHED}", "other"),
            "addressed": (f"{at}:15010", "other"),
            "redirected" if kind == "egress" else "steered":
                (f"{server.v4}:{PORT}", "app"),
        }

    def origin(self, host, port):
        process = host.start(*machine.pinned(machine.load_cpus(), [
            proxies.LOAD, "origin", f"0.0.0.0:{port}"]))
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the origin does not start")

    def load(self, way, question, *options):
        address, cgroup = self.ways[way]
        before = machine.cpu_seconds(self.run.process.pid)
        seen = json.loads(self.client.run(*machine.pinned(
            machine.load_cpus(),
            [proxies.LOAD, address, question, "--json", *options]),
            cgroup=cgroup, timeout_s=300))
        seen["cpu_us"] = (machine.cpu_seconds(self.run.process.pid) -
                          before) * 1e6
        return seen


def new_connections(place, result, rounds, count):
    name = f"{place.kind} new connection"
    for index, way in rig.turns(rounds, list(place.ways)):
        seen = place.load(way, "handshakes", "--connections", 1, "--count",
                          count)
        result.add(name, way, index, seen["seconds"] / count * 1e6,
                   connect_p50_us=seen["p50_us"], connect_p99_us=seen["p99_us"],
                   cpu_us=seen["cpu_us"] / count)


def bulk(place, result, rounds, total):
    name = f"{place.kind} bulk"
    for index, way in rig.turns(rounds, list(place.ways)):
        seen = place.load(way, "bulk", "--connections", 1, "--count", 1,
                          "--size", total)
        gigabytes = total / 1e9
        result.add(name, way, index, seen["seconds"] / gigabytes,
                   **{"GB/s": gigabytes / seen["seconds"],
                      "cpu s/GB": seen["cpu_us"] / 1e6 / gigabytes})


def compare(result):
    for case, by_way in result.figures.items():
        way = list(by_way)[-1]
        middle, bounds = result.ratio(case, way, "addressed")
        beside = f" (95 %: {bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else ""
        print(f"    {case}: {way} is {middle:.3f} x addressed{beside}")


def main():
    options = rig.options(__doc__)
    lacking = worlds.why_not()
    if lacking:
        print(f"redirect: left out: {lacking}")
        return
    rounds = options.rounds or (3 if options.quick else 16)
    count = 300 if options.quick else 2000
    total = (64 if options.quick else 256) * MIB
    worlds.private_mounts()
    connects = report.Report("redirect", "us", options, [proxies.Millrace])
    moves = report.Report("redirect-bulk", "s/GB", options, [proxies.Millrace])
    connects.note("settings", f"{count} connections a run, one after another, "
                  f"each with one empty exchange; {rounds} rounds, one worker, "
                  "no TLS, veth, pinned")
    moves.note("settings", f"{total // MIB} MiB down on one connection a run; "
               f"{rounds} rounds, one worker, no TLS, veth, pinned")
    for kind in ("egress", "ingress"):
        if options.cases not in kind:
            continue
        with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
            world = worlds.World(None, folder)
            try:
                place = Place(world, kind)
                new_connections(place, connects, rounds, count)
                bulk(place, moves, rounds, total)
            finally:
                world.close()
    for result in (connects, moves):
        result.write()
        compare(result)


if __name__ == "__main__":
    main()
