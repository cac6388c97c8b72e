# SPDX-License-Identifier: BSD-2-Clause
"""Servers behind the program: threads of this process."""

import queue
import select
import socket
import threading

import streams
from waiting import seconds


class Origin:
    """Accepts until it is closed; handler(stream) serves one connection in a
    thread of its own, and take() gives what it returned."""

    def __init__(self, handler, tls=None, host="127.0.0.1", port=0,
                 rcvbuf=None, sndbuf=None, backlog=4096):
        self.handler = handler
        self.tls = tls
        self.results = queue.Queue()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit both.
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        self.socket.bind((host, port))
        self.socket.listen(backlog)
        self.address = self.socket.getsockname()[:2]
        self.accepted = 0
        self._open = set()
        self._lock = threading.Lock()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            ready, _, _ = select.select([self.socket, self._woken], [], [])
            if self._woken in ready:
                return
            sock, _ = self.socket.accept()
            self.accepted += 1
            with self._lock:
                self._open.add(sock)
            threading.Thread(
                target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                stream = streams.Tls(sock, self.tls, server_side=True)
            else:
                stream = streams.Plain(sock)
            result = self.handler(stream)
        except Exception as error:  # told to whom takes it
            result = error
        with self._lock:
            self._open.discard(sock)
        sock.close()
        self.results.put(result)

    def take(self, timeout_s=30):
        """What the next connection's handler returned, or raised."""
        result = self.results.get(timeout=seconds(timeout_s))
        if isinstance(result, Exception):
            raise result
        return result

    def close(self):
        if self._wake.fileno() < 0:
            return
        self._wake.send(b"x")
        self._thread.join(seconds(5))
        self.socket.close()
        with self._lock:
            for sock in self._open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._wake.close()
        self._woken.close()


# ---- handlers

def wait_readable(stream, timeout_s=60):
    poll = select.poll()
    poll.register(stream.sock, select.POLLIN)
    if not poll.poll(seconds(timeout_s) * 1000):
        raise TimeoutError("nothing came")


def echo(stream):
    """Sends back what comes, and ends when the peer has ended."""
    size = 0
    while True:
        data = stream.receive()
        if data is None:
            wait_readable(stream)
            continue
        if not data:
            break
        size += len(data)
        send_all(stream, data)
    if not stream.broken:
        stream.finish()
        send_all(stream, b"")
    return size


def send_all(stream, data):
    poll = select.poll()
    poll.register(stream.sock, select.POLLOUT)
    view = memoryview(data)
    while (view or stream.unsent()) and not stream.broken:
        sent = stream.send(view) if view else 0
        view = view[sent:]
        stream.flush()
        if not sent and (view or stream.unsent()):
            if not poll.poll(seconds(60) * 1000):
                raise TimeoutError("nothing was taken")


def swap(payload, **options):
    """Both directions at once: sends payload, and tells what came."""
    return lambda stream: streams.exchange(stream, payload, **options)


def sink(stream):
    """Only reads, to the end."""
    return streams.exchange(stream, finish=True)


def refuse(stream):
    stream.reset()
