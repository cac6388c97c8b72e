# SPDX-License-Identifier: BSD-2-Clause
"""Half a CPU for a proxy, by a control group's quota, as a container's limit
is. Load and origin share one CPU, and do about as much as the proxy: beside a
whole one it is they who bound the rate, and it waits for them."""

import os
import pathlib

PERIOD_US = 2000
QUOTA_US = 1000  # the least that there is


def hierarchy():
    """Where a group with a quota can be made, and the files that set it: the
    CPU controller of version 1, or of version 2."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ")
        mount = pathlib.Path(fields.split()[4])
        if kind == "cgroup" and "cpu" in options.split(","):
            return mount, {"cpu.cfs_period_us": f"{PERIOD_US}",
                           "cpu.cfs_quota_us": f"{QUOTA_US}"}
        if kind == "cgroup2" and "cpu" in (
                mount / "cgroup.subtree_control").read_text().split():
            return mount, {"cpu.max": f"{QUOTA_US} {PERIOD_US}"}
    raise OSError("there is no control group with the CPU controller")


class Limits:
    """The groups that were made, until end()."""

    def __init__(self):
        self.groups = []

    def missing(self):
        """Why there can be none here; else None."""
        try:
            self.group()
        except OSError as why:
            return str(why)
        return None

    def group(self):
        mount, files = hierarchy()
        made = mount / f"millrace-bench.{os.getpid()}.{len(self.groups)}"
        made.mkdir()
        self.groups.append(made)
        for name, value in files.items():
            (made / name).write_text(value)
        return made

    def end(self):
        for made in self.groups:
            made.rmdir()
        self.groups.clear()


def within(group, command):
    """The command, begun in the group: what it starts stays there."""
    if not group:
        return command
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"',
            str(group / "cgroup.procs"), *command]
