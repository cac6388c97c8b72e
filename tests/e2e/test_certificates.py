# SPDX-License-Identifier: BSD-2-Clause
"""The table of certificates: what a peer shows, what is demanded of it, and
what becomes of it, with the program as the server and as the client. Each
refusal has its counter, its alert, and its words in the log."""

import dataclasses
import ssl

import pytest

import millrace as program
import origin as origins
import stats
import streams
from casecerts import CaseCerts, Recipe
from millrace import cluster, listener
from streams import Payload
from waiting import FACTOR

HELLO = Payload(7, 200)
NAME = "app.apps.local"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """None for all of it: accepted."""

    stat: str = None
    alert: str = None
    words: tuple = ()


OK = Verdict()
NAMES = Verdict("fail_verify_san", "bad certificate",
                ("none of the expected names", "presented", "expected"))
PINS = Verdict("fail_verify_cert_hash", "bad certificate", ("pinned",))


def chain(alert, *words):
    return Verdict("fail_verify_error", alert, words)


EXPIRED = chain("certificate expired", "expired", "it ended on 2021-01-01")
EARLY = chain("bad certificate", "not yet valid", "it begins on 2040-01-01")
UNKNOWN = chain("unknown ca", "local issuer", "another authority")
USAGE = chain("unsupported certificate", "does not allow it to be a TLS")
REVOKED = chain("certificate revoked", "revoked", "listed in")
NO_CERT = Verdict("fail_verify_no_cert", "certificate required",
                  ("showed no certificate",))

GOOD = Recipe()
STOLEN = Recipe(cn="stolen")
NO_SAN = Recipe(sans=(), cn=NAME)
OTHER_SAN = Recipe(sans=("DNS:other.apps.local",), cn=NAME)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    shown: Recipe
    verdict: Verdict
    names: tuple = (NAME,)
    as_client: Verdict = None  # where it differs when the peer is a client
    demands: tuple = ()        # the rest of `validation`, as pairs
    trust: tuple = ("root",)
    crl: tuple = None          # of CaseCerts.crl
    pins: tuple = ()
    version: str = "1.3"


def sans(*names):
    return Recipe(sans=names)


def by_name(name, presented, expected, verdict, **more):
    return Case(name, sans(*presented), verdict, names=expected, **more)


def match(kind, text):
    return (("match", ({kind: text},)),)


CN_TOO = (("name_check", "cn-or-san"),)
SPIFFE = "spiffe://mesh.local/ns/a/sa/web"

