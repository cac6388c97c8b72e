# SPDX-License-Identifier: BSD-2-Clause
"""What the loopback interface carried, searched for what nobody may see.

Every Payload holds a marker again and again. Where a daemon speaks TLS, on
its listeners and to its clusters, no packet of a whole session may hold one;
where it speaks in the clear, they do.
"""

import pathlib
import re
import signal
import struct
import subprocess
import time

import streams
from millrace import RUNS, split
from waiting import seconds

# Of a packet this much is kept: the longest headers (86 bytes), and behind
# them one whole marker wherever it may stand. What is shorter than the
# shortest headers and a marker, such as a mere ACK, is left out.
SNAPLEN = 86 + streams.MARKER_EVERY + len(streams.MARKER)
LEAST = 54 + len(streams.MARKER)


# The largest packet there is, on lo. With --immediate-mode each takes a slot
# of this size in tcpdump's buffer: 1,000 of them, where -s 0 leaves 250.
WHOLE = 65600


class Tcpdump:
    """Records what an interface carries; within makes of a command one that
    runs elsewhere."""

    def __init__(self, path, *options, interface="lo", within=list):
        self.path = pathlib.Path(path)
        self.process = subprocess.Popen(
            within(["tcpdump", "-i", interface, "-B", "65536", "-w", str(path),
                    *map(str, options)]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                return
        raise AssertionError("tcpdump does not listen")

    def stop(self):
        """Ends the recording; how many packets it has and how many it lost."""
        self.process.send_signal(signal.SIGINT)
        words = self.process.communicate(timeout=seconds(20))[1]
        found = re.search(r"(\d+) packets? captured.*?(\d+) packets? dropped by kernel",
                          words, re.S)
        assert found, words
        return int(found[1]), int(found[2])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def packets(path):
    """When, and the TCP packet behind the link's header: IPv4 or IPv6."""
    capture = path.read_bytes()
    at = 24
    while at + 16 <= len(capture):
        at_s, at_us, kept = struct.unpack_from("<III", capture, at)
        yield at_s + at_us / 1e6, capture[at + 30:at + 16 + kept]
        at += 16 + kept


def ports_of(packet):
    head = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
    return struct.unpack_from("!HH", packet, head)


def tls_ports():
    """By port: from when to when a daemon spoke TLS there."""
    spans = {}
    for run in RUNS:
        if not run.on_loopback:
            continue
        addresses = [item["listen"] for item in run.listeners
                     if item["tls"]["mode"] == "strict"]
        plain = {address for item in run.clusters if "tls" not in item
                 for address in item.get("endpoints", [])}
        for item in run.clusters:
            addresses += set(item.get("endpoints", [])) - plain
        for address in addresses:
            spans.setdefault(split(address)[1], []).append(
                (run.began, run.ended_at or time.time()))
    return spans


def search(path):
    """How many packets hold the marker: those of TLS, and the others."""
    spans, sealed, clear = tls_ports(), [], 0
    for when, packet in packets(path):
        if streams.MARKER not in packet:
            continue
        ports = ports_of(packet)
        if any(begin <= when <= end for port in ports for begin, end in spans.get(port, ())):
            sealed.append((when, ports))
        else:
            clear += 1
    return sealed, clear
