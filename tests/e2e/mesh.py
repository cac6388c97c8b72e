# SPDX-License-Identifier: BSD-2-Clause
"""Hosts (world.py) whose daemons speak TLS with each other: unmodified nginx
and curl on them, and what passes between them."""

import os
import re
import signal
import subprocess
import tempfile

from waiting import seconds, until
from wire import WHOLE, Tcpdump

APP = 8080
MARKER = "MARKER-that-must-not-be-seen"

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 0.0.0.0:{port}; listen [::]:{port};
    location / {{
      return 200 "{name} $remote_addr $server_addr $http_x_secret {marker}\\n";
    }}
  }}
}}
"""


def nginx(host, folder):
    path = folder / f"{host.name}.conf"
    path.write_text(NGINX.format(folder=folder, port=APP, name=host.name,
                                 marker=MARKER))
    host.start("nginx", "-c", path, cgroup="app")
    # Whether it listens is looked up, not tried: a connection would count.
    until(lambda: f":{APP}" in host.run("ss", "-Hltn"), "nginx", 10)


def curl(host, address, check=True):
    """(what the server says, whom the client thinks it spoke with)"""
    url = f"http://[{address}]:{APP}/" if ":" in address \
        else f"http://{address}:{APP}/"
    out = host.run("curl", "-sg", "--max-time", int(seconds(20)), "-H",
                   f"X-Secret: {MARKER}", "-w", "%{remote_ip}", url,
                   cgroup="app", check=check)
    return out.split() or [""]


class Wrk:
    """Requests from a host's application, each on a connection of its own,
    until done()."""

    def __init__(self, host, address, cgroup="app"):
        self.host = host
        self.process = host.start(
            "wrk", "-t", "2", "-c", "16", "-d", "600", "--timeout",
            f"{int(seconds(10))}s", "-H", "Connection: close", "-H",
            f"X-Secret: {MARKER}", f"http://{address}:{APP}/", cgroup=cgroup)

    def done(self):
        """(requests that were answered, what wrk says of others)"""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=seconds(20))
        self.host.processes.remove(self.process)
        return int(re.search(r"(\d+) requests in", out)[1]), re.findall(
            "Socket errors: .*|Non-2xx or 3xx responses: .*", out)


def originate(certs):
    """The cluster that speaks TLS with wherever the connection was meant to
    go, and shows its own certificate there."""
    return {
        "name": "mesh", "type": "original-destination",
        "tls": {
            "certificate": {"file": {"chain": str(certs.ecdsa.chain),
                                     "key": str(certs.ecdsa.key)}},
            "validation": {"trust": {"file": str(certs.authority.pem)},
                           "names": [certs.name]}}}


def terminate(certs):
    return certs.ecdsa.server_tls(validation={
        "trust": {"file": str(certs.authority.pem)}})


class Capture:
    """What passes a host's eth0, TCP only."""

    def __init__(self, host, *expression):
        self.path = os.path.join(tempfile.mkdtemp(dir=host.world.folder),
                                 "wire.pcap")
        self.tcpdump = Tcpdump(
            self.path, "-s", WHOLE, "-U", "--immediate-mode", "tcp", *expression,
            interface="eth0", within=host.command)

    def stop(self, wanted=b""):
        """Its packets, as bytes and as tcpdump's lines; wanted: what has passed,
        and tcpdump may not have come to yet."""
        until(lambda: wanted in self.recorded(), f"{wanted} in the capture")
        _, lost = self.tcpdump.stop()
        # A few may have come before the filter stood.
        assert lost < 5, f"{lost} packets are missing"
        raw = self.recorded()
        lines = subprocess.run(
            ["tcpdump", "-nn", "-r", self.path], check=True,
            capture_output=True, text=True).stdout
        return raw, re.findall(r"^\d\d:\d\d:.* > .*$", lines, re.M)

    def recorded(self):
        with open(self.path, "rb") as file:
            return file.read()

    def dissected(self, *options):
        """What tshark prints of it, line by line."""
        return subprocess.run(
            ["tshark", "-nr", self.path, *options], check=True,
            capture_output=True, text=True,
            timeout=seconds(60)).stdout.splitlines()

    def not_tls(self):
        """Segments with bytes in them that tshark takes for no part of a TLS
        record."""
        return self.dissected(
            "-d", f"tcp.port=={APP},tls", "-Y",
            "tcp.len > 0 && !tls.record && !tcp.reassembled_in && "
            "!tcp.analysis.retransmission")
