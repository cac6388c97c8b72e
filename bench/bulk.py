# SPDX-License-Identifier: BSD-2-Clause
"""What does a gigabyte cost? CPU seconds of the proxy for each, in both
directions; the floor is a plain relay plus what AES-128-GCM costs alone."""

import subprocess

from lab import proxies, report, rig

MIB = 1 << 20


def cases(quick):
    if quick:
        return [("terminate", "down", 1), ("terminate", "up", 1),
                ("originate", "down", 1)]
    return [(kind, way, connections)
            for kind in ("terminate", "originate", "both")
            for way in ("down", "up") for connections in (1, 64)]


def crypto_seconds():
    """Of a gigabyte."""
    rate = float(subprocess.run([proxies.LOAD, "crypto"], check=True,
                                stdout=subprocess.PIPE, text=True).stdout)
    return 1e9 / rate


def run_once(lab, proxy, way, connections, total):
    """CPU seconds for each GB; GB/s and the kernel's share beside it."""
    share = total // connections
    size = ["--size", share] if way == "down" else ["--size", 0, "--body", share]
    seen = lab.load(proxy, "bulk", "--connections", connections, "--count",
                    connections, *size)
    gigabytes = share * connections / 1e9
    return (seen["cpu_seconds"] / gigabytes,
            {"GB/s": gigabytes / seen["seconds"], "kernel": seen["kernel"]})


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (3 if options.quick else 16)
    total = (128 if options.quick else 256) * MIB
    chosen = proxies.chosen(options.peers)
    result = report.Report("bulk", "CPU s/GB", options, chosen)
    result.note("settings", f"{total // MIB} MiB a run, {rounds} rounds, one "
                f"thread, TLS 1.3, {proxies.SUITE}, ECDSA P-256, pinned")
    with rig.Rig() as lab:
        relay = lab.start(proxies.Relay, "plain")
        for kind in ("terminate", "originate", "both"):
            todo = [case for case in cases(options.quick) if case[0] == kind
                    and (options.cases or "") in " ".join(map(str, case))]
            if not todo:
                continue
            running = [relay] + [lab.start(proxy, kind) for proxy in chosen
                                 if kind in proxy.kinds]
            for _, way, connections in todo:
                name = f"{kind} {way} {connections}"
                for index, proxy in rig.turns(rounds, running):
                    cost, beside = run_once(lab, proxy, way, connections, total)
                    if proxy is relay:
                        crypto = crypto_seconds() * (2 if kind == "both" else 1)
                        result.add(name, "floor", index, cost + crypto)
                    else:
                        result.add(name, proxy.name, index, cost, **beside)
            for proxy in running[1:]:
                lab.stop(proxy)
    result.write()


if __name__ == "__main__":
    main()
