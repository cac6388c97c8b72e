# SPDX-License-Identifier: BSD-2-Clause
"""The page at /, in a headless Chromium: it draws what happens, needs nothing
from elsewhere, fits 360 pixels, and can be used with a keyboard."""

import contextlib
import http.server
import json
import os
import pathlib
import socket
import threading

import pytest

import chrome
import origin as origins
import stats
import streams
from millrace import cluster, listener
from streams import Payload

# A browser in an emulated machine would take minutes, and shows no more.
pytestmark = [pytest.mark.stats, pytest.mark.native]
HELLO = Payload(1, 100000)
# Where to leave screenshots, to be looked at.
SHOTS = os.environ.get("E2E_SHOTS")


@pytest.fixture
def browser(tmp_path):
    made = chrome.Chrome(tmp_path / "profile")
    yield made
    made.close()


@pytest.fixture
def run(start, origin, certs):
    app = origin(origins.echo)
    run = start([listener(certs.ecdsa.server_tls()), listener(name="egress", cluster="gone")],
                [cluster(app.address), cluster(("127.0.0.1", 9), name="gone")])
    # A browser keeps its connections to the endpoint.
    run.leaks_expected = True
    return run


def exchange(run, certs):
    caller = streams.dial(run.address(), streams.client_context(certs))
    streams.exchange(caller, HELLO).assert_is(HELLO)
    caller.close()


def shoot(browser, name):
    if SHOTS:
        browser.screenshot(pathlib.Path(SHOTS) / f"{name}.png")


def cell(name, column):
    """What stands in a row of the tables, as JavaScript."""
    return (f"[...document.querySelectorAll('tbody tr')].find(tr => tr.querySelector('.name')"
            f"?.textContent === {json.dumps(name)})"
            f"?.querySelector('[data-is={json.dumps(column)}]').textContent")


def test_it_lives(run, browser, certs):
    url = f"http://127.0.0.1:{run.admin[1]}/"
    browser.look(1280, 900)
    browser.open(url)
    browser.until("document.body?.dataset.updates > 1", "the second update")
    assert browser.run("document.getElementById('state').textContent") == "Live"
    # What happens from here on is drawn: a rate above 0, within some seconds.
    drawn = ("(() => { const c = document.getElementById('flow'); const d = c.getContext('2d')"
             ".getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < "
             "d.length; i += 4) n += d[i] > 0; return n; })()")
    empty = browser.run(drawn)
    browser.run("window.rates = []; new MutationObserver(() => rates.push(document"
                ".getElementById('rate-in').textContent)).observe(document.getElementById("
                "'rate-in'), {childList: true, characterData: true, subtree: true})")
    for _ in range(5):
        exchange(run, certs)
    # Nobody is behind it: a reset, sooner or later.
    with contextlib.suppress(OSError):
        socket.create_connection(run.address("egress")).recv(1)
    browser.until("rates.some(text => parseFloat(text) > 0)", "throughput")
    assert browser.run(drawn) > empty
    browser.until(cell("egress", "Errors") + " === '1'", "the error")
    browser.until(cell("gone", "Errors") + " === '1'", "the cluster's")
    assert browser.run(cell("ingress", "Errors")) == "0"
    # Who encrypts, and why not the kernel; what was agreed; the certificate.
    engines = "document.getElementById('engines').textContent"
    browser.until(engines + ".includes('Listeners send')", "the engines")
    fallen = [name for name, value in run.stats().items() if ".fallback." in name and value]
    assert ("Why in user space" in browser.run(engines)) == bool(fallen)
    assert "TLSv1.3" in browser.run("document.getElementById('agreed').textContent")
    certificates = browser.run("document.getElementById('certs').textContent")
    assert "app.apps.local" in certificates and "19 days" in certificates
    # A row opens, by keyboard, and tells every number.
    browser.run("document.querySelector('#listeners .name').focus()")
    browser.press("Enter")
    assert browser.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert "ssl.handshake" in browser.run("document.querySelector('.more').textContent")
    shoot(browser, "light")
    assert not browser.errors
    assert all(asked.startswith((url, "data:")) for asked in browser.asked), browser.asked
    assert len([asked for asked in browser.asked if "/stats" in asked]) >= 2


