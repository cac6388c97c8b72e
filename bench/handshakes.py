# SPDX-License-Identifier: BSD-2-Clause
"""What does a new connection cost? CPU microseconds of the proxy for a TCP
connection, its handshake, the connection to the origin, one empty exchange
and the end of it all; the floor is the same through a plain relay."""

from lab import proxies, report, rig


def cases(quick):
    """Name, certificate, whether clients show one too, load's options."""
    if quick:
        return [("full ecdsa", "ecdsa", False, []),
                ("resumed", "ecdsa", False, ["--resume"])]
    return [("full ecdsa", "ecdsa", False, []),
            ("full rsa", "rsa", False, []),
            ("mutual ecdsa", "ecdsa", True, []),
            ("resumed", "ecdsa", False, ["--resume"])]


def ask(lab, result, case, options, rounds, count):
    name, kind, mutual, more = case
    certs = lab.certs[kind]
    if mutual:
        more = [*more, "--chain", certs.chain, "--key", certs.key]
    # Hitch takes no client certificates.
    chosen = [proxy for proxy in result.proxies
              if not (mutual and proxy is proxies.Hitch)]
    with lab.compare(chosen, "terminate", rounds, certs=kind,
                     mutual=mutual) as turns:
        for index, proxy in turns:
            try:
                seen = lab.load(proxy, "handshakes", "--count", count, *more)
            except RuntimeError as why:
                if proxy.name in proxies.NEEDED or proxy is proxies.Millrace:
                    raise
                result.note(f"{name}, {proxy.name}", f"left out: {why}")
                continue
            result.add(name, proxy.name, index,
                       seen["cpu_seconds"] / seen["count"] * 1e6,
                       p50=seen["p50_us"], p99=seen["p99_us"],
                       rate=seen["count"] / seen["cpu_seconds"])


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (3 if options.quick else 16)
    count = 200 if options.quick else 1000
    chosen = proxies.chosen(options.peers)
    result = report.Report("handshakes", "CPU us", options, chosen)
    result.note("settings", f"{count} a run, {rounds} rounds, one thread, TLS "
                f"1.3, {proxies.SUITE}, X25519, pinned; rate: for each CPU "
                "second of the proxy")
    with rig.Rig() as lab:
        for case in cases(options.quick):
            if (options.cases or "") in case[0]:
                ask(lab, result, case, options, rounds, count)
    result.write()


if __name__ == "__main__":
    main()
