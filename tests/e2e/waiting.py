# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for a condition, with a deadline."""

import os
import time

# Emulated machines are slow; there the whole suite is given more time.
FACTOR = float(os.environ.get("E2E_TIME_FACTOR", "1"))
POLL_S = 0.01


def seconds(count):
    return count * FACTOR


def until(condition, what, timeout_s=10):
    """Returns condition()'s first true value, or fails, telling the last."""
    deadline = time.monotonic() + seconds(timeout_s)
    while True:
        # Before it is asked: who asks may be held up as well.
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(
                f"waited {seconds(timeout_s)} s for {what}; at last {value!r}")
        time.sleep(POLL_S)
