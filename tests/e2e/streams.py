# SPDX-License-Identifier: BSD-2-Clause
"""Both directions of a connection, plain or TLS, in one thread.

ssl.SSLSocket can neither half-close nor be used by two threads, so TLS runs
over memory buffers here.
"""

import dataclasses
import functools
import hashlib
import random
import select
import socket
import ssl
import time

from waiting import seconds

CHUNK = 1 << 18
BLOCK = 1048573  # a prime: nothing repeats at a power of two
# In every payload, so that a capture tells where it went in the clear.
MARKER = b"millrace: not for the wire"
MARKER_EVERY = 200


@functools.lru_cache(maxsize=8)
def _block(seed):
    block = bytearray(random.Random(seed).randbytes(BLOCK))
    for at in range(0, BLOCK - MARKER_EVERY, MARKER_EVERY):
        block[at:at + len(MARKER)] = MARKER
    return bytes(block)


@functools.lru_cache(maxsize=256)
def _digest(seed, size):
    digest = hashlib.sha256()
    at = 0
    while at < size:
        piece = Payload(seed, size).at(at)
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Payload:
    """size bytes that are all their own, never held as a whole."""

    seed: int
    size: int

    def at(self, offset, most=CHUNK):
        """A piece that begins at offset."""
        block = _block(self.seed)
        begin = offset % BLOCK
        end = min(begin + most, BLOCK, begin + self.size - offset)
        return memoryview(block)[begin:end]

    def digest(self):
        return _digest(self.seed, self.size)


NOTHING = Payload(0, 0)


@dataclasses.dataclass
class Outcome:
    """What came, and how the stream ended: clean, truncated, reset, open."""

    size: int
    digest: str
    end: str
    sent: int = 0

    def assert_is(self, payload, end="clean"):
        got = (self.size, self.digest, self.end)
        assert got == (payload.size, payload.digest(), end), \
            f"expected {payload} ({end}), and here is {self}"


