# SPDX-License-Identifier: BSD-2-Clause
"""What is installed beside the program: as its users' tools take it.

Needs: make deb (build/millrace_*.deb), mandoc, lintian, prometheus, systemd,
bash-completion. Nothing is installed on this machine.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TREE / "build"))
MILLRACE = BUILD / "millrace"


def run(*command, ok=True, **more):
    result = subprocess.run(command, cwd=TREE, text=True, timeout=120, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **more)
    assert not ok or result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """make install, below a folder."""
    root = tmp_path_factory.mktemp("install")
    run("scripts/install.sh", "install",
        env={**os.environ, "DESTDIR": str(root), "PREFIX": "/usr", "BUILD": str(BUILD)})
    return root


@pytest.fixture(scope="module")
def package():
    found = list(BUILD.glob("millrace_*.deb"))
    assert len(found) == 1, f"make deb first: {found}"
    return found[0]


# ---- the package

def test_lintian(package):
    said = run("lintian", "--allow-root", "--fail-on", "error,warning", str(package))
    assert not re.search("^[EW]:", said, re.M), said


def test_package_is_reproducible(package):
    before = package.read_bytes()
    run("scripts/deb.sh", env={**os.environ, "BUILD": str(BUILD)})
    assert package.read_bytes() == before


def test_uninstall_leaves_the_configuration_alone(tmp_path):
    env = {**os.environ, "DESTDIR": str(tmp_path), "PREFIX": "/opt/m", "BUILD": str(BUILD)}
    run("scripts/install.sh", "install", env=env)
    assert (tmp_path / "opt/m/bin/millrace").is_file()
    unit = tmp_path / "opt/m/lib/systemd/system/millrace.service"
    assert "@" not in re.sub("@system-service|@privileged|@resources|@keyring", "",
                             unit.read_text())
    changed = tmp_path / "etc/millrace/millrace.yaml"
    changed.write_text("# mine\n")
    run("scripts/install.sh", "install", env=env)
    assert changed.read_text() == "# mine\n"
    run("scripts/install.sh", "uninstall", env=env)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [changed]


# ---- what systemd says

def test_exposure(installed):
    """At most 3.0, and each exposure that is left is told in the unit."""
    unit = installed / "usr/lib/systemd/system/millrace.service"
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30",
               str(unit))
    text = unit.read_text()
    reasons = text[text.index("still counts"):]
    for name in re.findall(r"^\s*✗ ([A-Za-z]+)=", said, re.M):
        assert name in reasons, f"{name} is not justified in the unit\n{said}"


def test_unit_is_understood(installed):
    unit = installed / "usr/lib/systemd/system/millrace.service"
    said = run("systemd-analyze", "verify", "--man=no", str(unit), ok=False)
    wrong = [line for line in said.splitlines()
             if "millrace" in line and "is not executable" not in line]
    assert not wrong


def test_user_and_folders(installed, tmp_path):
    """As an installer runs them, in a root of their own."""
    (tmp_path / "etc").mkdir()
    for tool, kind in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        create = ["--create"] if kind == "tmpfiles" else []
        run(tool, f"--root={tmp_path}", *create,
            str(installed / f"usr/lib/{kind}.d/millrace.conf"))
    assert re.search("^millrace:", (tmp_path / "etc/passwd").read_text(), re.M)
    assert (tmp_path / "sys/fs/bpf/millrace").is_dir()


# ---- the configuration

def test_example_is_accepted(installed):
    said = run(str(MILLRACE), "check", "-c", str(installed / "etc/millrace/millrace.yaml"))
    assert said.endswith(": ok\n")


# ---- what watches it

def test_rules():
    run("promtool", "check", "rules", "scripts/prometheus/millrace.rules.yml")
    run("promtool", "test", "rules", "scripts/prometheus/millrace.test.yml")


def expressions():
    board = json.loads((TREE / "scripts/grafana/millrace.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def test_dashboard_is_promql(tmp_path):
    """Each expression, with its variables filled in, is one that Prometheus takes."""
    rules = [{"record": f"x:{i}", "expr": expr.replace("$__rate_interval", "1m")}
             for i, expr in enumerate(expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    run("promtool", "check", "rules", str(path))


def test_what_is_watched_is_counted():
    """Every name in the rules and the dashboard stands in counters.h or abi.h, or is the
    server's; of a histogram there are buckets."""
    counters = (TREE / "include/counters.h").read_text()
    known = {name.replace(".", "_") for name in re.findall(r'"([a-z_.]+)"', counters)}
    known |= {f"{name}_bucket" for name in known if name.endswith("_ms")}
    text = (TREE / "scripts/prometheus/millrace.rules.yml").read_text() + "".join(expressions())
    asked = set(re.findall(r"envoy_(?:listener|cluster)_([a-z_]+)", text))
    asked -= {"address", "name", "ssl_certificate_expiration_unix_time_in_seconds"}
    assert asked and asked <= known, asked - known
    sites = set(re.findall(r'C\(\w+, [A-Z_ |]+, "(\w+)"', (TREE / "include/abi.h").read_text()))
    asked = set(re.findall(r"envoy_millrace_intercept_(?:egress|ingress|guard)_([a-z_]+)", text))
    assert asked and asked <= sites, asked - sites
