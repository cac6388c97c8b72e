# SPDX-License-Identifier: BSD-2-Clause
"""Trust and revocation lists that change under open connections: those whose
peer is trusted no longer end, with the alert that says why; the others go on.
And sessions, which are resumed only under the demands they were made under."""

import datetime
import ssl

import pytest

import origin as origins
import streams
from casecerts import Recipe
from millrace import cluster, listener
from streams import Payload
from waiting import FACTOR, until

HELLO = Payload(5, 300)
GOOD = Recipe()
STOLEN = Recipe(cn="stolen")
KEPT = "certificate renewed"


def client(certs, made, recipe, version=ssl.TLSVersion.TLSv1_3):
    context = streams.client_context(certs, version)
    leaf = made.leaf(recipe)
    context.load_cert_chain(leaf.chain, leaf.key)
    return context


def speak(caller):
    streams.exchange(caller, HELLO, expect=HELLO.size, finish=False)


def demands(tmp_path, made, **more):
    """A `validation` whose files may be written anew."""
    crl, trust = tmp_path / "crl.pem", tmp_path / "trust.pem"
    crl.write_text(made.crl("inter").read_text())
    trust.write_text(made.authority("root").read_text())
    return crl, trust, {"trust": {"file": str(trust)},
                        "crl": {"file": str(crl)}, **more}


@pytest.mark.names
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_client_revoked(start, origin, certs, made, tmp_path, version):
    """Connected afresh, resumed, and an innocent one beside them."""
    tls = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    app = origin(origins.echo)
    crl, _, validation = demands(tmp_path, made)
    run = start([listener(certs.ecdsa.server_tls(validation=validation))],
                [cluster(app.address)])
    context = client(certs, made, STOLEN, tls[version])
    first = streams.dial(run.address(), context)
    speak(first)
    resumed = streams.dial(run.address(), context, session=first.ssl.session)
    speak(resumed)
    assert resumed.ssl.session_reused
    innocent = streams.dial(run.address(), client(certs, made, GOOD))
    speak(innocent)
    session = resumed.ssl.session

    crl.write_text(made.crl("inter", (STOLEN,)).read_text())
    for caller in (first, resumed):
        got = streams.exchange(caller, finish=False)
        assert got.end == "SSLV3_ALERT_CERTIFICATE_REVOKED", got
        caller.close()
    lines = run.ended(2, reason="peer_untrusted")
    assert "revoked" in lines[0]["error"], lines
    run.wait_stat("millrace.peer_untrusted", 2)
    speak(innocent)
    # What was resumed before is refused now.
    with pytest.raises(ssl.SSLError):
        caller = streams.dial(run.address(), context, session=session)
        end = streams.exchange(caller, HELLO).end
        caller.close()
        raise ssl.SSLError(end)
    assert run.stat("ssl.fail_verify_error") == 1
    # Trust that is written anew, but says the same, ends nothing.
    crl.write_text("# a comment\n" + crl.read_text())
    speak(innocent)
    streams.exchange(innocent, HELLO).assert_is(HELLO)
    innocent.close()


@pytest.mark.names
def test_authority_replaced(start, origin, certs, made, tmp_path):
    app = origin(origins.echo)
    _, trust, validation = demands(tmp_path, made)
    del validation["crl"]
    run = start([listener(certs.ecdsa.server_tls(validation=validation))],
                [cluster(app.address)])
    foreign = Recipe(issuer="stranger", send=())
    trust.write_text(made.bundle("root", "stranger").read_text())
    until(lambda: accepted(run, client(certs, made, foreign)),
          "the second authority", 2)
    # Those that tried would be judged too; and each worker knows by now.
    until(lambda: run.active() == 0, "the end of those that tried")
    ours = streams.dial(run.address(), client(certs, made, GOOD))
    theirs = streams.dial(run.address(), client(certs, made, foreign))
    speak(ours)
    speak(theirs)
    trust.write_text(made.authority("root").read_text())
    assert streams.exchange(theirs, finish=False).end == \
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN"
    theirs.close()
    speak(ours)
    streams.exchange(ours, HELLO).assert_is(HELLO)
    ours.close()
    assert run.stat("millrace.peer_untrusted") == 1


def accepted(run, context):
    try:
        caller = streams.dial(run.address(), context)
        good = streams.exchange(caller, HELLO).end == "clean"
        caller.close()
        return good
    except ssl.SSLError:
        return False


@pytest.mark.names
def test_server_revoked(start, origin, certs, made, tmp_path):
    app = origin(origins.echo, tls=streams.server_context(made.leaf(STOLEN)))
    crl, _, validation = demands(tmp_path, made)
    run = start([listener()], [cluster(app.address, tls={
        "server_name": certs.name, "validation": validation})])
    caller = streams.dial(run.address())
    speak(caller)
    crl.write_text(made.crl("inter", (STOLEN,)).read_text())
    assert streams.exchange(caller, finish=False).end == "reset"
    caller.close()
    run.ended(reason="peer_untrusted")
    assert run.stat("millrace.peer_untrusted", "app") == 1


@pytest.mark.names
def test_closed_at_expiry(start, origin, certs, made, tmp_path):
    """at_expiry: close ends a connection with its peer's certificate; keep,
    which is the default, does not."""
    app = origin(origins.echo)
    _, _, validation = demands(tmp_path, made)
    run = start([listener(certs.ecdsa.server_tls(
                    validation={**validation, "at_expiry": "close"})),
                 listener(certs.ecdsa.server_tls(validation=validation),
                          name="keeps")],
                [cluster(app.address)])
    # Whole seconds: one is lost.
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=3 * FACTOR + 1)
    short = Recipe(when=ends.strftime("%y%m%d%H%M%SZ"))
    context = client(certs, made, short)
    closed = streams.dial(run.address(), context)
    kept = streams.dial(run.address("keeps"), context)
    speak(closed)
    speak(kept)
    assert streams.exchange(closed, finish=False).end == \
        "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    closed.close()
    assert datetime.datetime.now(datetime.timezone.utc) >= \
        ends.replace(microsecond=0)
    run.ended(reason="peer_expired")
    assert run.stat("millrace.peer_expired") == 1
    speak(kept)
    kept.close()


@pytest.mark.names
def test_sessions_of_other_demands(start, origin, certs, made, tmp_path):
    """A session is not resumed once the configuration demands other things,
    nor at another listener."""
    app = origin(origins.echo)
    _, trust, validation = demands(tmp_path, made)
    tls = certs.ecdsa.server_tls(validation=validation)
    run = start([listener(tls), listener(tls, name="other")],
                [cluster(app.address)])
    context = client(certs, made, GOOD)
    first = streams.dial(run.address(), context)
    speak(first)
    again = streams.dial(run.address(), context, session=first.ssl.session)
    speak(again)
    assert again.ssl.session_reused
    other = streams.dial(run.address("other"), context,
                         session=first.ssl.session)
    assert not other.ssl.session_reused
    trust.write_text(made.bundle("root", "tight").read_text())
    until(lambda: not reused(run, context, again.ssl.session),
          "a full handshake", 3)
    for caller in (first, again, other):
        speak(caller)
        caller.close()


def reused(run, context, session):
    caller = streams.dial(run.address(), context, session=session)
    speak(caller)
    caller.close()
    return caller.ssl.session_reused