def test_keys_and_widths(run, browser, certs):
    exchange(run, certs)
    browser.look(360, 780, dark=True)
    browser.open(f"http://127.0.0.1:{run.admin[1]}/")
    browser.until("document.body?.dataset.updates > 2", "updates")
    for width, dark in ((360, True), (360, False), (768, False), (1280, True)):
        browser.look(width, 780, dark)
        browser.until(f"innerWidth === {width}", "the width")
        assert browser.run("document.documentElement.scrollWidth") <= width
        light = int(browser.run("getComputedStyle(document.body).backgroundColor")
                    .split("(")[1].split(",")[0])
        assert (light < 60) == dark
        shoot(browser, f"{width}-{'dark' if dark else 'light'}")
    # The theme, whatever the system says.
    browser.press("t")
    browser.press("t")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    # The chart's past, step by step.
    browser.run("document.getElementById('flow').focus()")
    browser.press("ArrowLeft")
    assert "s ago" in browser.run("document.getElementById('flow').getAttribute('aria-label')")
    # Pause holds it, and lets it go on.
    browser.press("p")
    assert browser.run("document.getElementById('state').textContent") == "Paused"
    held = browser.run("new Promise(done => setTimeout(() => done(document.body.dataset"
                       ".updates), 1500))")
    browser.press("p")
    browser.until(f"document.body.dataset.updates > {held}", "it to go on")
    # The filter, which takes letters that are commands elsewhere.
    browser.press("/")
    for letter in "egress":
        browser.press(letter)
    browser.until("document.querySelectorAll('#listeners .name').length === 1", "the filter")
    assert not browser.errors


INTERCEPTED = {
    "egress.redirected": 48210, "egress.joined": 48207, "egress.ignored_local": 1204,
    "egress.ignored_port": 88, "egress.failed_closed": 3, "ingress.steered": 9120,
    "guard.passed_kernel": 2400210, "guard.passed_user": 31000, "guard.dropped": 12,
}


class Intercepting(http.server.ThreadingHTTPServer):
    """The daemon's endpoint, as if it intercepted too: that needs a cgroup, and the page
    sees no more of it than these numbers."""

    def __init__(self, admin):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = stats.get(admin, self.path)
                if self.path.startswith("/stats"):
                    told = json.loads(body)
                    told["stats"][:0] = [{"name": f"millrace.intercept.web.{name}", "value": value}
                                         for name, value in INTERCEPTED.items()]
                    body = json.dumps(told)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def end(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


def test_times_and_interception(run, browser, certs):
    """How long connections took, as /stats has it; what was intercepted."""
    for _ in range(20):
        exchange(run, certs)
    run.wait_stat("downstream_cx_destroy", 20)
    server = Intercepting(run.admin)
    try:
        browser.look(1280, 900)
        browser.open(f"http://127.0.0.1:{server.server_address[1]}/")
        browser.until("document.querySelectorAll('#times .axis').length === 3", "the histograms")
        text = stats.get(run.admin, "/stats?filter=length_ms")[1]
        whole = stats.quantile(text, f"{run.scope()}.downstream_cx_length_ms", "P99")
        shown = browser.run("[...document.querySelectorAll('#times .axis')].map(axis => "
                            "axis.getAttribute('aria-label'))")
        assert any(label.endswith(f"99 % within {whole or '<1'} ms") for label in shown), shown
        words = browser.run("document.getElementById('intercept').innerText")
        for part in ("sent through TLS\n48.2 k", "steered to TLS\n9.12 k",
                     "dropped in the clear\n12", "encrypted by the kernel\n2.40 M"):
            assert part in words, words
        shoot(browser, "intercept-light")
        browser.look(360, 780, dark=True)
        browser.until("innerWidth === 360", "the width")
        assert browser.run("document.documentElement.scrollWidth") <= 360
        shoot(browser, "intercept-360-dark")
        assert not browser.errors
    finally:
        server.end()


def test_it_tells_what_is_wrong(run, browser):
    browser.look(1280, 900)
    browser.open(f"http://127.0.0.1:{run.admin[1]}/")
    browser.until("document.body?.dataset.updates > 1", "the second update")
    run.errors_expected = True
    run.config["clusters"] = []
    run.path.write_text(json.dumps(run.config))
    notices = "document.getElementById('notices').textContent"
    assert browser.run("fetch('/reload', {method: 'POST'}).then(r => r.status)") == 403
    assert stats.get(run.admin, "/reload", "POST")[0] == 400
    browser.until(notices + ".includes('reload was refused')", "the refusal")
    stats.get(run.admin, "/drain_listeners", "POST")
    browser.until(notices + ".includes('Draining')", "the drain")
    shoot(browser, "notices")
    run.terminate()
    assert run.wait_end() == 0
    browser.until("document.getElementById('state').textContent === 'Unreachable'", "the end", 30)
