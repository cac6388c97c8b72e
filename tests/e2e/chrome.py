# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven by its DevTools protocol over two pipes."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time

from waiting import seconds

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps",
    "--disable-dev-shm-usage", "--no-proxy-server", "--mute-audio",
    "--remote-debugging-pipe",
)


class Chrome:
    """One browser with one page."""

    def __init__(self, folder):
        command_r, self._out = os.pipe()
        self._in, answer_w = os.pipe()

        def pipes_at_3_and_4():
            # Out of the way first: either may be 3 or 4 itself.
            ends = os.dup2(command_r, 13), os.dup2(answer_w, 14)
            for end, at in zip(ends, (3, 4)):
                os.dup2(end, at, inheritable=True)

        self.process = subprocess.Popen(
            [shutil.which("chromium"), *FLAGS, f"--user-data-dir={folder}",
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=pipes_at_3_and_4)
        os.close(command_r)
        os.close(answer_w)
        self._numbers = itertools.count(1)
        self._left = b""
        self.asked = []  # every URL that the page asked for
        self.errors = []
        targets = self._send("Target.getTargets")["targetInfos"]
        page = next(t for t in targets if t["type"] == "page")
        self._session = None
        self._session = self._send("Target.attachToTarget", targetId=page["targetId"],
                                   flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")

    def _message(self, deadline):
        while b"\0" not in self._left:
            ready = select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0]
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise AssertionError("the browser does not answer")
            self._left += part
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def _send(self, method, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        deadline = time.monotonic() + seconds(60)
        while True:
            message = self._message(deadline)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._event(message)

    def _event(self, message):
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"])

    # ---- what a reader does

    def open(self, url):
        self._send("Page.navigate", url=url)

    def look(self, width, height, dark=False):
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=width < 500)
        self._send("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self._send("Runtime.evaluate", expression=script, returnByValue=True,
                            awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key):
        more = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self._send("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self._send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def until(self, script, what, timeout_s=20):
        deadline = time.monotonic() + seconds(timeout_s)
        while not (value := self.run(script)):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {what}; at last {value!r}; {self.errors}")
            time.sleep(0.05)
        return value

    def screenshot(self, path):
        """The whole page, however long."""
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        data = self._send("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        path.write_bytes(base64.b64decode(data["data"]))

    def close(self):
        try:
            self._session = None
            self._send("Browser.close")
        except (AssertionError, OSError):
            self.process.kill()
        self.process.wait(timeout=seconds(20))
        os.close(self._out)
        os.close(self._in)
