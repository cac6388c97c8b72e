# SPDX-License-Identifier: BSD-2-Clause
"""A name server of a few names, over UDP and TCP on one port of loopback."""

import collections
import socket
import struct
import threading

import ports

TYPES = {1: "A", 28: "AAAA"}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class Nameserver:
    """names: {"a.local": {"A": ["127.0.0.1"], "AAAA": [], "ttl": 5}}. A name
    that is not there is NXDOMAIN; `silent`, `rcode` and `truncate` (over UDP)
    go for all of them."""

    def __init__(self, names):
        self.names = names
        self.silent = False
        self.rcode = NOERROR
        self.truncate = False
        self.asked = collections.Counter()  # ("udp", "a.local", "A"): 3
        self.address = ("127.0.0.1", ports.pick())
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(self.address)
        self._tcp = socket.create_server(self.address)
        self._threads = [
            threading.Thread(target=serve, daemon=True)
            for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def dns(self, **more):
        """The configuration's `dns:`."""
        return {"servers": [ports.text(*self.address)], **more}

    def _serve_udp(self):
        while True:
            query, peer = self._udp.recvfrom(4096)
            if not query:
                return
            answer = self._answer(query, "udp")
            if answer:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self):
        while True:
            sock, _ = self._tcp.accept()
            # One connection may carry several questions (RFC 7766, 6.2.1).
            with sock, sock.makefile("rb") as stream:
                while len(head := stream.read(2)) == 2:
                    if head == b"\xff\xff":
                        return
                    answer = self._answer(
                        stream.read(struct.unpack("!H", head)[0]), "tcp")
                    if answer:
                        sock.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, query, transport):
        ident, _, _, _, _, _ = struct.unpack("!6H", query[:12])
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        name = ".".join(labels).lower()
        kind = TYPES.get(struct.unpack("!H", query[at + 1:at + 3])[0])
        self.asked[transport, name, kind] += 1
        if self.silent:
            return None
        known = self.names.get(name)
        rcode = self.rcode or (NOERROR if known else NXDOMAIN)
        cut = self.truncate and transport == "udp"
        records = [] if rcode or cut else known.get(kind, [])
        # QR, RD, RA; TC
        flags = 0x8180 | rcode | (0x0200 if cut else 0)
        answer = struct.pack("!6H", ident, flags, 1, len(records), 0, 0)
        answer += question
        for record in records:
            family = socket.AF_INET if kind == "A" else socket.AF_INET6
            data = socket.inet_pton(family, record)
            answer += b"\xc0\x0c" + query[at + 1:at + 5] + struct.pack(
                "!IH", known.get("ttl", 1), len(data)) + data
        return answer

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.address)
        with socket.create_connection(self.address) as sock:
            sock.sendall(b"\xff\xff")
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()
