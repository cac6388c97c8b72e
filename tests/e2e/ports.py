# SPDX-License-Identifier: BSD-2-Clause
"""Ports that nobody uses, below the range of outgoing connections."""

import itertools
import os
import socket

FIRST, LAST = 15000, 31999

_next = itertools.count(os.getpid() * 97)


def _free(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # No SO_REUSEADDR: a port with connections in TIME_WAIT is passed by.
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick(host="127.0.0.1"):
    for _ in range(LAST - FIRST):
        port = FIRST + next(_next) % (LAST - FIRST)
        if _free(host, port):
            return port
    raise RuntimeError(f"no free port on {host}")


def refused(address):
    """Nobody listens there any more. A connection that was still in the backlog
    when the listener went is reset."""
    try:
        socket.create_connection(address).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def text(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
