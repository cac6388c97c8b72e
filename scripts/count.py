#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""count.py FOLDER ALLOWED: sums the test results in a folder.

FOLDER holds *.xml (JUnit), *.tap (cmocka) and *.part ("passed", "failed" or
"skipped", a name, and a reason per line). Prints each skip, each test that
passed at the second attempt only, and each failure, with its reason, then
"N passed, N failed, N skipped". A skip whose line matches no pattern of ALLOWED
counts as a failure, and so does each unsteady test beyond UNSTEADY_MAX. Exit 1
when any failed, or when nothing passed.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

# In machines that are emulated, and share their processors, nobody can promise
# that none of two thousand tests is held up beyond its patience.
UNSTEADY_MAX = 3


def junit(path):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname', '')}.{case.get('name', '')}"
        kinds = {child.tag: child for child in case}
        if "failure" in kinds or "error" in kinds:
            child = kinds.get("failure", kinds.get("error"))
            yield "failed", name, (child.get("message") or "").split("\n")[0]
        elif "skipped" in kinds:
            yield "skipped", name, kinds["skipped"].get("message") or ""
        else:
            yield "passed", name, ""
            for kept in case.iter("property"):
                if kept.get("name") == "unsteady":
                    yield "unsteady", name, kept.get("value")


def tap(path):
    planned = seen = 0
    for line in path.read_text(errors="replace").splitlines():
        if plan := re.match(r"1\.\.(\d+)", line):
            planned += int(plan[1])
        if not (match := re.match(r"(not )?ok \d+ -? ?(.*)", line)):
            continue
        seen += 1
        name = f"{path.stem}: {match[2].split('#')[0].strip()}"
        if "# SKIP" in line.upper():
            yield "skipped", name, line.split("#", 1)[1].strip()
        else:
            yield ("failed" if match[1] else "passed"), name, ""
    # A program that died half way has not passed the rest.
    if seen < max(planned, 1):
        yield "failed", path.stem, f"ended after {seen} of {planned} tests"


def part(path):
    for line in path.read_text(errors="replace").splitlines():
        outcome, name, *reason = line.split(maxsplit=2)
        yield outcome, name, " ".join(reason)


def main():
    folder, allowed = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    patterns = [re.compile(line.split("\t")[0]) for line in allowed.read_text().splitlines()
                if line and not line.startswith("#")]
    found = {"passed": [], "failed": [], "skipped": [], "unsteady": []}
    for suffix, reader in (("*.part", part), ("*.tap", tap), ("*.xml", junit)):
        for path in sorted(folder.glob(suffix)):
            for outcome, name, reason in reader(path):
                text = f"{name}: {reason}" if reason else name
                if outcome == "skipped" and not any(p.search(text) for p in patterns):
                    outcome, text = "failed", f"{text} (a skip that tests/allowed-skips.txt " \
                                              "does not allow)"
                found[outcome].append(text)
    unsteady = found.pop("unsteady")
    found["failed"] += [f"{text} (one unsteady test too many)"
                        for text in unsteady[UNSTEADY_MAX:]]
    for outcome, texts in (("skipped", found["skipped"]), ("unsteady", unsteady),
                           ("failed", found["failed"])):
        for text in texts:
            print(f"{outcome}: {text}")
    print(", ".join(f"{len(texts)} {outcome}" for outcome, texts in found.items()))
    return 1 if found["failed"] or not found["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
