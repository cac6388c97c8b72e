# SPDX-License-Identifier: BSD-2-Clause
"""TLS 1.3 records that no library would send: sealed here (RFC 8446 section
5.2) with the keys of a handshake that Python's ssl module made."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import origin as origins

CHANGE_CIPHER, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
NEW_SESSION_TICKET, CERTIFICATE_REQUEST, KEY_UPDATE = 4, 13, 24

SUITE = "TLS_AES_128_GCM_SHA256"


def expand_label(secret, label, size):
    """RFC 8446 section 7.1, for what one block of SHA-256 gives."""
    name = b"tls13 " + label
    info = struct.pack("!HB", size, len(name)) + name + b"\0"
    return hmac.new(secret, info + b"\1", hashlib.sha256).digest()[:size]


def message(kind, body=b""):
    return struct.pack("!B", kind) + len(body).to_bytes(3, "big") + body


def key_update(request=0):
    return message(KEY_UPDATE, bytes([request]))


def ticket(size=40):
    """A NewSessionTicket (RFC 8446 section 4.6.1)."""
    return message(NEW_SESSION_TICKET,
                   struct.pack("!IIB", 7200, 1, 1) + b"n" +
                   struct.pack("!H", size) + b"t" * size + b"\0\0")


def keep_secrets(context, folder):
    """To be called before the handshake; Forge reads them afterwards."""
    context.keylog_filename = str(folder / "secrets")
    return context


class Forge:
    """The sending half of a streams.Tls, which has sent nothing itself since
    its handshake and must not from now on. What it receives is still its."""

    def __init__(self, stream, folder, server_side=False):
        assert stream.ssl.cipher()[0] == SUITE, stream.ssl.cipher()
        self.stream = stream
        label = "SERVER_TRAFFIC_SECRET_0" if server_side else "CLIENT_TRAFFIC_SECRET_0"
        lines = [line.split() for line in (folder / "secrets").read_text().splitlines()]
        secrets = [line[2] for line in lines if line[0] == label]
        self._use(bytes.fromhex(secrets[-1]))

    def _use(self, secret):
        self.secret = secret
        self.aead = AESGCM(expand_label(secret, b"key", 16))
        self.iv = expand_label(secret, b"iv", 12)
        self.sequence = 0

    def record(self, kind, content, padding=0):
        inner = content + bytes([kind]) + bytes(padding)
        header = struct.pack("!BHH", DATA, 0x0303, len(inner) + 16)
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.sequence.to_bytes(12, "big")))
        self.sequence += 1
        return header + self.aead.encrypt(nonce, inner, header)

    def next_key(self):
        self._use(expand_label(self.secret, b"traffic upd", 32))

    def send(self, *records):
        """All in one piece, as far as the socket takes it so."""
        origins.send_all(Under(self.stream), b"".join(records))

    def finish(self):
        self.send(self.record(ALERT, b"\1\0"))


class Under:
    """The bytes under a streams.Tls."""

    def __init__(self, stream):
        self.sock = stream.sock
        self.stream = stream

    @property
    def broken(self):
        return self.stream.broken

    def unsent(self):
        return False

    def flush(self):
        pass

    def send(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except (ConnectionResetError, BrokenPipeError):
            self.stream.broken = True
            return 0
