# SPDX-License-Identifier: BSD-2-Clause
"""The pinned map, as bpftool shows it, and /stats say the same."""

import json
import pathlib
import re
import subprocess

import pytest

import origin as origins
import streams
from millrace import TREE, cluster, listener
from streams import Payload
from waiting import seconds

pytestmark = pytest.mark.stats

HELLO = Payload(1, 1000)


@pytest.fixture
def bpffs(tmp_path):
    """A bpffs of our own."""
    folder = tmp_path / "bpf"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True, timeout=seconds(60))
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=seconds(60))


def dumped(folder, which):
    """The rows of a map that are in use."""
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", folder / which],
                          check=True, timeout=seconds(60), stdout=subprocess.PIPE,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).stdout
    rows = [entry["formatted"]["value"] for entry in json.loads(dump)]
    for row in rows:
        row["name"] = "".join(map(chr, row["name"])).rstrip("\0") \
            if isinstance(row["name"], list) else row["name"]
    return [row for row in rows if row["used"]]


def fields(which):
    """Field and name in /stats, as include/counters.h has them."""
    text = (TREE / "include/counters.h").read_text().replace("\\\n", " ")

    def of(macro):
        body = re.search(rf"#define {macro}\(.*?\)(.*?)\n", text)[1]
        for name in re.findall(r"\b([A-Z]+_COUNTERS)\(C\)", body):
            yield from of(name)
        yield from re.findall(r'\b[CG]\((\w+),\s*"([^"]+)"', body)

    return dict(of(which))


def test_rows_are_the_statistics(start, origin, certs, bpffs):
    """Summed over workers, each field is what /stats says; a row names its
    listener and worker; they outlive the daemon."""
    app = origin(origins.echo, tls=streams.server_context(certs.ecdsa))
    pin = bpffs / "millrace"
    items = [listener(certs.ecdsa.server_tls()), listener(name="plain")]
    run = start(items, [cluster(app.address, tls=certs.upstream_tls())], counters={"pin": str(pin)})
    for _ in range(5):
        for name, context in (("ingress", streams.client_context(certs)), ("plain", None)):
            caller = streams.dial(run.address(name), context)
            streams.exchange(caller, HELLO).assert_is(HELLO)
            caller.close()
    run.check_idle()
    run.all_over()
    stats = run.stats()
    for which, macro, names in (("listeners", "LISTENER_COUNTERS", ("ingress", "plain")),
                                ("clusters", "CLUSTER_COUNTERS", ("app",))):
        rows = dumped(pin, which)
        assert sorted((row["name"], row["worker"]) for row in rows) == \
            sorted((name, worker) for name in names for worker in range(2))
        known = fields(macro)
        assert len(known) > 30
        for name in names:
            for field, stat in known.items():
                full = f"{run.scope(name)}.{stat}"
                # A plaintext listener has no lines of TLS.
                if full in stats or stat == "downstream_cx_total":
                    total = sum(row[field] for row in rows if row["name"] == name)
                    assert total == stats[full], full
    assert stats[f"{run.scope('ingress')}.ssl.handshake"] == 5
    assert readme_sum(pin) == 5
    run.stop()
    assert readme_sum(pin) == 5


def readme_sum(pin):
    """The line of the README, for our folder."""
    text = (TREE / "README.md").read_text()
    line = re.search(r"^ *(bpftool .*ssl_handshake.*)", text, re.M)[1]
    said = subprocess.run(
        ["bash", "-c", line.replace("/sys/fs/bpf/millrace", str(pin))], check=True,
        timeout=seconds(60), stdout=subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).stdout
    return int(said)


@pytest.mark.parametrize("where", ["no bpffs", "no right"])
def test_plain_memory(start, origin, tmp_path, where, bpffs):
    """Without a bpffs, or the right to it, all works, and it is said once."""
    app = origin(origins.echo)
    pin = tmp_path / "nothing" if where == "no bpffs" else bpffs / "millrace"
    prefix = () if where == "no bpffs" else (
        "setpriv", "--bounding-set", "-sys_admin,-bpf", "--inh-caps", "-sys_admin,-bpf")
    run = start([listener()], [cluster(app.address)], counters={"pin": str(pin)}, prefix=prefix)
    run.errors_expected = True
    caller = streams.dial(run.address())
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()
    run.check_idle()
    assert run.stat("downstream_cx_total") == 1
    told = [line for line in run.log.lines() if "plain memory" in (line.get("msg") or "")]
    assert len(told) == 1, run.log.tail()
    assert not pathlib.Path(pin).exists() or not any(pathlib.Path(pin).iterdir())
