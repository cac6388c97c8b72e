# SPDX-License-Identifier: BSD-2-Clause
"""The README's commands, run as they stand there.

A fenced block says who runs it:
    sh here NAME    this test, in a host of its own (network, mounts) where the
                    README's first configuration runs, an application behind it
    sh host NAME    tests/service/guest.sh, in a machine with a real systemd
    sh elsewhere    nobody here: what runs this test, .ci/run or scripts/test.sh
    yaml NAME       a configuration, run here or by the guest
    text            what is said, or a picture

Needs: root, a build (BUILD), make, curl, jq, bpftool, iproute2.
"""

import os
import pathlib
import re
import subprocess
import textwrap
import time

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TREE / "build"))
README = (TREE / "README.md").read_text()
MILLRACE = BUILD / "millrace"
LIMIT_S = 60

# An App Mesh of three documents, as `aws appmesh describe-…` prints them.
MESH = {
    "node.json": """{"virtualNode": {"meshName": "m", "virtualNodeName": "web", "spec": {
        "listeners": [{"portMapping": {"port": 8080, "protocol": "tcp"}}],
        "serviceDiscovery": {"dns": {"hostname": "web.apps.local"}},
        "backends": [{"virtualService": {"virtualServiceName": "app.apps.local"}}]}}}""",
    "backend.json": """{"virtualNode": {"meshName": "m", "virtualNodeName": "app", "spec": {
        "listeners": [{"portMapping": {"port": 9000, "protocol": "tcp"}}],
        "serviceDiscovery": {"dns": {"hostname": "app.apps.local"}}}}}""",
    "service.json": """{"virtualService": {"meshName": "m",
        "virtualServiceName": "app.apps.local",
        "spec": {"provider": {"virtualNode": {"virtualNodeName": "app"}}}}}""",
}


def blocks():
    """(its words, its text) of every fenced block."""
    found = re.findall(r"^( *)```([^\n`]*)\n(.*?)^\1```$", README, re.M | re.S)
    assert README.count("```") == 2 * len(found)
    return [(words.split(), textwrap.dedent(text)) for _, words, text in found]


def named(*words):
    return {block[-1]: text for block, text in blocks() if block[:len(words)] == list(words)}


HERE, HOST, CONFIGURATIONS = named("sh", "here"), named("sh", "host"), named("yaml")


def test_every_block_says_who_runs_it():
    for words, text in blocks():
        assert words in (["text"], ["sh", "elsewhere"]) or (
            len(words) == 3 and words[:2] in (["sh", "here"], ["sh", "host"])) or (
            len(words) == 2 and words[0] == "yaml"), (words, text)
    ran = (TREE / "tests/service/guest.sh").read_text()
    for name in HOST:
        assert re.search(rf"\breadme {name}\b", ran), name
    ran = (TREE / ".ci/run").read_text() + (TREE / "scripts/test.sh").read_text()
    for words, text in blocks():
        if words == ["sh", "elsewhere"]:
            assert re.search(rf"^\s*{re.escape(text.strip())}\b", ran, re.M), text
    assert set(CONFIGURATIONS) == {"first", "intercept"}


