# SPDX-License-Identifier: BSD-2-Clause
"""Every question, one after another; the options are those of each."""

import pathlib
import subprocess
import sys

QUESTIONS = ("bulk", "requests", "handshakes", "idle", "scale", "redirect",
             "scrape", "banner", "witnesses")


def main():
    here = pathlib.Path(__file__).parent
    failed = [question for question in QUESTIONS if subprocess.run(
        [sys.executable, str(here / f"{question}.py"), *sys.argv[1:]],
        check=False).returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
