# SPDX-License-Identifier: BSD-2-Clause
"""What peers may, and may not, send after the handshake beside data: both
sides of the program, both engines."""

import socket

import pytest

import forge as forges
import origin as origins
import streams
from forge import ALERT, DATA, HANDSHAKE, Forge, message, ticket
from forge import key_update as update
from millrace import ENGINE, cluster, listener
from streams import Payload
from test_rekey import can_rekey

pytestmark = pytest.mark.bad_peers

SMALL = Payload(6, 3000)
WARNING = b"\1\x5a"  # user_canceled: the one warning that TLS 1.3 has left


def honestly(stream):
    """Receives SMALL, answers with SMALL; tells what came, and the end."""
    got = streams.exchange(stream, expect=SMALL.size, finish=False)
    if got.end == "open":
        rest = streams.exchange(stream, SMALL)
        got.size += rest.size
        got.end = rest.end
    return got


class Meeting:
    """A forging peer on one side of the program, an honest one on the other;
    what each received."""

    def __init__(self, start, origin, certs, folder, side):
        self.side = side
        self.scope = "ingress" if side == "client" else "app"
        self.certs = certs
        self.folder = folder
        if side == "client":
            app = origin(honestly)
            self.run = start([listener(certs.ecdsa.server_tls(ciphersuites=forges.SUITE))],
                             [cluster(app.address)])
        else:
            context = forges.keep_secrets(streams.server_context(certs.ecdsa), folder)
            context.num_tickets = 0
            app = origin(self._serve, tls=context)
            # The engines are asked: no OpenSSL that waits for tickets.
            self.run = start([listener()], [cluster(app.address, tls=certs.upstream_tls(
                ciphersuites=forges.SUITE, resumption="disabled"))])
        self.app = app

    def _serve(self, stream):
        self.script(Forge(stream, self.folder, server_side=True))
        return streams.exchange(stream, finish=False)

    def play(self, script):
        """(what the honest one received, what the forger did)."""
        self.script = script
        if self.side == "client":
            context = forges.keep_secrets(streams.client_context(self.certs), self.folder)
            caller = streams.dial(self.run.address(), context)
            script(Forge(caller, self.folder))
            forged = streams.exchange(caller, finish=False)
            caller.close()
            return self.app.take(), forged
        try:
            caller = streams.dial(self.run.address())
        except ConnectionResetError:
            return streams.Outcome(0, "", "reset"), self.app.take()
        honest = honestly(caller)
        caller.close()
        return honest, self.app.take()

    def stat(self, name):
        return self.run.stat(name, self.scope)

    def settle(self):
        """Waits for the engine that is asked for: what comes with the handshake is
        the user engine's in any case."""
        if ENGINE == "kernel":
            self.run.wait_stat("millrace.engine.rx_kernel", 1, self.scope)


@pytest.fixture(params=["client", "server"])
def meeting(request, start, origin, certs, tmp_path):
    return Meeting(start, origin, certs, tmp_path, request.param)


def whole(forge, *records):
    """The records, and then the rest of SMALL and an orderly end."""
    forge.send(*records, forge.record(DATA, bytes(SMALL.at(0))))
    forge.finish()
    forge.stream.sock.shutdown(socket.SHUT_WR)


# ---- what is allowed

def test_padding_and_empty_records(meeting):
    """Below the bound, and data begins the count anew."""
    def script(forge):
        for at in range(0, SMALL.size, 1000):
            forge.send(*(forge.record(DATA, b"", padding=at % 700) for _ in range(15)),
                       *(forge.record(ALERT, WARNING) for _ in range(15)),
                       forge.record(DATA, bytes(SMALL.at(at, 1000)), padding=3000))
        forge.finish()
        forge.stream.sock.shutdown(socket.SHUT_WR)

    honest, forged = meeting.play(script)
    honest.assert_is(SMALL)
    forged.assert_is(SMALL)
    meeting.run.ended(reason="done")
    assert meeting.stat("millrace.bad_record") == 0


def test_key_update_in_pieces(meeting):
    """Four bytes and one, each in a record of its own; ours comes back."""
    def script(forge):
        meeting.settle()
        whole_update = update(request=1)
        forge.send(*(forge.record(HANDSHAKE, whole_update[at:at + 1]) for at in range(5)))
        forge.next_key()
        forge.send(forge.record(HANDSHAKE, update()))
        forge.next_key()
        whole(forge)

    honest, forged = meeting.play(script)
    if not can_rekey():
        assert honest.end == "reset"
        assert forged.end == "clean"
        meeting.run.ended(reason="key_update_unsupported")
        assert meeting.stat("millrace.key_update.unsupported") == 1
        return
    honest.assert_is(SMALL)
    forged.assert_is(SMALL)
    assert meeting.stat("millrace.key_update.received") == 2
    assert meeting.stat("millrace.key_update.sent") == 1


