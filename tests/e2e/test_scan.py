# SPDX-License-Identifier: BSD-2-Clause
"""What scanners find on a strict listener with default settings: nothing."""

import json
import os
import subprocess

import pytest

import origin as origins
import streams
from casecerts import CaseCerts, Recipe
from millrace import cluster, listener
from waiting import FACTOR, seconds

# They wait more than they work, and would find the same everywhere.
NATIVE = FACTOR <= 1

# What remains of testssl.sh's findings above LOW, and why.
EXPLAINED = {
    # The scanner's own: it would need an OpenSSL of old for some checks.
    "engine_problem",
    # The scanner does not wait for the ticket when the application ends the
    # connection first; test_transfer shows that tickets resume.
    "sessionresumption_ticket",
}
SEVERE = ("WARN", "MEDIUM", "HIGH", "CRITICAL", "FATAL")


def one_answer(stream):
    """Answers whatever is said, and ends: a scanner waits for nothing."""
    while stream.receive() is None:
        origins.wait_readable(stream)
    origins.send_all(stream, b"220 hello\r\n")
    return streams.exchange(stream).end


@pytest.fixture
def scanned(start, origin, tmp_path):
    made = CaseCerts(tmp_path)
    leaf = made.leaf(Recipe(
        sans=("DNS:localhost", "IP:127.0.0.1"), cn="localhost", days=380,
        extra="crlDistributionPoints=URI:http://127.0.0.1:1/crl.pem"))
    app = origin(one_answer)
    run = start([listener(leaf.server_tls())], [cluster(app.address)])
    # Some scans leave their connections behind.
    run.leaks_expected = True
    return run, made


def scan(run, made, folder, *what):
    """The scan, begun."""
    folder.mkdir()
    report = folder / "report.json"
    return report, subprocess.Popen(
        ["testssl", "--quiet", "--color=0", "--warnings=off",
         f"--add-ca={made.authority('root')}", f"--jsonfile={report}",
         "--ip=127.0.0.1", *what, f"localhost:{run.address()[1]}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8"})


if NATIVE:
    @pytest.mark.names
    def test_testssl(scanned, tmp_path):
        """Protocols, ciphers, the certificate, vulnerabilities: side by side,
        for most of it is waiting."""
        run, made = scanned
        scans = [scan(run, made, tmp_path / name, *what)
                 for name, what in (("protocols", ("-p", "-P")),
                                    ("certificate", ("-S",)),
                                    ("vulnerabilities", ("-U",)))]
        for report, process in scans:
            process.wait(timeout=seconds(200))
        for report, _ in scans:
            found = json.loads(report.read_text())
            assert len([one for one in found
                        if one["severity"] == "OK"]) >= 3, found
            severe = {one["id"]: one["finding"] for one in found
                      if one["severity"] in SEVERE}
            assert not set(severe) - EXPLAINED, severe

    @pytest.mark.names
    def test_sslscan(scanned, tmp_path):
        run, _ = scanned
        out = subprocess.run(
            ["sslscan", "--no-colour", "--sni-name=localhost",
             f"127.0.0.1:{run.address()[1]}"], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds(120)).stdout
        for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
            assert f"{old}{' ' * (10 - len(old))}disabled" in out, out
        offered = [line.split() for line in out.splitlines()
                   if line.startswith(("Preferred", "Accepted"))]
        assert offered
        for line in offered:
            assert line[1] in ("TLSv1.2", "TLSv1.3"), line
            assert "GCM" in line[4] or "CHACHA20" in line[4], line
            assert line[4].startswith(("TLS_", "ECDHE-")), line
        assert "ffdhe" not in out
        assert out.count("not vulnerable to heartbleed") == 2
