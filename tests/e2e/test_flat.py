# SPDX-License-Identifier: BSD-2-Clause
"""Many listeners, and reload upon reload under a connection that stays open
throughout: what a reload takes it gives back.

E2E_FLAT  "LISTENERS RELOADS": one run of that size instead. "500 1000" took
          546 s beside other work: 35244 KiB after the first reload, 47524
          after a third of them, 48080 after two thirds and at the end.
"""

import os
import time

import pytest

import origin as origins
import stats
import streams
from millrace import cluster, listener
from streams import Payload
from waiting import FACTOR, until

HELLO = Payload(21, 300)
SIZES = ([tuple(map(int, os.environ["E2E_FLAT"].split()))]
         if "E2E_FLAT" in os.environ else
         [(500, 15), (20, 200)] if FACTOR <= 1 else [(100, 10), (10, 50)])


def slack_kib(listeners):
    """What malloc leaves between what it gives back; with 20 listeners, 100
    bytes of each and each reload would be more."""
    return 256 if listeners <= 20 else 4096


def rss_kib(run):
    """Anonymous memory alone: what the daemon itself has asked for."""
    with open(f"/proc/{run.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status
                    if line.startswith("RssAnon:"))


def reload(run):
    """Once more than the workers have taken up the last one."""
    until(lambda: stats.get(run.admin, "/reload", "POST")[0] == 200,
          "the reload", 60)


@pytest.mark.many
@pytest.mark.native
@pytest.mark.parametrize("listeners,reloads", SIZES)
def test_reloads(start, origin, certs, listeners, reloads):
    app = origin(origins.echo)
    far = origin(origins.echo, tls=streams.server_context(certs.ecdsa))
    tls = certs.ecdsa.server_tls(
        validation={"trust": {"file": str(certs.authority.pem)}})
    run = start(
        [listener(certs.ecdsa.server_tls(), cluster="far")] +
        [listener(tls, name=f"l{i}", cluster="far") for i in range(listeners - 1)],
        [cluster(far.address, name="far", tls=certs.upstream_tls()),
         cluster(app.address)])
    context = streams.client_context(certs)
    old = streams.dial(run.address(), context)
    streams.exchange(old, HELLO, expect=HELLO.size, finish=False)
    levels, begun = [], time.monotonic()
    for turn in range(reloads):
        reload(run)
        caller = streams.dial(run.address(), context)
        streams.exchange(caller, HELLO).assert_is(HELLO)
        caller.close()
        streams.exchange(old, HELLO, expect=HELLO.size, finish=False)
        levels.append(rss_kib(run))
    settled = 2 * reloads // 3
    print(f"{listeners} listeners, {reloads} reloads in "
          f"{time.monotonic() - begun:.0f} s: KiB at first {levels[0]}, then "
          f"{levels[reloads // 3]}, {levels[settled]}, {levels[-1]}")
    # ASan keeps what was freed, and tells itself of what was not.
    if "SANITIZE" not in os.environ:
        assert min(levels[-3:]) <= max(levels[:settled]) + slack_kib(listeners), levels
    streams.exchange(old, HELLO).assert_is(HELLO)
    old.close()
