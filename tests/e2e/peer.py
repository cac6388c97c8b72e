# SPDX-License-Identifier: BSD-2-Clause
"""Peers that are processes: peer.c, openssl s_client and s_server."""

import hashlib
import os
import pathlib
import subprocess
import threading

import streams
from waiting import seconds, until

# What is compiled stays here: a machine that sees this folder need not do it.
PROGRAMS = pathlib.Path(__file__).parents[2] / "build" / "e2e"


def compile_c(name, *more):
    """The program that NAME.c beside this file becomes, if it is not one yet."""
    source = pathlib.Path(__file__).with_name(name + ".c")
    binary = PROGRAMS / name
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    unfinished = binary.with_suffix(f".{os.getpid()}")
    subprocess.run(
        ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o",
         str(unfinished), str(source), *more], check=True, timeout=120)
    return unfinished.rename(binary)


class Peer:
    """peer.c: see there for its settings."""

    def __init__(self, binary):
        self.binary = binary

    def start(self, role, **settings):
        return PeerRun([self.binary, role, *(
            f"{key}={value}" for key, value in settings.items())])

    def client(self, address, ca, name="app.apps.local", **settings):
        return self.start("client", host=address[0], port=address[1], ca=ca,
                          name=name, **settings)

    def server(self, leaf, **settings):
        run = self.start("server", chain=leaf.chain, key=leaf.key, **settings)
        run.address = ("127.0.0.1", int(run.line()["port"]))
        return run


class PeerRun:
    def __init__(self, arguments):
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return dict(pair.split("=", 1) for pair in line.split())

    def outcome(self, timeout_s=120):
        """Its last line, once it has ended."""
        try:
            out, err = self.process.communicate(timeout=seconds(timeout_s))
        finally:
            self.kill()
        assert self.process.returncode == 0, (out, err)
        return {"errors": err, **dict(pair.split("=", 1) for pair in out.split())}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Openssl:
    """openssl s_client or s_server, with its standard streams as the data."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            ["openssl", *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def exchange(self, payload, expect, timeout_s=180):
        """Writes payload while it reads expect bytes; returns an Outcome."""
        failure = []

        def write():
            at = 0
            try:
                while at < payload.size:
                    piece = payload.at(at)
                    self.process.stdin.write(piece)
                    at += len(piece)
                self.process.stdin.flush()
            except OSError as error:
                failure.append(error)

        stuck = threading.Timer(seconds(timeout_s), self.process.kill)
        stuck.start()
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        digest, size = hashlib.sha256(), 0
        while size < expect:
            data = self.process.stdout.read1(1 << 18)
            if not data:
                break
            digest.update(data)
            size += len(data)
        writer.join()
        stuck.cancel()
        assert not failure, (failure, self._errors())
        return streams.Outcome(size, digest.hexdigest(), "open", payload.size)

    def _errors(self):
        self.close()
        return self.process.stderr.read()

    def close(self):
        """Ends it; its standard input's end may not be enough."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(seconds(5))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        for pipe in (self.process.stdin, self.process.stdout,
                     self.process.stderr):
            try:
                pipe.close()
            except OSError:
                pass


def s_client(address, certs, *more):
    host, port = address[:2]
    connect = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Openssl("s_client", "-quiet", "-connect", connect, "-CAfile",
                   certs.authority.pem, "-verify_return_error",
                   "-servername", certs.name, "-verify_hostname", certs.name,
                   *more)


def s_server(port, leaf, *more):
    server = Openssl("s_server", "-quiet", "-accept", f"127.0.0.1:{port}",
                     "-cert", leaf.chain, "-key", leaf.key, *more)
    until(lambda: listens(port), f"s_server on port {port}")
    return server


def listens(port):
    """Whether somebody listens; a connection to try it would be served."""
    wanted = f":{port:04X}"
    with open("/proc/net/tcp") as table:
        return any(row.split()[1].endswith(wanted) and row.split()[3] == "0A"
                   for row in table.readlines()[1:])
