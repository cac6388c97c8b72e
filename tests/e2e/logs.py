# SPDX-License-Identifier: BSD-2-Clause
"""The log that the program writes to its standard error."""

import json
import re
import threading
import time

from waiting import seconds

PAIR = re.compile(r'([A-Za-z0-9_]+)=("(?:[^"\\]|\\.)*"|\S*)(?:\s|$)')


class Line:
    """One line: its text, and its pairs, unless it is no such line."""

    def __init__(self, text):
        self.text = text
        self.fields = {}
        if text.startswith("{"):
            self.fields = json.loads(text)
            return
        at = 0
        while at < len(text):
            pair = PAIR.match(text, at)
            if not pair:
                self.fields = {}
                return
            value = pair[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            self.fields[pair[1]] = value
            at = pair.end()

    def get(self, key):
        return self.fields.get(key)

    def __getitem__(self, key):
        return self.fields[key]

    def has(self, wanted):
        return all(self.fields.get(key) == str(value)
                   for key, value in wanted.items())

    def __repr__(self):
        return self.text


class Log:
    """Collects the lines of a pipe as they come."""

    def __init__(self, pipe):
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._collect, args=(pipe,), daemon=True)
        self._thread.start()

    def _collect(self, pipe):
        for raw in pipe:
            line = Line(raw.decode(errors="replace").rstrip("\n"))
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        pipe.close()

    def lines(self, **fields):
        with self._changed:
            return [line for line in self._lines if line.has(fields)]

    def tail(self, count=30):
        return "\n".join(line.text for line in self.lines()[-count:])

    def wait_count(self, count, timeout_s=10, **fields):
        """The lines with these fields, once there are count or more."""
        deadline = time.monotonic() + seconds(timeout_s)
        with self._changed:
            while True:
                found = [line for line in self._lines if line.has(fields)]
                left = deadline - time.monotonic()
                if len(found) >= count:
                    return found
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        raise AssertionError(
            f"{len(found)} of {count} lines with {fields}; the log ends:\n"
            f"{self.tail()}")

    def wait(self, timeout_s=10, **fields):
        return self.wait_count(1, timeout_s, **fields)[0]

    def join(self):
        self._thread.join(seconds(5))
