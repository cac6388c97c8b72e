# SPDX-License-Identifier: BSD-2-Clause
"""What does a new connection cost? CPU microseconds of the proxy for a TCP
connection, its handshake, the connection to the origin, one empty exchange
and the end of it all. The floor is a server of OpenSSL that answers itself, plus
what a plain relay's connection to the origin costs: the relay's cost less that of
the same server without TLS. 4 at once, as fast as the load can; then 64 at
once, which on half a CPU the proxy cannot keep up with."""

from lab import proxies, report, rig

FLOOR = ((proxies.Server, "terminate", 1), (proxies.Relay, "plain", 1),
         (proxies.Server, "plain", -1))
AT_ONCE = 64


def cases(quick):
    """Name, certificate, whether clients show one too, load's options."""
    if quick:
        return [("full ecdsa", "ecdsa", False, []),
                ("resumed", "ecdsa", False, ["--resume"])]
    return [("full ecdsa", "ecdsa", False, []),
            ("full rsa", "rsa", False, []),
            ("mutual ecdsa", "ecdsa", True, []),
            ("resumed", "ecdsa", False, ["--resume"])]


def ask(lab, result, name, case, limited, rounds, count):
    _, kind, mutual, more = case
    if limited:
        more = [*more, "--connections", AT_ONCE]
    certs = lab.certs[kind]
    floor = [] if mutual else [
        (lab.start(proxy, does, certs=kind, limited=limited), sign)
        for proxy, does, sign in FLOOR]
    # Hitch takes no client certificates.
    running = [lab.start(proxy, "terminate", certs=kind, mutual=mutual,
                         limited=limited)
               for proxy in result.proxies
               if not (mutual and proxy is proxies.Hitch)]
    if mutual:
        more = [*more, "--chain", certs.chain, "--key", certs.key]

    def cost_of(proxy):
        seen = lab.load(proxy, "handshakes", "--count", count,
                        *(more if proxy.tls_in() else []))
        return seen["cpu_seconds"] / seen["count"] * 1e6, seen

    for index, proxy in rig.turns(rounds, ([floor] if floor else []) + running):
        if proxy is floor:
            result.add(name, "floor", index,
                       sum(sign * cost_of(part)[0] for part, sign in floor))
            continue
        try:
            cost, seen = cost_of(proxy)
        except RuntimeError as why:
            if isinstance(proxy, proxies.Millrace) or proxy.name in proxies.NEEDED:
                raise
            result.note(f"{name}, {proxy.name}", f"left out: {why}")
            continue
        result.add(name, proxy.name, index, cost, p50=seen["p50_us"],
                   p99=seen["p99_us"], rate=seen["count"] / seen["seconds"],
                   kernel=seen["kernel"])
    for proxy in [*(one for one, _ in floor), *running]:
        lab.stop(proxy)


def main():
    options = rig.options(__doc__)
    rounds = options.rounds or (3 if options.quick else 16)
    count = 200 if options.quick else 600
    chosen = proxies.chosen(options.peers)
    result = report.Report("handshakes", "CPU us", options, chosen)
    result.note("settings", f"{count} a run, {rounds} rounds, one thread, TLS "
                f"1.3, {proxies.SUITE}, X25519, pinned")
    with rig.Rig() as lab:
        for called, limited in lab.modes(result):
            for case in cases(options.quick):
                name = case[0] + called
                if options.cases in name:
                    ask(lab, result, name, case, limited, rounds, count)
    result.write()


if __name__ == "__main__":
    main()