CASES = [
    # ---- the chain
    Case("valid", GOOD, OK),
    Case("valid-tls12", GOOD, OK, version="1.2"),
    Case("valid-rsa", Recipe(key="rsa"), OK),
    Case("valid-p384", Recipe(key="p384"), OK),
    Case("valid-ed25519", Recipe(key="ed25519"), OK),
    Case("from-root", Recipe(issuer="root", send=()), OK),
    Case("root-sent-too", Recipe(send=("inter", "root")), OK),
    Case("trust-has-intermediate", Recipe(send=()), OK,
         trust=("root", "inter")),
    Case("two-trusted", Recipe(issuer="stranger", send=()), OK,
         trust=("root", "stranger")),
    Case("expired", Recipe(when="past"), EXPIRED),
    Case("expired-tls12", Recipe(when="past"), EXPIRED, version="1.2"),
    Case("not-yet-valid", Recipe(when="future"), EARLY),
    Case("wrong-issuer", Recipe(issuer="stranger", send=("stranger",)),
         chain("unknown ca", "self-signed certificate in", "does not hold")),
    Case("wrong-issuer-no-root", Recipe(issuer="stranger", send=()), UNKNOWN),
    Case("wrong-issuer-tls12", Recipe(issuer="stranger", send=()), UNKNOWN,
         version="1.2"),
    Case("missing-intermediate", Recipe(send=()), UNKNOWN),
    Case("wrong-intermediate", Recipe(send=("tight",)), UNKNOWN),
    Case("self-signed", Recipe(issuer=None, send=()),
         chain("unknown ca", "self-signed", "does not hold")),
    Case("issuer-is-no-authority", Recipe(issuer="leafca", send=("leafca",)),
         chain("unknown ca", "invalid CA certificate")),
    Case("path-too-long", Recipe(issuer="below", send=("below", "short")),
         chain("unknown ca", "path length")),
    Case("name-constraint-kept", Recipe(issuer="tight", send=("tight",)), OK),
    Case("name-constraint-broken",
         Recipe(issuer="tight", send=("tight",), sans=("DNS:app.evil.local",)),
         chain("certificate unknown", "permitted subtree"),
         names=("app.evil.local",)),
    Case("weak-rsa", Recipe(key="weak"), chain("bad certificate", "too weak")),
    Case("unknown-critical-extension",
         Recipe(extra="1.2.3.4=critical,ASN1:NULL"),
         chain("certificate unknown", "unhandled critical")),
    # ---- its usage
    Case("server-only", Recipe(eku="serverAuth"), OK, as_client=USAGE),
    Case("client-only", Recipe(eku="clientAuth"), USAGE, as_client=OK),
    Case("no-usage-named", Recipe(eku=""), OK),
    Case("code-signing", Recipe(eku="codeSigning"), USAGE),
    Case("code-signing-tls12", Recipe(eku="codeSigning"), USAGE,
         version="1.2"),
    Case("key-usage-crl-only", Recipe(usage="cRLSign"), USAGE),
    # ---- names, by the rule of subject alternative names
    by_name("dns", ["DNS:app.apps.local"], [NAME], OK),
    by_name("dns-case", ["DNS:APP.Apps.LOCAL"], ["app.apps.LOCAL"], OK),
    by_name("dns-second", ["DNS:a.local", "DNS:app.apps.local"], [NAME], OK),
    by_name("dns-second-expected", ["DNS:app.apps.local"], ["x.y", NAME], OK),
    by_name("dns-other", ["DNS:other.apps.local"], [NAME], NAMES),
    by_name("dns-tls12", ["DNS:other.apps.local"], [NAME], NAMES,
            version="1.2"),
    by_name("dns-suffix-only", ["DNS:apps.local"], [NAME], NAMES),
    by_name("dns-longer", ["DNS:app.apps.local.evil"], [NAME], NAMES),
    by_name("wildcard", ["DNS:*.apps.local"], [NAME], OK),
    by_name("wildcard-top", ["DNS:*.local"], ["app.local"], OK),
    by_name("wildcard-part", ["DNS:a*p.apps.local"], [NAME], OK),
    by_name("wildcard-two-labels", ["DNS:*.local"], [NAME], NAMES),
    by_name("wildcard-no-label", ["DNS:*.apps.local"], ["apps.local"], NAMES),
    by_name("wildcard-not-leftmost", ["DNS:app.*.local"], [NAME], NAMES),
    by_name("wildcard-twice", ["DNS:*.*.local"], [NAME], NAMES),
    by_name("wildcard-in-a-label", ["DNS:xn--a*.apps.local"],
            ["xn--abc.apps.local"], NAMES),
    by_name("expected-is-no-pattern", ["DNS:app.apps.local"],
            ["*.apps.local"], NAMES),
    by_name("uri", [f"URI:{SPIFFE}"], [SPIFFE], OK),
    by_name("uri-case", [f"URI:{SPIFFE}"], [SPIFFE.upper()], NAMES),
    by_name("uri-longer", [f"URI:{SPIFFE}/x"], [SPIFFE], NAMES),
    by_name("uri-is-no-dns", ["URI:spiffe://app.apps.local"], [NAME], NAMES),
    by_name("ip", ["IP:10.1.2.3"], ["10.1.2.3"], OK),
    by_name("ip6", ["IP:fd00::1"], ["fd00:0:0::1"], OK),
    by_name("ip-other", ["IP:10.1.2.4"], ["10.1.2.3"], NAMES),
    by_name("ip-as-dns", ["DNS:10.1.2.3"], ["10.1.2.3"],
            OK),
    Case("no-san", NO_SAN, NAMES),
    Case("cn-never", OTHER_SAN, NAMES),
    # ---- names, by the rule of 2020
    Case("cn", NO_SAN, OK, demands=CN_TOO),
    Case("cn-beside-other-san", OTHER_SAN, OK, demands=CN_TOO),
    Case("cn-wildcard", Recipe(sans=(), cn="*.apps.local"), OK,
         demands=CN_TOO),
    Case("cn-wildcard-too-deep", Recipe(sans=(), cn="*.local"), NAMES,
         demands=CN_TOO),
    Case("cn-neither", Recipe(sans=("DNS:other.apps.local",), cn="nobody"),
         NAMES, demands=CN_TOO),
    Case("san-still-counts", Recipe(cn="nobody"), OK, demands=CN_TOO),
    # ---- matchers
    Case("prefix", sans(f"URI:{SPIFFE}"), OK, names=(),
         demands=match("prefix", "spiffe://mesh.local/ns/a/")),
    Case("prefix-other", sans(f"URI:{SPIFFE}"), NAMES, names=(),
         demands=match("prefix", "spiffe://mesh.local/ns/b/")),
    Case("suffix", GOOD, OK, names=(), demands=match("suffix", ".apps.local")),
    Case("suffix-other", GOOD, NAMES, names=(),
         demands=match("suffix", ".evil.local")),
    Case("regex", GOOD, OK, names=(),
         demands=match("regex", r"[a-z]+\.apps\.local")),
    Case("regex-is-of-all", GOOD, NAMES, names=(),
         demands=match("regex", "apps")),
    # ---- pinned
    Case("pinned", GOOD, OK, pins=(STOLEN, GOOD)),
    Case("pinned-other", GOOD, PINS, pins=(STOLEN,)),
    Case("pinned-tls12", GOOD, PINS, pins=(STOLEN,), version="1.2"),
    # ---- revoked
    Case("not-revoked", GOOD, OK, crl=("inter", (STOLEN,))),
    Case("revoked", STOLEN, REVOKED, crl=("inter", (STOLEN,))),
    Case("revoked-tls12", STOLEN, REVOKED, crl=("inter", (STOLEN,)),
         version="1.2"),
    Case("list-of-another", GOOD,
         chain("unknown ca", "unable to get certificate CRL",
               "holds no list of its issuer"), crl=("root", ())),
    Case("list-out-of-date", GOOD,
         chain("certificate expired", "CRL has expired", "fetch the next"),
         crl=("inter", (), True)),
]