def test_what_is_said_in_passing():
    """Targets and commands in running text are ones that there are."""
    makefile = (TREE / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target
    said = subprocess.run([MILLRACE, "help"], text=True, check=True, stdout=subprocess.PIPE).stdout
    for command in re.findall(r"`millrace ([a-z]+)", README):
        assert f"  millrace {command} " in said, command


def test_every_reason_is_told():
    header = (TREE / "user/flow/conn.h").read_text()
    reasons = re.findall(r'\bR\([A-Z_]+, "([a-z_]+)"\)', header)
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    assert len(reasons) > 20
    for reason in reasons:
        assert any(f"`{reason}`" in row.split(" | ")[0] for row in rows), reason


# ---- a host of its own

class Host:
    """A process in namespaces of its own, beside which commands are run."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", """
                ip link set lo up && ip addr add 10.0.0.12/32 dev lo &&
                mkdir somebodys && mount -t bpf bpf somebodys &&
                mount -t bpf bpf /sys/fs/bpf && echo up && exec cat"""],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)
        assert self.holder.stdout.readline() == "up\n"

    def command(self, script, cwd):
        path = f"{BUILD}:{os.environ['PATH']}:/usr/sbin"
        return {"args": ["nsenter", f"--target={self.holder.pid}", "--net", "--mount",
                         f"--wdns={cwd}", "bash", "-euo", "pipefail", "-c", script],
                "env": {**os.environ, "PATH": path, "BUILD": str(BUILD)}, "text": True}

    def run(self, script, cwd=None, allowed=(0,)):
        ended = subprocess.run(**self.command(script, cwd or self.folder), check=False,
                               timeout=LIMIT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert ended.returncode in allowed, ended.stdout
        return ended.stdout

    def start(self, script, ready, seen="log"):
        """Until ready stands in its log, or in the file seen."""
        log = self.folder / f"log.{len(self.running)}"
        seen = log if seen == "log" else self.folder / seen
        with log.open("w") as out:
            self.running.append(subprocess.Popen(
                **self.command(f"exec {script}", self.folder), stdout=out,
                stderr=subprocess.STDOUT))
        end = time.monotonic() + LIMIT_S
        while not seen.exists() or ready not in seen.read_text():
            assert self.running[-1].poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
            process.wait(timeout=LIMIT_S)
        self.holder.stdin.close()
        self.holder.wait(timeout=LIMIT_S)


AUTHORITY = """
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -keyout ca.key -out ca.pem -subj '/CN=CA' -days 1
openssl req $key -keyout key.pem -out leaf.csr -subj '/CN=app'
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 1 -out chain.pem -days 1 \
    -extfile <(echo subjectAltName=DNS:serviceb.apps.local)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    if os.geteuid():
        pytest.fail("namespaces and a BPF file system take root")
    folder = tmp_path_factory.mktemp("readme")
    made = Host(folder)
    try:
        made.run(AUTHORITY)
        (folder / "millrace.yaml").write_text(CONFIGURATIONS["first"])
        made.start("millrace-bench origin 127.0.0.1:8080", "ready")
        made.start("millrace run -c millrace.yaml", "msg=ready")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def carried(host):
    """A connection that is over, through both listeners, and one that is open."""
    host.run("curl -sSf -o /dev/null http://127.0.0.1:15001/100000")
    host.start("curl -sS --limit-rate 100k -D head -o /dev/null http://127.0.0.1:15001/100000000",
               "200 OK", "head")
    return host


def test_first_configuration(host):
    assert host.run("curl -sSf http://127.0.0.1:15001/1000 | wc -c") == "1000\n"


def test_counters(carried):
    told = carried.run(HERE["http"])
    shaken = int(re.search(r"^listener\.0\.0\.0\.0_15000\.ssl\.handshake: (\d+)$", told, re.M)[1])
    assert shaken >= 2
    assert carried.run(HERE["bpftool"]) == f"{shaken}\n"
    assert "listener.0.0.0.0_15000.millrace.rx_bytes" in carried.run(HERE["stats"])


def test_verify(carried):
    said = carried.run(HERE["verify"])
    heads = [block for words, block in blocks() if words == ["text"] and "verdict" in block]
    assert said.splitlines()[0].split() == heads[0].splitlines()[0].split()
    assert re.search(r"^ingress .* TLSv1.3 ", said, re.M)


def test_probe(host):
    assert "kTLS" in host.run(HERE["probe"])


def test_bench(host):
    assert re.match(r"requests +\d+ in ", host.run(HERE["bench"]))


def test_import(host, tmp_path):
    for name, text in MESH.items():
        (tmp_path / name).write_text(text)
    # 2: not all is as it was, and standard error says what.
    assert "steered to the proxy" in host.run(HERE["import"], tmp_path, allowed=(2,))
    host.run("millrace check -c millrace.yaml", tmp_path)


def test_demo(host):
    assert "all hashes agree" in host.run(HERE["demo"], TREE)


def test_package(host):
    host.run(HERE["package"], TREE)


def test_every_block_here_was_run():
    source = pathlib.Path(__file__).read_text()
    assert {name for name in HERE if f'HERE["{name}"]' in source} == set(HERE)