class Plain:
    """TCP. receive() is None when there is nothing now, b"" at the end, and
    end tells which; broken: nothing can be sent any more."""

    def __init__(self, sock):
        self.sock = sock
        self.end = None
        self.broken = False
        sock.setblocking(False)

    def send(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except (ConnectionResetError, BrokenPipeError):
            self.broken = True
            return 0

    def receive(self):
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            self.broken = True
            data = b""
        if not data:
            # A failed send has taken the error that was here.
            self.end = "reset" if self.broken else "clean"
        return data

    def finish(self, notify=True, fin=True):
        if fin:
            _shutdown(self.sock)

    def unsent(self):
        return False

    def flush(self):
        pass

    def reset(self):
        _linger_zero(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()


class Tls:
    """TLS over a socket; the same interface as Plain."""

    def __init__(self, sock, context, server_side=False, name=None,
                 session=None, timeout_s=20):
        self.sock = sock
        self.end = None
        self.broken = False
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.pending = memoryview(b"")
        self.early = []
        self.fin_wanted = False
        self.ssl = context.wrap_bio(
            self.incoming, self.outgoing, server_side, name, session)
        self._handshake(seconds(timeout_s))

    def _handshake(self, timeout_s):
        self.sock.settimeout(timeout_s)
        while True:
            try:
                self.ssl.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                self.sock.sendall(self.outgoing.read())
                raise
            self.sock.sendall(self.outgoing.read())
            if done:
                break
            data = self.sock.recv(CHUNK)
            if not data:
                raise ConnectionResetError("closed during the handshake")
            self.incoming.write(data)
        self.sock.setblocking(False)

    def unsent(self):
        return len(self.pending) > 0 or self.outgoing.pending > 0

    def flush(self):
        while self.unsent():
            if not self.pending:
                self.pending = memoryview(self.outgoing.read())
            try:
                self.pending = self.pending[self.sock.send(self.pending):]
            except BlockingIOError:
                return
            except (ConnectionResetError, BrokenPipeError):
                self.broken = True
                self.pending = memoryview(b"")
                self.outgoing.read()
        if self.fin_wanted:
            self.fin_wanted = False
            _shutdown(self.sock)

    def send(self, data):
        self.flush()
        if self.unsent() or self.broken:
            return 0
        sent = self.ssl.write(data[:1 << 16])
        self.flush()
        return sent

    def _decrypt(self):
        """None: more is needed; b"": the end."""
        try:
            data = self.ssl.read(CHUNK)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            eof = (isinstance(error, ssl.SSLEOFError) or
                   error.reason == "UNEXPECTED_EOF_WHILE_READING")
            cut = "reset" if self.broken else "truncated"
            self.end = cut if eof else f"{error.reason}"
            return b""
        if not data:
            self.end = self.end or "clean"
        return data

    def receive(self):
        if self.early:
            return self.early.pop(0)
        while True:
            data = self._decrypt()
            if data is not None:
                self.flush()
                return data
            try:
                cipher = self.sock.recv(CHUNK)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                self.broken = True
                self.end = self.end or "reset"
                return b""
            if cipher:
                self.incoming.write(cipher)
            else:
                self.incoming.write_eof()

    def finish(self, notify=True, fin=True):
        self.fin_wanted = fin
        if notify:
            # OpenSSL refuses to shut down while data waits to be read.
            while data := self._decrypt():
                self.early.append(data)
            try:
                self.ssl.unwrap()
            except ssl.SSLError:
                pass
        self.flush()

    def reset(self):
        _linger_zero(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()


def _shutdown(sock):
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _linger_zero(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    b"\x01\x00\x00\x00\x00\x00\x00\x00")


def exchange(stream, payload=NOTHING, expect=None, finish=True, notify=True,
             fin=True, timeout_s=60, block=None):
    """Sends payload while it receives: until the end, or until expect bytes
    came and all was sent. finish: half-close once all is sent."""
    digest = hashlib.sha256()
    size = sent = 0
    finished = ended = False
    deadline = time.monotonic() + seconds(timeout_s)
    poll = select.poll()
    poll.register(stream.sock)
    while True:
        if sent < payload.size and not stream.broken:
            sent += stream.send(payload.at(sent, block or CHUNK))
        if finish and not finished and (
                sent >= payload.size or stream.broken):
            stream.finish(notify, fin)
            finished = True
        stream.flush()
        while not ended:
            data = stream.receive()
            if data is None:
                break
            digest.update(data)
            size += len(data)
            ended = not data
            if expect is not None and size >= expect or sent < payload.size:
                break
        all_sent = (sent == payload.size and not stream.unsent() and
                    (finished or not finish))
        if ended and (all_sent or stream.broken):
            break
        if expect is not None and size >= expect and all_sent:
            break
        events = 0 if ended else select.POLLIN
        if sent < payload.size or stream.unsent():
            events |= select.POLLOUT
        poll.modify(stream.sock, events)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError(
                f"sent {sent} of {payload.size}, received {size} "
                f"(expected {expect}), end {stream.end}")
    return Outcome(size, digest.hexdigest(), stream.end or "open", sent)


def dial(address, context=None, name="app.apps.local", sndbuf=None,
         rcvbuf=None, timeout_s=20, session=None):
    """A connected Plain, or Tls where a context is given."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sndbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(seconds(timeout_s))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            return Tls(sock, context, name=name, session=session)
        return Plain(sock)
    except BaseException:
        sock.close()
        raise


def tell_truncation(context):
    """Python would take a FIN without close_notify for a clean end."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF


def client_context(certs, version=None, ciphers=None):
    context = ssl.create_default_context(cafile=str(certs.authority.pem))
    tell_truncation(context)
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def server_context(leaf, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tell_truncation(context)
    context.load_cert_chain(leaf.chain, leaf.key)
    if version:
        context.minimum_version = context.maximum_version = version
    return context