# Where the machine is emulated every case takes one role, in turn.
AS_CLIENT, AS_SERVER = ((CASES, CASES) if FACTOR <= 4 else
                        (CASES[0::2], CASES[1::2]))


def demanded(case, made):
    """The case's `validation`, and a key for those that share one."""
    validation = {"trust": {"file": str(made.bundle(*case.trust))}}
    if case.names:
        validation["names"] = list(case.names)
    for key, value in case.demands:
        validation[key] = list(value) if isinstance(value, tuple) else value
    if case.pins:
        validation["certificate_sha256"] = [
            made.fingerprint(recipe) for recipe in case.pins]
    if case.crl:
        validation["crl"] = {"file": str(made.crl(*case.crl))}
    return validation


class Bench:
    """One run: for each set of demands, a listener that makes them of clients
    and a cluster that makes them of its server."""

    def __init__(self, folder, certs):
        self.made = CaseCerts(folder)
        self.trusted = certs
        self.app = origins.Origin(origins.echo)
        self.server = origins.Origin(origins.echo)
        self.names = {}
        listeners, clusters = [], [cluster(self.app.address)]
        for case in CASES:
            validation = demanded(case, self.made)
            key = repr(validation)
            if key in self.names:
                continue
            name = self.names[key] = f"demand{len(self.names)}"
            listeners.append(listener(
                certs.ecdsa.server_tls(validation=validation), name=name))
            listeners.append(listener(name=f"to-{name}", cluster=f"{name}-up"))
            clusters.append(cluster(self.server.address, name=f"{name}-up", tls={
                "validation": validation, "server_name": NAME}))
        self.run = program.Millrace(folder, listeners, clusters)
        self.run.start()

    def close(self):
        self.run.stop()
        self.app.close()
        self.server.close()

    def name(self, case):
        return self.names[repr(demanded(case, self.made))]


@pytest.fixture(scope="module")
def bench(tmp_path_factory, certs):
    made = Bench(tmp_path_factory.mktemp("cases"), certs)
    yield made
    made.close()


def tls_stats(run, scope):
    prefix = f"{run.scope(scope)}.ssl."
    status, body = stats.get(
        run.admin, f"/stats?filter=^{prefix.replace('.', '[.]')}")
    assert status == 200, body
    return {name[len(prefix):]: value
            for name, value in stats.parse(body).items()}


