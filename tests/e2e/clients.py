# SPDX-License-Identifier: BSD-2-Clause
"""Applications that connect in every way they know. Each function is one
process: clients.py NAME ARGUMENT..., the result as JSON.

A reply is the line that the origin (storm.c) sends. ctypes and ssl take their
time to load, and are imported by who needs them."""

import errno
import json
import os
import select
import socket
import struct
import sys
import time

from waiting import seconds

SO_ORIGINAL_DST = 80
SYS_PIDFD_GETFD = 438
TCP_FASTOPEN_CONNECT = 30
MSG_FASTOPEN = 0x20000000
SYS_BPF, BPF_MAP_UPDATE_ELEM, BPF_OBJ_GET = 321, 2, 7
ABI_OWN_KERNEL = 3
TCP_ULP, SOL_TLS, TLS_TX, TLS_1_3, AES_128_GCM = 31, 282, 1, 0x304, 51


def name(address):
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] \
        else f"{address[0]}:{address[1]}"


def reply(sock):
    sock.settimeout(seconds(5))
    data = b""
    while b"\n" not in data:
        more = sock.recv(1000)
        if not more:
            break
        data += more
    return data.decode().split()


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def outcome(sock):
    """What the other end said, and whom we think we speak with."""
    return {"reply": reply(sock), "peer": name(sock.getpeername()),
            "local": name(sock.getsockname())}


def plain(host, port):
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds(5))
        begin = time.monotonic()
        error = sock.connect_ex((host, int(port)))
        if error:
            return {"error": errno.errorcode.get(error, str(error)),
                    "ms": (time.monotonic() - begin) * 1000}
        try:
            return outcome(sock)
        except OSError as failure:
            return {"error": errno.errorcode.get(failure.errno, "timeout")}


def source(host, port, bound):
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        sock.bind((bound, 0))
        sock.connect((host, int(port)))
        return outcome(sock)


def nonblocking(host, port):
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.connect_ex((host, int(port)))
        select.select([], [sock], [], seconds(5))
        sock.setblocking(True)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        return outcome(sock)


def fastopen(host, port):
    """Twice: the second has a cookie, and data in its SYN."""
    results = []
    for _ in range(2):
        with socket.socket(family(host), socket.SOCK_STREAM) as sock:
            sock.sendto(b"early", MSG_FASTOPEN, (host, int(port)))
            results.append(outcome(sock))
    return results


def device(host, port, interface):
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                        interface.encode())
        sock.settimeout(seconds(5))
        sock.connect((host, int(port)))
        return outcome(sock)


def udp(host, port):
    with socket.socket(family(host), socket.SOCK_DGRAM) as sock:
        sock.connect((host, int(port)))
        return {"peer": name(sock.getpeername())}


def user(uid, gid, host, port):
    os.setgroups([])
    os.setresgid(int(gid), int(gid), int(gid))
    os.setresuid(int(uid), int(uid), int(uid))
    return plain(host, port)


def keep(host, port, path):
    """A connection that outlasts something: waits for the file path, then
    sends, and tells whether it arrived."""
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        sock.connect((host, int(port)))
        first = reply(sock)
        print(json.dumps({"reply": first}), flush=True)
        while not os.path.exists(path):
            time.sleep(0.05)
        sock.sendall(b"MARKER-in-the-clear")
        time.sleep(0.5)
        return {}


def answer_udp(host, port):
    """One datagram's answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, int(port)))
        print("ready", flush=True)
        _, caller = sock.recvfrom(100)
        sock.sendto(b"yes", caller)
        return {}


def ask_udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds(5))
        sock.sendto(b"is it?", (host, int(port)))
        return {"answer": sock.recv(100).decode()}


def raw(v4, v6, port, fragment, options):
    """A TCP segment that no connection is behind: to 10.9.1.1 with a fragment
    offset, or to fd09::1 behind options."""
    tcp = struct.pack("!HHIIBBHHH", 33333, int(port), 1, 0, 0x50, 2, 1000, 0,
                      0) + b"RAW-MARKER"
    if options == "none":
        to, kind = ("10.9.1.1", 0), socket.AF_INET
        packet = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, int(fragment), 64,
            socket.IPPROTO_TCP, 0, socket.inet_aton(v4),
            socket.inet_aton(to[0])) + tcp
    else:
        to, kind = ("fd09::1", 0), socket.AF_INET6
        option = bytes([socket.IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0])
        packet = struct.pack(
            "!IHBB", 0x60000000, len(option) + len(tcp),
            socket.IPPROTO_DSTOPTS, 64) + socket.inet_pton(
                kind, v6) + socket.inet_pton(kind, to[0]) + option + tcp
    with socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        try:
            return {"sent": sock.sendto(packet, to)}
        except PermissionError:
            return {"sent": 0}


def bpf(command, attributes):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(SYS_BPF, command, attributes, len(attributes))
    if done < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return done


def claim(pin, host, port, does):
    """A socket that is marked as the daemon's own, whose records the kernel
    encrypts, and then does no more for it than it says."""
    import ctypes

    path = ctypes.create_string_buffer(os.path.join(pin, "own").encode())
    own = bpf(BPF_OBJ_GET, struct.pack("=QII", ctypes.addressof(path), 0, 0))
    with socket.socket(family(host), socket.SOCK_STREAM) as sock:
        key = ctypes.c_uint32(sock.fileno())
        value = ctypes.create_string_buffer(
            struct.pack("=IIQ", ABI_OWN_KERNEL, 0, 0))
        bpf(BPF_MAP_UPDATE_ELEM, struct.pack(
            "=IIQQQ", own, 0, ctypes.addressof(key), ctypes.addressof(value),
            0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.connect((host, int(port)))
        if does != "nothing":
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        if does == "tx":
            sock.setsockopt(SOL_TLS, TLS_TX, struct.pack(
                "=HH8s16s4s8s", TLS_1_3, AES_128_GCM, bytes(8), bytes(16),
                bytes(4), bytes(8)))
        sock.sendall(b"MARKER-that-must-not-be-seen")
    return {}


def listen(port):
    """Connections come to stand, and nobody takes or ends them."""
    with socket.create_server(("", int(port))):
        print("ready", flush=True)
        sys.stdin.read()


def original_dst(pid):
    """Of every descriptor of a process that has it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(int(pid))
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd), 0)
        if copy < 0 or not os.readlink(f"/proc/self/fd/{copy}").startswith(
                "socket:"):
            continue
        with socket.socket(fileno=copy) as sock:
            try:
                raw = sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
            except OSError:
                continue
        port, address = struct.unpack_from("!2xH4s", raw)
        found.append(name((socket.inet_ntoa(address), port)))
    return found


def hello(host, port, server_name=""):
    """The ClientHello of somebody who asks for server_name, and no more."""
    import ssl

    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = bool(server_name)
    tls = context.wrap_bio(ssl.MemoryBIO(), out,
                           server_hostname=server_name or None)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    with socket.create_connection((host, int(port)), seconds(5)) as sock:
        sock.sendall(out.read())
        try:
            return outcome(sock)
        except OSError as failure:
            return {"error": errno.errorcode.get(failure.errno, "timeout")}


def short(host, port, ca, count):
    """One after the other: connect, say a little, be answered, end."""
    import ssl

    context = ssl.create_default_context(cafile=ca)
    for number in range(int(count)):
        with socket.create_connection((host, int(port)), seconds(20)) as sock, \
                context.wrap_socket(sock, server_hostname="app.apps.local") as caller:
            word = b"%d" % number
            caller.sendall(word)
            assert caller.recv(100) == word
    return int(count)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
