# SPDX-License-Identifier: BSD-2-Clause
"""millrace probe: its table and its JSON, and that what they say is so."""

import errno
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest

from millrace import BINARY
from waiting import seconds

TREE = pathlib.Path(__file__).resolve().parents[2]
TCP_ULP = 31
# A kernel that encrypts does so whole: all that the engines ask for.
CIPHERS = {f"{way}{version}_{cipher}" for way in ("TX", "RX") for version in (12, 13)
           for cipher in ("AES128", "AES256", "CHACHA20")}


def probe(*options, prefix=()):
    return subprocess.run([*prefix, BINARY, "probe", *options], capture_output=True,
                          timeout=seconds(60), text=True)


def features(**more):
    """By id, and in their order."""
    ran = probe("--json", **more)
    assert (ran.returncode, ran.stderr) == (0, "")
    said = json.loads(ran.stdout)
    assert said["kernel"] == os.uname().release
    assert said["aes_gcm"] in ("VAES", "AES-NI", "OpenSSL")
    return {feature.pop("id"): feature for feature in said["features"]}


def test_json():
    """Each feature that the header names, with every field."""
    names = re.findall(r"^\tP\((\w+),", (TREE / "kernel/probe.h").read_text(), re.M)
    said = features()
    assert [name for name in said if name not in CIPHERS] == names
    assert set(said) == CIPHERS | set(names)
    for name, feature in said.items():
        assert set(feature) == {"group", "feature", "here", "errno", "without"}, name
        assert feature["group"] in ("tls", "io_uring", "bpf"), name
        assert feature["here"] in ("yes", "no", "untried"), name
        assert feature["feature"] and feature["without"], name
        # Only what was refused has an error, and by its name.
        if feature["errno"] is not None:
            assert feature["here"] == "no" and hasattr(errno, feature["errno"]), name


def test_table():
    """The same, for people: what is lost is told where something is lost."""
    kernel, empty, head, *rows = probe().stdout.splitlines()
    by = json.loads(probe("--json").stdout)["aes_gcm"]
    assert (kernel, empty) == (
        f"kernel {os.uname().release}; the user engine's AES-GCM by {by}", "")
    at = [head.index(word) for word in ("group", "feature", "here", "errno", "without")]
    found = [[row[begin:end].strip() for begin, end in zip(at, at[1:] + [None])]
             for row in rows]
    assert found == [
        [feature["group"], feature["feature"], feature["here"], feature["errno"] or "-",
         "" if feature["here"] == "yes" else feature["without"]]
        for feature in features().values()]


def test_it_is_so():
    """Asked of the kernel by other means."""
    said = features()
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            ulp = ("yes", None)
        except OSError as error:
            ulp = ("no", errno.errorcode[error.errno])
    assert (said["ULP"]["here"], said["ULP"]["errno"]) == ulp
    assert {said[name]["here"] for name in CIPHERS} == (
        {"yes"} if ulp[0] == "yes" else {"untried"})
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    assert said["BPFFS"]["here"] == ("yes" if " - bpf " in mounts else "no")
    assert said["BTF"]["here"] == (
        "yes" if pathlib.Path("/sys/kernel/btf/vmlinux").exists() else "no")
    major, minor = map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
    if ulp[0] == "yes" and (major, minor) < (6, 14):
        for name in ("REKEY_TX", "REKEY_RX"):
            assert (said[name]["here"], said[name]["errno"]) == ("no", "EBUSY")
    if (major, minor) < (6, 7):
        assert (said["RING_SOCKOPT"]["here"], said["RING_SOCKOPT"]["errno"]) == (
            "no", "EOPNOTSUPP")


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to give up rights")
def test_without_rights():
    """Whoever may not is told EPERM, and what is lost; the rest stays."""
    before = features()
    after = features(prefix=("setpriv", "--bounding-set=-all", "--inh-caps=-all",
                             "--reuid=65534", "--clear-groups"))
    programs = {name for name in before
                if name.startswith("BPF_") and before[name]["here"] == "yes"}
    assert programs
    for name in programs:
        assert (after[name]["here"], after[name]["errno"]) == ("no", "EPERM"), name
    rest = {name for name in before if name.startswith(("RING", "TX", "RX"))}
    assert [after[name] for name in rest] == [before[name] for name in rest]


def test_misused():
    ran = probe("--jsno")
    assert ran.returncode == 2
    assert ran.stderr == "usage: millrace probe [--json]\n"