def moved(before, after):
    """The counters of refusal that rose, and by how much."""
    return {name: after[name] - before.get(name, 0) for name in after
            if after[name] != before.get(name, 0) and
            (name.startswith("fail_") or name == "connection_error")}


def check(bench, scope, before, seen, verdict, entry):
    """The counter and the words agree with the verdict, and nothing else
    moved."""
    refusals = moved(before, tls_stats(bench.run, scope))
    assert refusals == ({verdict.stat: 1} if verdict.stat else {}), refusals
    # Waited for in any case: the next case counts on from here.
    line = bench.run.log.wait_count(seen + 1, listener=entry,
                                    msg="connection ended")[-1]
    for words in verdict.words if verdict.stat else ():
        assert words in line["error"], line


def ended(bench, entry):
    return len(bench.run.log.lines(listener=entry, msg="connection ended"))


VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def reason(error):
    """"TLSV1_ALERT_UNKNOWN_CA" is the alert "unknown ca"."""
    return error.reason.partition("_ALERT_")[2].lower().replace("_", " ")


@pytest.mark.names
@pytest.mark.parametrize("case", AS_CLIENT, ids=lambda case: case.name)
def test_of_clients(bench, case):
    """The peer is a client: its listener judges."""
    verdict = case.as_client or case.verdict
    name = bench.name(case)
    context = streams.client_context(bench.trusted, VERSIONS[case.version])
    leaf = bench.made.leaf(case.shown)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(leaf.chain, leaf.key)
    before, seen = tls_stats(bench.run, name), ended(bench, name)
    alert = None
    try:
        caller = streams.dial(bench.run.address(name), context)
        got = streams.exchange(caller, HELLO)
        caller.close()
        if got.end not in ("clean", "reset"):
            alert = got.end.partition("_ALERT_")[2].lower().replace("_", " ")
        if not verdict.stat:
            got.assert_is(HELLO)
    except ssl.SSLError as error:
        alert = reason(error)
    assert alert == verdict.alert
    check(bench, name, before, seen, verdict, name)


def called(address):
    """What a caller gets; its reset may come while connect() is still on its
    way back."""
    try:
        caller = streams.dial(address)
    except ConnectionResetError:
        return streams.Outcome(0, "", "reset")
    got = streams.exchange(caller, HELLO)
    caller.close()
    return got


@pytest.mark.names
@pytest.mark.parametrize("case", AS_SERVER, ids=lambda case: case.name)
def test_of_servers(bench, case):
    """The peer is the upstream: its cluster judges, and the caller is reset."""
    name = bench.name(case)
    scope = f"{name}-up"
    leaf = bench.made.leaf(case.shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    streams.tell_truncation(context)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = VERSIONS[case.version]
    context.load_cert_chain(leaf.chain, leaf.key)
    bench.server.tls = context
    entry = f"to-{name}"
    before, seen = tls_stats(bench.run, scope), ended(bench, entry)
    got = called(bench.run.address(entry))
    if case.verdict.stat:
        assert got.end == "reset" and got.size == 0, got
        with pytest.raises(ssl.SSLError) as raised:
            bench.server.take()
        assert reason(raised.value) == case.verdict.alert
    else:
        got.assert_is(HELLO)
        assert bench.server.take() == HELLO.size
    check(bench, scope, before, seen, case.verdict, entry)


@pytest.mark.names
@pytest.mark.parametrize("version", VERSIONS)
def test_none_shown(bench, version):
    """A client without a certificate. TLS 1.2 has no alert of its own for
    it."""
    name = bench.name(CASES[0])
    before, seen = tls_stats(bench.run, name), ended(bench, name)
    context = streams.client_context(bench.trusted, VERSIONS[version])
    try:
        caller = streams.dial(bench.run.address(name), context)
        alert = streams.exchange(caller, HELLO).end
        caller.close()
    except ssl.SSLError as error:
        alert = error.reason
    assert alert == ("TLSV13_ALERT_CERTIFICATE_REQUIRED" if version == "1.3"
                     else "SSLV3_ALERT_HANDSHAKE_FAILURE")
    check(bench, name, before, seen, NO_CERT, name)
