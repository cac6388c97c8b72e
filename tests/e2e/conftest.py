# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the end-to-end tests.

MILLRACE         the program (build/millrace)
MILLRACE_ENGINE  auto, kernel or user: written to every listener and cluster
E2E_BULK_MIB     size of a bulk transfer, each way (64)
E2E_EACH_MIB     the same, for each cipher (64)
E2E_RECORDS      under one key of ours (1000)
E2E_AT_ONCE      connections at once (2000)
E2E_STALLED      peers that do not read (500)
E2E_SHORT        short connections in sequence (20000)
E2E_TIME_FACTOR  stretches every deadline (1)
E2E_SHOTS        a folder for the page's screenshots
"""

import os
import resource
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import evidence as evidence_module  # noqa: E402
import millrace as millrace_module  # noqa: E402
import origin as origin_module  # noqa: E402
import peer as peer_module  # noqa: E402
import world as world_module  # noqa: E402
from casecerts import CaseCerts  # noqa: E402
from certs import Authority, Certificates  # noqa: E402

MARKS = {
    "transfer": "bytes arrive whole",
    "names": "whose certificate is accepted",
    "close": "how streams end",
    "limits": "limits and timeouts",
    "bad_peers": "peers that misbehave",
    "many": "many connections",
    "stats": "the admin endpoint",
    "check": "configurations that are refused",
    "keyupdate": "KeyUpdate and rekeying",
    "verify": "the kernel is asked, and counters are watched",
    "fairness": "one connection does not starve the others",
    "intercept": "the application does not know",
    "native": "says nothing of engines, and is left out in the machines",
}


def pytest_configure(config):
    for name, what in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {what}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not os.access(millrace_module.BINARY, os.X_OK):
        raise pytest.UsageError(
            f"there is no {millrace_module.BINARY}: run make, or set MILLRACE")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed
        for run in getattr(item, "millraces", []):
            if report.failed and run.log:
                report.sections.append(
                    ("millrace's log", run.log.tail(60)))
    # For scripts/count.py, with --reruns: what the first attempt failed of.
    if report.failed:
        item.first_failure = f"{report.when}: {call.excinfo.exconly()}".split("\n")[0]
    elif report.when == "teardown" and hasattr(item, "first_failure"):
        report.user_properties.append(("unsteady", item.first_failure))


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What makes certificates by recipe."""
    return CaseCerts(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """A certificate of the same names, by an authority that nobody trusts."""
    made = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    return made.leaf("stranger", ["DNS:app.apps.local"])


@pytest.fixture(scope="session")
def peer():
    """The compiled peer (peer.c)."""
    return peer_module.Peer(peer_module.compile_c("peer", "-lssl", "-lcrypto"))


@pytest.fixture
def start(request, tmp_path_factory):
    """start(listeners, clusters, …) runs the program until the test's end,
    where it must end in order."""
    runs = request.node.millraces = []

    def begin(listeners, clusters, **more):
        run = millrace_module.Millrace(
            tmp_path_factory.mktemp("run"), listeners, clusters, **more)
        runs.append(run)
        return run.start()

    yield begin
    for run in runs:
        if run.process is None:
            continue
        # After a failure its state says nothing more.
        if getattr(request.node, "failed", True):
            run.kill()
        else:
            run.stop()


@pytest.fixture
def origin():
    """origin(handler, …) serves until the test's end."""
    servers = []

    def begin(handler, **more):
        server = origin_module.Origin(handler, **more)
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def storm():
    """The compiled storm.c, for tests with hosts of their own."""
    lacking = world_module.why_not()
    if lacking:
        pytest.skip(lacking)
    world_module.private_mounts()
    return peer_module.compile_c("storm", "-pthread", "-luring")


@pytest.fixture
def world(request, storm, tmp_path_factory):
    """An empty world of hosts (world.py)."""
    made = world_module.World(storm, tmp_path_factory.mktemp("world"))
    request.node.millraces = made.runs
    yield made
    try:
        # After a failure a daemon's state says nothing more.
        if not getattr(request.node, "failed", True):
            for run in made.runs:
                if run.process and run.process.poll() is None:
                    run.stop()
    finally:
        made.close()


@pytest.fixture
def far(world):
    """10.1.0.1: the rest of the world."""
    host = world.host("far")
    host.anywhere()
    return host


@pytest.fixture
def app(far):
    """10.1.0.2: where the application and its daemon live."""
    return far.world.host("app")


@pytest.fixture
def evidence():
    """Proof that it was the kernel that encrypted, where that is demanded."""
    with evidence_module.gather() as gathered:
        yield gathered


@pytest.fixture(scope="session", autouse=True)
def whole_session():
    """The same of everything that ran on the loopback interface."""
    if millrace_module.ENGINE != "kernel":
        yield
        return
    with evidence_module.session():
        yield


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"at the first attempt, {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for name, text in report.sections:
            terminalreporter.write_line(f"---- {name}\n{text}")
    for line in evidence_module.SAID:
        terminalreporter.write_line(line)
