# SPDX-License-Identifier: BSD-2-Clause
"""What does a gigabyte cost? CPU seconds of the proxy for each, in both
directions, and by the records' size; the floor is a plain relay plus what
AES-128-GCM costs alone. On half a CPU it is the proxy that bounds the rate."""

import subprocess

from lab import proxies, report, rig

MIB = 1 << 20


def cases(quick, limited):
    """kind, way, connections, what the records that the proxy opens hold
    (None: 16 KiB; smaller ones would take minutes on half a CPU)."""
    if quick:
        return [("terminate", "down", 1, None), ("terminate", "up", 1, None),
                ("originate", "down", 1, None)]
    small = [] if limited else [
        (kind, way, 1, record)
        for kind, way in (("terminate", "up"), ("originate", "down"))
        for record in (4096, 1024)]
    return [(kind, way, connections, None)
            for kind in ("terminate", "originate", "both")
            for way in ("down", "up") for connections in (1, 64)] + small


def name_of(kind, way, connections, record):
    return f"{kind} {way} {connections}" + (
        f" records of {record}" if record else "")


def crypto_seconds():
    """Of a gigabyte."""
    rate = float(subprocess.run([proxies.LOAD, "crypto"], check=True,
                                stdout=subprocess.PIPE, text=True).stdout)
    return 1e9 / rate


def run_once(lab, proxy, way, connections, record, total):
    """CPU seconds for each GB; GB/s and the kernel's share beside it."""
    share = total // connections
    options = ["--size", share] if way == "down" else ["--size", 0, "--body", share]
    if record and proxy.tls_in():
        options += ["--record", record]
    seen = lab.load(proxy, "bulk", "--connections", connections, "--count",
                    connections, *options)
    gigabytes = share * connections / 1e9
    return (seen["cpu_seconds"] / gigabytes,
            {"GB/s": gigabytes / seen["seconds"], "kernel": seen["kernel"]})


def ask(lab, result, relay, name, case, limited, rounds, total):
    kind, way, connections, record = case
    origin = None
    if record and kind == "originate":
        origin = lab.start_tls_origin("--record", record)
    running = [lab.start(proxy, kind, origin=origin, limited=limited)
               for proxy in result.proxies if kind in proxy.kinds]
    # The relay's records are not smaller, and its CPU is a whole one.
    floor = [] if record or limited else [relay]
    for index, proxy in rig.turns(rounds, floor + running):
        cost, beside = run_once(lab, proxy, way, connections, record, total)
        if proxy is relay:
            crypto = crypto_seconds() * (2 if kind == "both" else 1)
            result.add(name, "floor", index, cost + crypto)
        else:
            result.add(name, proxy.name, index, cost, **beside)
    for proxy in running:
        lab.stop(proxy)


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
        for called, limited in lab.modes(result):
            for case in cases(options.quick, limited):
                name = name_of(*case) + called
                if options.cases in name:
                    ask(lab, result, relay, name, case, limited, rounds, total)
    result.write()


if __name__ == "__main__":
    main()