@pytest.mark.parametrize("meeting", ["server"], indirect=True)
def test_tickets(meeting):
    """Several in a record, one over several records, one before a KeyUpdate."""
    def script(forge):
        long = ticket(20000)
        forge.send(forge.record(HANDSHAKE, ticket() + ticket()),
                   forge.record(HANDSHAKE, ticket()[:3]),
                   forge.record(HANDSHAKE, ticket()[3:] + long[:9000]),
                   forge.record(HANDSHAKE, long[9000:15000]),
                   forge.record(HANDSHAKE, long[15000:]))
        if can_rekey():
            forge.send(forge.record(HANDSHAKE, ticket() + update()))
            forge.next_key()
        whole(forge)

    honest, forged = meeting.play(script)
    honest.assert_is(SMALL)
    forged.assert_is(SMALL)
    assert meeting.stat("millrace.ticket.received") == 4 + can_rekey()


# ---- what is not

def many(kind, content, **more):
    return lambda forge: [forge.record(kind, content, **more) for _ in range(33)]


def one(kind, content):
    return lambda forge: [forge.record(kind, content)]


REFUSED = [
    pytest.param(many(ALERT, WARNING), "record_flood", "record_flood", id="alert-flood"),
    pytest.param(many(HANDSHAKE, b"\4"), "bad_record", "bad_record", id="message-too-long"),
    pytest.param(one(HANDSHAKE, b""), "bad_record", "bad_record", id="empty-handshake"),
    pytest.param(one(HANDSHAKE, update() + update()), "bad_record", "bad_record",
                 id="behind-a-key-update"),
    pytest.param(one(HANDSHAKE, update(2)), "bad_record", "bad_record", id="key-update-2"),
    pytest.param(one(HANDSHAKE, message(forges.KEY_UPDATE, b"\0\0")), "bad_record",
                 "bad_record", id="key-update-of-two"),
    pytest.param(one(HANDSHAKE, message(forges.CERTIFICATE_REQUEST, b"\0\0\0")),
                 "renegotiation_refused", "post_handshake_refused", id="client-auth"),
    pytest.param(one(HANDSHAKE, message(1, bytes(50))),
                 "renegotiation_refused", "post_handshake_refused", id="client-hello"),
    pytest.param(one(99, b"what?"), "bad_record", "bad_record", id="unknown-type"),
    pytest.param(one(ALERT, b"\2"), "bad_record", "bad_record", id="half-an-alert"),
    pytest.param(one(ALERT, b"\2\x28"), "peer_alert", "peer_alert", id="fatal-alert"),
    pytest.param(lambda forge: [forge.record(HANDSHAKE, ticket()[:9]),
                                forge.record(DATA, b"x")],
                 "bad_record", "bad_record", id="data-inside-a-message"),
]


@pytest.mark.parametrize("records,reason,counter", REFUSED)
def test_refused(meeting, records, reason, counter):
    """It costs that connection, with one line, one count, and an alert."""
    honest, forged = meeting.play(lambda forge: forge.send(*records(forge)))
    assert honest.end == "reset", honest
    # Whoever said that it is over is told nothing.
    assert forged.end == "reset" if reason == "peer_alert" else "ALERT" in forged.end, forged
    assert len(meeting.run.ended(reason=reason)) == 1
    assert meeting.stat(f"millrace.{counter}") == 1


@pytest.mark.parametrize("padding", [0, 900])
def test_flood_of_empty_data(meeting, padding):
    """The kernel drops such records itself: nobody is woken for them."""
    def script(forge):
        meeting.settle()
        forge.send(*(forge.record(DATA, b"", padding) for _ in range(33)))
        if ENGINE == "kernel":
            whole(forge)

    honest, forged = meeting.play(script)
    if ENGINE == "kernel":
        honest.assert_is(SMALL)
        forged.assert_is(SMALL)
        return
    assert (honest.end, forged.end) == ("reset", "SSLV3_ALERT_UNEXPECTED_MESSAGE")
    assert len(meeting.run.ended(reason="record_flood")) == 1
    assert meeting.stat("millrace.record_flood") == 1


@pytest.mark.parametrize("meeting", ["client"], indirect=True)
def test_ticket_from_a_client(meeting):
    honest, _ = meeting.play(lambda forge: forge.send(forge.record(HANDSHAKE, ticket())))
    assert honest.end == "reset"
    meeting.run.ended(reason="renegotiation_refused")
    assert meeting.stat("millrace.post_handshake_refused") == 1


# ---- TLS 1.2

@pytest.mark.parametrize("side", ["client", "server"])
def test_renegotiation(start, origin, certs, peer, side):
    """Refused with no_renegotiation (RFC 5746 section 4.5), and counted."""
    if side == "client":
        app = origin(origins.echo)
        run = start([listener(certs.ecdsa.server_tls())], [cluster(app.address)])
        # OpenSSL takes no data in the midst of a handshake: the echo first.
        client = peer.client(run.address(), certs.authority.pem, size=100, version=12,
                             renegotiate=1, expect=100)
        outcome, scope = client.outcome(), "ingress"
    else:
        server = peer.server(certs.ecdsa, size=100, version=12, renegotiate=1,
                             expect=10)
        run = start([listener()], [cluster(server.address, tls=certs.upstream_tls())])
        caller = streams.dial(run.address())
        assert streams.exchange(caller, Payload(1, 10), finish=False).end == "reset"
        caller.close()
        outcome, scope = server.outcome(), "app"
    assert "no renegotiation" in outcome["errors"], outcome
    run.ended(reason="renegotiation_refused")
    assert run.stat("millrace.post_handshake_refused", scope) == 1
